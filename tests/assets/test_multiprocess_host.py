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
    "host.py": """
import dagster as dg

from embed_assets.assets.pipeline import build_definitions
from embed_assets.load_settings import load_settings


@dg.asset
def orders() -> None: ...


own = dg.Definitions(assets=[orders])  # no executor is named: Dagster's default has a process for each step
defs = dg.Definitions.merge(own, build_definitions(load_settings("pipeline.yaml")))
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
    chosen = [dg.AssetKey(key) for key in keys]
    location = ReconstructableRepository.for_module("host", "defs", working_directory=os.getcwd())
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
        steps = run(instance, "notes_manifest", "counted_encoder")
        (version,) = instance.get_dynamic_partitions("counted_versions")
        steps |= run(instance, "counted_vectors", tags=grid_range(version, 4))
        steps |= run(instance, "counted_index", "words_serving", tags={"dagster/partition": version})
    print(json.dumps({"steps": steps, "found": Searcher(Store("store")).search("note 3", space="words", k=1)[0].key}))
""",
}


def test_a_step_loads_a_model_once_without_an_executor_of_the_host(tmp_path: Path) -> None:
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    write_weights(tmp_path / "weights")
    write_notes(tmp_path / "notes", 8)
    queries = [{"query": note(number), "relevant": [f"note-{number:03d}.txt"]} for number in range(3)]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    settings = {
        "store": "store",
        "sources": {"notes": {"uri": "notes"}},
        "encoders": {"counted": {"model": "counted"}},
        "spaces": {"words": {"queries": "queries.jsonl"}},
        "compute": {"device": "cpu", "offline": True},
        "shards": 4,
    }
    (tmp_path / "pipeline.yaml").write_text(json.dumps(settings))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)]),
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    loads = Counter(int(pid) for pid in (tmp_path / "loads.txt").read_text().split())
    of_steps = {step: loads[pid] for step, pid in told["steps"].items()}
    assert told["found"] == "note-003.txt"
    assert len(set(told["steps"].values())) == len(told["steps"]) >= 6  # a process each
    assert of_steps["counted_vectors"] == 1  # four partitions
    assert max(loads.values()) == 1
