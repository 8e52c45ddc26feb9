"""Processes that embed some shards of one version each: `python -m tests.writing SETTINGS SHARD ...`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.load_settings import load_settings
from embed_assets.pipeline.steps import Steps
from tests.faulty_s3 import Fault
from tests.support import REPOSITORY

Rows = dict[str, tuple[str, str, bytes]]


def writers(own: Sequence[tuple[Path, Sequence[str]]], plugin: Path) -> "list[subprocess.Popen[str]]":
    """Processes, by settings and shards of each, that have loaded the encoder and wait for `begin`."""
    path = os.pathsep.join([str(plugin), str(REPOSITORY)])
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.writing", str(settings), *shards],
            env=os.environ | {"PYTHONPATH": path},
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for settings, shards in own
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return processes


def begin(processes: Sequence["subprocess.Popen[str]"]) -> None:
    """All of them embed their shards, from now on."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def killed_at(
    process: "subprocess.Popen[str]", matching: Callable[[str], bool], *, occurrence: int, fault: Fault
) -> Callable[[str, str, int], Fault | None]:
    """The fault of a proxy that kills the process as it puts what matches; `reset`: before the server has it."""
    seen = 0

    def chosen(method: str, path: str, place: int) -> Fault | None:
        nonlocal seen
        if method not in ("PUT", "POST") or not matching(path):
            return None
        seen += 1
        if seen != occurrence:
            return None
        process.send_signal(signal.SIGKILL)
        return fault

    return chosen


def rows_of(steps: Steps) -> Rows:
    """Segment id → item, hash of what was encoded, vector; no row twice, no item in part."""
    record = steps.current_version("words")
    assert record is not None
    found = steps.store.open(record.table).to_arrow().to_pylist()
    rows = {
        row["segment_id"]: (row["media_id"], row["content_hash"], np.asarray(row["vector"]).tobytes()) for row in found
    }
    assert len(rows) == len(found), "a segment is there twice"
    segments: dict[str, list[int]] = {}
    for row in found:
        segments.setdefault(row["media_id"], []).append(row["segment_count"])
    assert all(counts == [len(counts)] * len(counts) for counts in segments.values()), "an item is there in part"
    return rows


def quarantined(steps: Steps) -> list[Any]:
    record = steps.current_version("words")
    assert record is not None
    return sorted(steps.store.quarantine(record.table).hashes().items())


def _main() -> None:
    steps = Steps(load_settings(Path(sys.argv[1])))
    record = steps.current_version("words")
    assert record is not None
    steps.encoder(record)
    steps.plan(record)
    print("ready", flush=True)
    sys.stdin.readline()
    steps.embed(record, shards=sys.argv[2:])


if __name__ == "__main__":
    _main()
