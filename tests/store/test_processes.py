"""Real processes: two that promote at once, and one that is killed in the middle of a move or a clean-up."""

import os
import random
import subprocess
import sys
import time
from datetime import timedelta

import numpy as np
import pytest

from embed_assets.quality.checks import REQUIRED
from embed_assets.store.serving.nearest_rows import nearest, open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.upkeep.maintenance import maintain
from tests.store.made import promote, register, release, upkeep
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow  # processes that are killed

# Reads where the pointer stands, says so, and promotes what it is shown to: one line in, one line out.
_RACER = """
import json, sys
from embed_assets.errors import PromotionError
from embed_assets.quality.checks import REQUIRED
from embed_assets.store.store import Store
from tests.store.made import Late

store = Store(sys.argv[1])
for line in sys.stdin:
    racer = Late(store)
    racer.seen = racer.pointer("words")
    release = store.releases.get(line.strip())
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print("won", racer.promote(release, required=REQUIRED, by=sys.argv[2]).generation, flush=True)
    except PromotionError as error:
        print("lost", error, flush=True)
"""

# Repeats one kind of move or clean-up until it is killed.
_WORKER = """
import sys
from datetime import timedelta
from embed_assets.quality.checks import REQUIRED
from embed_assets.settings import MaintenanceSettings
from embed_assets.store.store import Store
from embed_assets.store.upkeep.maintenance import maintain
from embed_assets.store.versions import VersionId

store = Store(sys.argv[1])
serving = store.serving
two = [store.releases.candidate(VersionId("words", version)) for version in ("v1", "v2")]

def act(number):
    if sys.argv[2] == "promote":
        serving.promote(two[number % 2], required=REQUIRED, by="worker")
    elif sys.argv[2] == "roll back":
        serving.roll_back("words", by="worker")
    else:
        settings = MaintenanceSettings(max_small_fragments=2)
        maintain(store, settings, keep=timedelta(seconds=1))

act(0)
print("ready", flush=True)
number = 0
while True:
    number += 1
    act(number)
"""


@pytest.fixture
def store(tmp_path) -> Store:
    """Two versions: the second one live, the first one to go back to."""
    made = Store(str(tmp_path))
    for version in ("v1", "v2"):
        register(made, version)
        promote(made, recorded(made, version))
    return made


def recorded(store: Store, version: str, *, rows: int = 3) -> Release:
    made = release(store, version, rows=rows)
    store.releases.put(made)
    return made


def started(store: Store, code: str, argument: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, store.uri, argument],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str], line: str | None = None) -> str:
    """What the process answers, to a line if one is given."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def searched(store: Store) -> set[str]:
    """Versions of the rows that a search of the live release finds."""
    live = store.serving.live_release("words")
    table = open_release(store, live)
    rows = nearest(table, np.ones(8, np.float32), live, k=3, columns=["segment_id"])
    assert rows.num_rows == 3
    assert table.count_rows() == live.rows
    return {live.encoder_version}


def test_of_two_processes_that_promote_at_once_one_wins_and_the_other_is_reported(store):
    racers = {name: started(store, _RACER, name) for name in ("one", "other")}
    try:
        for number in range(8):
            generation = store.serving.pointer("words").generation
            for name, version in zip(racers, ("v1", "v2"), strict=True):
                assert said(racers[name], recorded(store, version, rows=4 + number).key) == "ready"
            for racer in racers.values():
                assert racer.stdin is not None
                racer.stdin.write("go\n")
            for racer in racers.values():
                assert racer.stdin is not None
                racer.stdin.flush()
            answers = {name: said(racer) for name, racer in racers.items()}
            won = [name for name, answer in answers.items() if answer == f"won {generation + 1}"]
            lost = [answer for answer in answers.values() if answer.startswith("lost")]
            assert len(won) == 1, answers
            assert len(lost) == 1, answers
            assert f"by {won[0]}, it serves words__" in lost[0]
            assert store.serving.pointer("words").generation == generation + 1
            assert store.open("serving").count_rows() == 1
    finally:
        for racer in racers.values():
            racer.kill()
            racer.communicate()


@pytest.mark.parametrize("what", ["promote", "roll back", "maintain"])
def test_a_process_killed_at_any_moment_leaves_a_store_that_serves(store, what):
    draw = random.Random(what)
    for number in range(4):
        for version in ("v1", "v2"):
            for rows in (3, 4):
                newer = recorded(store, version, rows=number * 10 + rows)
                store.serving.renew(newer, required=REQUIRED, by="test")
        worker = started(store, _WORKER, what)
        assert said(worker) == "ready"
        time.sleep(draw.random() * 0.2)
        worker.kill()
        worker.communicate()
        assert searched(store) <= {"v1", "v2"}
        pointer = store.serving.pointer("words")
        assert sorted(one.encoder_version for one in pointer.releases) == ["v1", "v2"]
        assert all(open_release(store, one).count_rows() == one.rows for one in pointer.releases)
        assert store.open("serving").count_rows() == 1
    report = maintain(store, upkeep(max_small_fragments=2), keep=timedelta(milliseconds=1))
    assert report.left == []
    assert report.skipped == {}
    before = store.serving.pointer("words")
    assert store.serving.roll_back("words", by="test").live == before.previous
    assert searched(store) == {before.previous.encoder_version if before.previous else ""}
