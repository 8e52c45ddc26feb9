"""A host's project, whole: two pipelines, packages and a table of its own, another package's encoder and decoder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.host import build_sample
from tests.support import REPOSITORY, note, write_notes

pytestmark = pytest.mark.slow  # makes a project and runs two pipelines in it

_SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\n<b>The harbour froze</b>\n"
_TYPE = "embed_assets.component.EmbeddingPipeline"

_FILES = {
    "src/resources/__init__.py": "LAKE = {'a1': 'tram lines of the old town', 'a2': 'how bread is made'}\n",
    "src/jobs/__init__.py": "NIGHT = '0 3 * * *'\n",
    "src/shop/__init__.py": "",
    "src/shop/definitions.py": """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "src/shop/defs/__init__.py": "",
    "src/shop/defs/own.py": """
import dagster as dg
import pyarrow as pa
from jobs import NIGHT
from resources import LAKE


@dg.asset(required_resource_keys={"store"})
def articles(context: dg.AssetExecutionContext) -> pa.Table:
    rows = context.resources.store.items()
    return pa.table({"id": [key for key, _ in rows], "body": [body for _, body in rows], "title": ["of the host"] * 2})


night = dg.ScheduleDefinition(name="night", target=articles, cron_schedule=NIGHT)
lake = dg.ResourceDefinition.hardcoded_resource(LAKE)  # of a name that a pipeline without a prefix has, too
defs = dg.Definitions([articles], schedules=[night], resources={"store": lake})
""",
    "pyproject.toml": """
[project]
name = "shop"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
""",
    "run_all.py": '''
"""Materialize everything in this process, as people and sensors do; print what came of it."""

import json
import sys

import dagster as dg

from embed_assets.assets.names import grid_range
from embed_assets.search.searcher import Searcher
from embed_assets.store.store import Store
from shop.definitions import defs

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
loaded = defs()
dg.Definitions.validate_loadable(loaded)
repository = loaded.get_repository_def()
graph = loaded.resolve_asset_graph()
checks, materialized, versions = {}, set(), {}


def run(job: dg.JobDefinition, **how: object) -> None:
    done = job.execute_in_process(instance=instance, run_config=QUIET, **how)
    materialized.update(event.asset_key.to_user_string() for event in done.get_asset_materialization_events())
    for one in done.get_asset_check_evaluations():
        checks[one.asset_check_key.to_user_string()] = one.passed


with dg.DagsterInstance.get() as instance:
    plain = [key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def is None]
    plain = [key for key in plain if not key.path[-1].endswith("_serving")]
    job = repository.get_implicit_job_def_for_assets(plain)
    run(job, asset_selection=plain)
    for encoder, shards in (("notes_letters", 2), ("archive_words", 4)):
        (version,) = instance.get_dynamic_partitions(f"{encoder}_versions")
        versions[encoder] = version
        run(loaded.resolve_job_def(f"{encoder}_embed"), tags=grid_range(version, shards))
        run(loaded.resolve_job_def(f"{encoder}_promote"), partition_key=version)
found = {
    query: Searcher(Store(f"data/{store}")).search(query, space="text", k=1)[0].key.rpartition("#")[2]
    for store, query in json.loads(sys.argv[1])
}
articles = graph.get(dg.AssetKey(["archive", "articles_manifest"]))
print(json.dumps({
    "found": found,
    "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
    "materialized": sorted(materialized),
    "edges": [key.to_user_string() for key in articles.parent_keys],
    "checks": checks,
    "declared": len(graph.asset_check_keys),
    "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
    "automation": {
        one.name: one.default_status.value for one in [*repository.schedule_defs, *repository.sensor_defs]
    },
    "resources": sorted(repository.get_top_level_resources()),
}))
''',
}

_NOTES = {
    "key_prefix": ["notes"],
    "store": "{{ context.project_root }}/data/notes",
    "sources": {"media": {"uri": "media"}},
    "encoders": {"letters": {"model": "ngrams"}},
    "shards": 2,
}
_ARCHIVE = {
    "key_prefix": ["archive"],
    "store": "{{ context.project_root }}/data/archive",
    "sources": {
        "media": {"uri": "media"},
        "articles": {"asset": "articles", "table": {"text": "body", "id": "id", "caption": "title"}},
    },
    "encoders": {"words": {"model": "ngrams-large"}},
    "shards": 4,
}


_QUERIES = [("archive", "tram line of the old town"), ("archive", "the harbour froze"), ("notes", note(3))]


def _write_project(folder: Path) -> None:
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    for name, attributes in {"notes": _NOTES, "archive": _ARCHIVE}.items():
        defs = folder / "src" / "shop" / "defs" / name
        write_notes(defs / "media", 4 if name == "notes" else 2)
        (defs / "defs.yaml").write_text(json.dumps({"type": _TYPE, "attributes": attributes}))
    (folder / "src/shop/defs/archive/media/film.srt").write_text(_SUBTITLES)
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and the sample package installed as pip leaves it."""
    folder = tmp_path_factory.mktemp("host")
    _write_project(folder)
    with zipfile.ZipFile(build_sample(folder / "sample")) as wheel:
        wheel.extractall(folder / "site")
    return folder


def _python(project: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMBED_ASSETS", "DAGSTER"))}
    path = os.pathsep.join(str(place) for place in (project / "src", project / "site", REPOSITORY))
    own = {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "XDG_CACHE_HOME": str(project / "cache")}
    command = [sys.executable, *arguments]
    environ = kept | own | {"DAGSTER_HOME": str(project / "dagster")}
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def outcome(project: Path) -> dict[str, Any]:
    """What came of materializing everything."""
    return json.loads(_python(project, "run_all.py", json.dumps(_QUERIES)).splitlines()[-1])


def test_everything_materializes_and_all_checks_pass(outcome: dict[str, Any]) -> None:
    assert outcome["materialized"] == outcome["assets"]
    assert len(outcome["assets"]) == 1 + 6 + 7
    assert len(outcome["checks"]) == outcome["declared"] == 2 * 8 + 3  # of each encoder, of each source
    assert [name for name, passed in outcome["checks"].items() if not passed] == []


def test_the_hosts_table_is_upstream_of_the_index(outcome: dict[str, Any]) -> None:
    assert outcome["edges"] == ["articles"]
    assert outcome["found"]["tram line of the old town"] == "a1"


def test_another_packages_decoder_reads_its_files(outcome: dict[str, Any]) -> None:
    assert outcome["found"]["the harbour froze"] == "film.srt"


def test_each_pipeline_finds_its_own(outcome: dict[str, Any]) -> None:
    assert outcome["found"][note(3)] == "note-003.txt"


def test_names_do_not_collide_and_automation_is_off_but_for_a_first_build(outcome: dict[str, Any]) -> None:
    assert {"notes_letters_embed", "archive_words_embed"} <= set(outcome["jobs"])
    assert {"store", "notes_store", "archive_store", "notes_encoders", "archive_encoders"} <= set(outcome["resources"])
    assert {"night", "notes_letters_nightly", "archive_articles_new_media"} <= set(outcome["automation"])
    running = {name for name, status in outcome["automation"].items() if status != "STOPPED"}
    assert running == {"notes_first_build", "archive_first_build"}
