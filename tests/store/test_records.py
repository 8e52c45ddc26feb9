"""Records: in the order of their commits, whatever the clock says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from embed_assets.pipeline.steps import Steps
from tests.support import pipeline, write_notes


def set_ahead(steps: Steps, table: str) -> None:
    """As if a machine whose clock is a day ahead had written all that is there."""
    steps.store.open(table).update(values={"at": datetime.now(UTC) + timedelta(days=1)})


def test_a_version_that_is_resolved_after_the_clock_came_back_is_current(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 1)
    steps = pipeline(tmp_path)
    before = steps.resolve("words").record
    set_ahead(steps, "encoder_versions")
    steps.store.versions.add(replace(before, version="0123456789ab"))
    current = steps.current_version("words")
    assert current is not None
    assert current.version == "0123456789ab"


def test_history_is_reported_in_the_order_in_which_it_was_written(tmp_path: Path, words: list) -> None:
    steps = pipeline(tmp_path)
    for number in (1, 2):
        steps.store.history.add("refresh", {"number": number})
    set_ahead(steps, "history")
    steps.store.history.add("maintain", {"number": 3})
    assert [event["number"] for event in steps.store.history.events()] == [1, 2, 3]
