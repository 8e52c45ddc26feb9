"""Processes that are killed in the middle of one operation on a store, and what the store must then be."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from embed_assets.pipeline.steps import Steps
from embed_assets.quality.checks import REQUIRED
from embed_assets.search.searcher import Searcher
from embed_assets.store.upkeep.maintenance import maintain
from embed_assets.store.versions import VersionRecord
from tests.support import REPOSITORY, pipeline, run_all, write_notes

NOTES = 60
CUT = {"words": {"model": "words", "segment": {"max_tokens": 8}}}  # the candidate: smaller chunks


def steps_on(root: Path, store: Path, **changes: Any) -> Steps:
    """The pipeline of the candidate over the notes of `root`, in any copy of its store."""
    compute = {"device": "cpu", "offline": True, "batch_tokens": 16, "flush_rows": 10}
    values = {"sources": {"notes": {"uri": str(root / "notes")}}, "compute": compute, "encoders": CUT}
    return pipeline(root, store=str(store), **{**values, **changes})


def make_stages(root: Path) -> dict[str, Path]:
    """Stores as they are before each operation: operation → folder."""
    import shutil

    def stage(name: str) -> Path:
        return shutil.copytree(root / "making", root / name)

    write_notes(root / "notes", NOTES, length=40)
    run_all(steps_on(root, root / "making", encoders={"words": {"model": "words"}}))
    steps = steps_on(root, root / "making")
    record = steps.resolve("words").record
    stages = {"vectors": stage("vectors")}
    steps.embed(record)
    stages["index"] = stage("index")
    steps.index(record)
    steps.check(record)
    stages["promote"] = stage("promote")
    steps.promote(record, by="test")
    stages["roll back"] = stage("rollback")
    stages["clean up"] = stage("cleanup")
    return stages


def run_operation(operation: str, steps: Steps) -> None:
    """The operation, however far it has got before."""
    record = _candidate(steps)
    if operation == "vectors":
        steps.embed(record)
    elif operation == "index":
        steps.index(record)
    elif operation == "promote":
        steps.promote(record, by="test")
    elif operation == "roll back":
        live = steps.store.serving.pointer("words").live
        if live is not None and live.encoder_version == record.version:
            steps.roll_back("words", by="test")
    else:
        settings = steps.settings.maintenance.model_copy(update={"max_small_fragments": 2, "max_deleted_share": 0.01})
        maintain(steps.store, settings, keep=timedelta(0))


def finish(operation: str, steps: Steps) -> dict[str, Any]:
    """Do what is left, as the next runs would; what the store then holds, without times."""
    run_operation(operation, steps)
    steps.refresh("notes")
    steps.resolve("words")
    for record in reversed(steps.active_versions("words")):
        steps.embed(record)
        steps.index(record)
        steps.check(record)
        steps.serve(record, by="test")
    pointer = steps.store.serving.pointer("words")
    assert pointer.live is not None
    rows = {record.version: _rows(steps, record) for record in steps.active_versions("words")}
    return {"live": pointer.live.encoder_version, "held": pointer.held, "rows": rows}


def answers_from_a_checked_version(steps: Steps) -> None:
    """The store opens, and search reads a release that passed."""
    live = steps.store.serving.pointer("words").live
    assert live is not None
    assert not live.failures(REQUIRED)
    assert len(Searcher(steps.store, compute=steps.settings.compute).search("copper ferry", space="words", k=5)) == 5


def killed(operation: str, root: Path, store: Path, *, after: float | None) -> float:
    """Run the operation in a process of its own; `after`: seconds from its begin to kill -9.

    Returns the seconds that the operation took, undisturbed where `after` is None.
    """
    plugin = root / "plugin"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(plugin), str(REPOSITORY)])}
    command = [sys.executable, "-m", "tests.crashing", operation, str(root), str(store)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        if after is not None:
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
        process.stdout.read()
        took = time.monotonic() - started
        assert process.wait(timeout=60) in (0, -signal.SIGKILL)
    return took


def _candidate(steps: Steps) -> VersionRecord:
    record = steps.current_version("words")
    assert record is not None
    return record


def _rows(steps: Steps, record: VersionRecord) -> list[dict[str, Any]]:
    table = steps.vectors(record).open()
    assert table is not None
    rows = sorted(table.to_arrow().to_pylist(), key=lambda row: row["segment_id"])
    return [{name: value for name, value in row.items() if name != "embedded_at"} for row in rows]


def _main() -> None:
    operation, root, store = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    steps = steps_on(root, store)
    steps.encoder(_candidate(steps))
    steps.store.serving.pointer("words")
    import lance  # noqa: F401 (imports are not what is killed)

    print("ready", flush=True)
    run_operation(operation, steps)


if __name__ == "__main__":
    _main()
