"""A host's own runs of the assets under Dagster's default executor: each step's process loads a model once."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support import REPOSITORY, note, write_notes, write_weights

pytestmark = pytest.mark.slow  # ten processes

_FILES = {
    "counted_plugin.py": '''
"""An encoder that writes down which process loads it."""

import os
from pathlib import Path

from embed_assets.encoders.spec import EncoderSpec
from tests.support import DIM, WordEncoder

FOLDER = Path(__file__).parent


class Counted(WordEncoder):
    def __init__(self, spec, **how):
        super().__init__(spec, **how)
        with (FOLDER / "loads.txt").open("a") as loads:
            loads.write(f"{os.getpid()}\\n")


counted = EncoderSpec(
    name="counted", family="counted_plugin:Counted", model=str(FOLDER / "weights"), modalities=("text", "image"),
    media=("text",), space="words", dim=DIM,
)
''',
    "counted_plugin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: counted-plugin\nVersion: 1.0\n",
    "counted_plugin-1.0.dist-info/entry_points.txt": "[embed_assets.encoders]\ncounted = counted_plugin:counted\n",
    "pyproject.toml": """
[project]
name = "shop"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
""",
    "shop/__init__.py": "",
    "shop/definitions.py": """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:  # no executor is named: Dagster's default has a process for each step
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "shop/defs/__init__.py": "",
    "shop/defs/models.py": """
import dagster as dg


@dg.asset(key_prefix="warehouse", group_name="models")
def raw_articles():
    return [{"id": f"a{number}", "body": f"article {number} of the harbour"} for number in range(4)]


@dg.asset(key_prefix="warehouse", group_name="models")
def articles(raw_articles):
    return [row for row in raw_articles if row["id"] != "a0"]
""",
    "shop/defs/search/defs.yaml": """
type: embed_assets.component.EmbeddingPipeline
attributes:
  store: store
  sources:
    notes: {uri: notes}
    articles: {asset: warehouse/articles, table: {text: body, id: id}}
  encoders: {counted: {model: counted}}
  spaces: {words: {queries: queries.jsonl}}
  compute: {device: cpu, offline: true}
  shards: 4
  translation: {key_prefix: ml, group_name: "of_{{ kind }}"}
  op_tags: {dagster-k8s/config: {container_config: {resources: {limits: {nvidia.com/gpu: 1}}}}}
""",
    "run.py": """
import json
import os

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository

from embed_assets.assets.names import grid_range
from embed_assets.search.searcher import Searcher
from embed_assets.store.store import Store

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run(instance, *keys, tags=None):
    chosen = [dg.AssetKey(key.split("/")) for key in keys]
    location = ReconstructableRepository.for_module("shop.definitions", "defs", working_directory=os.getcwd())
    job = location.get_reconstructable_job("__ASSET_JOB")
    with dg.execute_job(job, instance, run_config=QUIET, tags=tags, asset_selection=chosen) as done:
        assert done.success
        return {
            event.step_key: int(dict(event.event_specific_data.metadata)["pid"].value)
            for event in done.all_events
            if event.event_type_value == "STEP_WORKER_STARTED" and "pid" in dict(event.event_specific_data.metadata)
        }


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        steps = run(instance, "warehouse/raw_articles", "warehouse/articles")
        steps |= run(instance, "ml/notes_manifest", "ml/articles_manifest", "ml/counted_encoder")
        (version,) = instance.get_dynamic_partitions("counted_versions")
        steps |= run(instance, "ml/counted_vectors", tags=grid_range(version, 4))
        steps |= run(instance, "ml/counted_index", "ml/words_serving", tags={"dagster/partition": version})
    searcher = Searcher(Store("shop/defs/search/store"))
    found = [searcher.search(query, space="words", k=1)[0].key for query in ("note 3", "article 2 of the harbour")]
    print(json.dumps({"steps": steps, "found": found}))
""",
}


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A host's project with models upstream and the component; and the environment of its commands."""
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    write_weights(tmp_path / "weights")
    component = tmp_path / "shop" / "defs" / "search"
    write_notes(component / "notes", 8)
    queries = [{"query": note(number), "relevant": [f"note-{number:03d}.txt"]} for number in range(3)]
    (component / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return tmp_path, {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)]),
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def _run(project: tuple[Path, dict[str, str]], *command: str) -> str:
    folder, environ = project
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_a_step_loads_a_model_once_without_an_executor_of_the_host(project: tuple[Path, dict[str, str]]) -> None:
    told = json.loads(_run(project, sys.executable, "run.py").splitlines()[-1])
    loads = Counter(int(pid) for pid in (project[0] / "loads.txt").read_text().split())
    of_steps = {step: loads[pid] for step, pid in told["steps"].items()}
    assert told["found"] == ["note-003.txt", "articles#a2"]
    assert len(set(told["steps"].values())) == len(told["steps"]) >= 9  # a process each
    assert of_steps["ml__counted_vectors"] == 1  # four partitions
    assert max(loads.values()) == 1


def test_dg_checks_and_lists_the_project_by_the_translators_keys_and_groups(
    project: tuple[Path, dict[str, str]],
) -> None:
    dg = str(Path(sys.executable).with_name("dg"))
    assert "All component YAML validated successfully" in _run(project, dg, "check", "yaml")
    assert "All definitions loaded successfully" in _run(project, dg, "check", "defs")
    listed = json.loads(_run(project, dg, "list", "defs", "--json"))
    groups = {asset["asset_key"]: asset["group_name"] for asset in listed["assets"]}
    assert groups["ml/counted_vectors"] == "of_vectors"
    assert groups["ml/articles_manifest"] == "of_manifest"
    assert groups["warehouse/articles"] == "models"
