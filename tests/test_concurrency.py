"""Several runs at once on one store: nothing lost, nothing doubled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from embed_assets.pipeline.steps import Steps
from tests.support import note, pipeline, rewrite, run_all, write_notes

pytestmark = pytest.mark.slow  # processes that race

COMPUTE = {"device": "cpu", "offline": True, "batch_tokens": 16, "flush_rows": 5}


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run them on threads that start together; raises what any of them raised."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(run, action) for action in actions]]


def once_each(steps: Steps, items: int) -> None:
    """Every item once in the manifest and once in every kept version's table; nothing left to do."""
    live = [row for row in steps.manifest.rows("notes") if row["status"] != "deleted"]
    assert sorted(row["key"] for row in live) == [f"note-{number:03d}.txt" for number in range(items)]
    for record in steps.active_versions("words"):
        rows = steps.vectors(record).read(["segment_id", "media_id", "segment_count"])
        assert rows is not None
        segments = rows.column("segment_id").to_pylist()
        assert len(segments) == len(set(segments))
        missing = {row["media_id"]: row for row in live}.keys() - set(rows.column("media_id").to_pylist())
        assert not missing, ([row for row in live if row["media_id"] in missing], steps.plan(record).quarantined)
        assert steps.plan(record).fresh


def again(tmp_path: Path, **changes: Any) -> Steps:
    return pipeline(tmp_path, compute=COMPUTE, **changes)


@pytest.mark.parametrize("attempt", range(3))
def test_two_refreshes_at_once(tmp_path, words, attempt):
    write_notes(tmp_path / "notes", 40)
    run_all(again(tmp_path))
    write_notes(tmp_path / "notes", 60)
    for number in range(10):
        rewrite(tmp_path / "notes" / f"note-{number:03d}.txt", note(500 + number))
    at_once(*[lambda: again(tmp_path).refresh("notes")] * 3)
    steps = again(tmp_path)
    live = [row["key"] for row in steps.manifest.rows("notes") if row["status"] != "deleted"]
    assert len(live) == len(set(live)) == 60


@pytest.mark.parametrize("attempt", range(3))
def test_two_first_runs_at_once(tmp_path, words, attempt):
    write_notes(tmp_path / "notes", 30)

    def run() -> None:
        steps = again(tmp_path)
        steps.refresh("notes")
        steps.embed(steps.resolve("words").record)

    at_once(run, run)
    once_each(again(tmp_path), 30)


@pytest.mark.parametrize("attempt", range(3))
def test_two_embedding_runs_of_one_version_at_once(tmp_path, words, attempt):
    write_notes(tmp_path / "notes", 10)
    run_all(again(tmp_path))
    write_notes(tmp_path / "notes", 60)
    for number in range(10):
        rewrite(tmp_path / "notes" / f"note-{number:03d}.txt", note(500 + number, length=20))
    steps = again(tmp_path)
    steps.refresh("notes")
    record = steps.current_version("words")
    assert record is not None
    at_once(*[lambda: again(tmp_path).embed(record)] * 2)
    once_each(steps, 60)


def test_a_refresh_during_a_re_embedding(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    run_all(again(tmp_path))
    cut = {"words": {"model": "slow-words", "segment": {"max_tokens": 8}}}

    def re_embed() -> None:
        steps = again(tmp_path, encoders=cut)
        steps.embed(steps.resolve("words").record)

    def change() -> None:
        for number in range(5):
            rewrite(tmp_path / "notes" / f"note-{number:03d}.txt", note(700 + number))
            write_notes(tmp_path / "notes", 41 + number)
            again(tmp_path).refresh("notes")

    at_once(re_embed, change)
    steps = again(tmp_path, encoders=cut)
    steps.refresh("notes")
    for record in steps.active_versions("words"):
        steps.embed(record)
    once_each(steps, 45)


def test_what_changed_while_it_was_read_is_tried_again(tmp_path, words):
    """A file that is half written when it is read gets no vector under the hash of the whole one."""
    write_notes(tmp_path / "notes", 12)
    steps = again(tmp_path)
    steps.refresh("notes")
    whole = (tmp_path / "notes" / "note-003.txt").read_text()
    (tmp_path / "notes" / "note-003.txt").write_text(whole[:9])
    record = steps.resolve("words").record
    report = steps.embed(record)
    assert report.total("embedded") == 11
    assert report.reasons == {"notes": {"changed while read": 1}}
    assert steps.plan(record).quarantined == {"notes": {"changed while read": 1}}  # the accounts close
    (tmp_path / "notes" / "note-003.txt").write_text(whole)
    assert steps.embed(record).total("embedded") == 1
    once_each(steps, 12)
    assert steps.plan(record, again=True).fresh
