"""What many small writes leave is bounded: few files, few versions, and nothing goes that is needed."""

from datetime import timedelta
from pathlib import Path

import pytest

from embed_assets.search.searcher import Searcher
from embed_assets.settings import MaintenanceSettings
from embed_assets.store.upkeep.after_run_cleanup import tidy
from tests.support import note, pipeline, rewrite, run_all, write_notes


def kept(**changes: int) -> MaintenanceSettings:
    return MaintenanceSettings.model_validate({"max_small_fragments": 4, "keep_versions": 6, **changes})


def versions(store: Path, table: str) -> int:
    return len(list((store / f"{table}.lance" / "_versions").glob("*.manifest")))


def test_records_are_compacted_and_the_oldest_versions_go(tmp_path: Path, words: list) -> None:
    steps = pipeline(tmp_path)
    for number in range(20):
        steps.store.history.add("refresh", {"number": number})
    before = [event["number"] for event in steps.store.history.all()]
    tidy(steps.store, kept(), in_use=timedelta(0))
    dataset = steps.store.dataset("history")
    assert len(dataset.get_fragments()) == 1
    assert versions(tmp_path / "store", "history") == 6
    assert [event["number"] for event in steps.store.history.all()] == before == list(range(20))


@pytest.mark.slow
def test_what_serves_and_what_roll_back_returns_to_stays(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 3)
    for number in range(8):
        rewrite(tmp_path / "notes" / "note-001.txt", note(100 + number))
        run_all(pipeline(tmp_path))
    steps = pipeline(tmp_path)
    for _ in range(2):  # tags go after versions
        tidy(steps.store, kept(), in_use=timedelta(0))
    live = steps.store.serving.pointer("words").live
    assert live is not None
    assert versions(tmp_path / "store", live.table) <= 7
    assert len(steps.store.releases.all()) <= 7
    (hit,) = Searcher(steps.store, compute=steps.settings.compute).search(note(107), space="words", k=1)
    assert hit.key == "note-001.txt"


def test_versions_that_a_reader_may_be_at_stay(tmp_path: Path, words: list) -> None:
    steps = pipeline(tmp_path)
    for number in range(20):
        steps.store.history.add("refresh", {"number": number})
    before = versions(tmp_path / "store", "history")
    tidy(steps.store, kept(max_small_fragments=100))
    assert versions(tmp_path / "store", "history") == before


def test_a_store_of_few_writes_is_left_at_its_versions(tmp_path: Path, words: list) -> None:
    steps = pipeline(tmp_path)
    steps.store.history.add("refresh", {})
    before = steps.store.version("history")
    tidy(steps.store, kept(), in_use=timedelta(0))
    assert steps.store.version("history") == before
