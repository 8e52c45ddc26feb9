"""What every kind of sink does: the same tests for each, on a real pipeline with labels, user columns and spans."""

import csv
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from embed_assets.pipeline.steps import Steps
from embed_assets.sinks.export_report import ExportReport
from embed_assets.sinks.sink import open_sink
from embed_assets.store.serving.nearest_rows import open_release
from tests.kept import Kept
from tests.support import note, pipeline, rewrite, run_all, write_notes

COLUMNS = ("media_id", "source", "key", "kind", "start", "end", "text", "labels", "encoder_version", "year", "taken")


def write_sidecar(folder: Path, *, others: dict[str, str] | None = None) -> None:
    """A label and two user columns of each of twelve notes; `others` replaces labels."""
    with (folder / "notes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "year", "taken"])
        for number in range(12):
            name = f"note-{number:03d}.txt"
            label = (others or {}).get(name, "odd" if number % 2 else "even")
            rows.writerow([name, label, 1990 + number, f"2020-01-{number + 1:02d}"])


def changed(folder: Path, **changes: Any) -> Steps:
    """The pipeline of `served`, with other settings."""
    sources = {"notes": {"uri": str(folder / "notes"), "sidecar": str(folder / "notes.csv"), "max_deleted_share": 1}}
    encoders = {"words": {"model": "words", "segment": {"max_tokens": 16}}}
    return pipeline(folder, **({"sources": sources, "encoders": encoders} | changes))


def build(folder: Path) -> None:
    write_notes(folder / "notes", 12)
    (folder / "notes" / "note-011.txt").write_text(note(11, length=60))  # of several chunks
    write_sidecar(folder)
    run_all(changed(folder))


def served_rows(steps: Steps) -> dict[str, dict[str, Any]]:
    """Rows of what serves, as they are stored."""
    live = steps.store.serving.live_release("words")
    rows = open_release(steps.store, live).to_arrow().to_pylist()
    own = [{name.removeprefix("extra_"): value for name, value in row.items()} for row in rows]
    return {row["segment_id"]: row | {"encoder": live.encoder} for row in own}


def assert_holds(found: dict[str, dict[str, Any]], steps: Steps, *, unit: bool = False) -> None:
    """The sink's rows are those of what serves: ids, columns, vectors, of length 1 where `unit`."""
    expected = served_rows(steps)
    assert found.keys() == expected.keys()
    for segment_id, row in found.items():
        own = expected[segment_id]
        assert row["encoder"] == own["encoder"]
        assert {name: _plain(row[name]) for name in COLUMNS} == {name: _plain(own[name]) for name in COLUMNS}
        vector = np.asarray(own["vector"], np.float32)
        assert np.allclose(row["vector"], vector / np.linalg.norm(vector) if unit else vector, atol=1e-6), segment_id


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


class SinkContract(ABC):
    """Subclassed by each kind with `sink` and `read`."""

    sink: ClassVar[dict[str, Any]]  # settings beside the space and the uri
    place: ClassVar[str] = "sink"  # below the test's folder
    incremental: ClassVar[bool] = True
    unit: ClassVar[bool] = False  # whether its vectors have length 1

    @abstractmethod
    def read(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The sink's rows by segment id."""

    @abstractmethod
    def remove_by_hand(self, folder: Path) -> None:
        """What another hand does to the sink."""

    @pytest.fixture
    def folder(self, kept: Kept, words: list[Any]) -> Path:
        kept.once("served", lambda: build(kept.folder))
        return kept.folder

    def steps(self, folder: Path, **changes: Any) -> Steps:
        place = str(folder / self.place)
        return changed(folder, sinks={"out": {"space": "words", "uri": place, **self.sink}}, **changes)

    def export(self, folder: Path, **how: Any) -> ExportReport:
        steps = self.steps(folder)
        found = steps.export("out", **how)
        assert_holds(self.read(folder), steps, unit=self.unit)
        assert found.rows == len(served_rows(steps))
        assert found.written + found.unchanged == found.rows
        return found

    def test_the_first_export_writes_all_rows(self, folder: Path) -> None:
        steps = self.steps(folder)
        assert steps.export_is_due("out")
        found = self.export(folder)
        assert found.whole == "the first export" and found.written == found.rows > 12
        assert not steps.export_is_due("out")

    def test_without_a_change_nothing_is_written(self, folder: Path) -> None:
        first = self.export(folder)
        before = files(folder / self.place)
        found = self.export(folder)
        assert not found.changed and found.written == found.deleted == 0
        assert found.content == first.content
        assert files(folder / self.place) == before

    def test_an_edit_a_new_item_a_rename_labels_and_a_deletion_are_all_that_is_written(self, folder: Path) -> None:
        self.export(folder)
        notes = folder / "notes"
        rewrite(notes / "note-001.txt", "boat harbour tide")
        rewrite(notes / "note-011.txt", "one chunk is left")
        (notes / "note-002.txt").unlink()
        (notes / "note-003.txt").rename(notes / "renamed.txt")
        (notes / "new.txt").write_text("canal ferry delta")
        write_sidecar(folder, others={"note-004.txt": "other"})
        run_all(self.steps(folder))
        found = self.export(folder)
        assert found.changed
        if self.incremental:
            assert found.whole is None and found.deleted > 1
            assert found.written == 5  # 001, 011, renamed, new, 004
        keys = {row["key"] for row in self.read(folder).values()}
        assert {"renamed.txt", "new.txt"} <= keys and not {"note-002.txt", "note-003.txt"} & keys

    def test_a_table_that_was_compacted_is_the_same(self, folder: Path) -> None:
        self.export(folder)
        steps = self.steps(folder)
        rewrite(folder / "notes" / "note-005.txt", "cedar chalk cinder")
        run_all(steps)
        steps.vectors(steps.resolve("words").record).database.dataset(
            steps.store.serving.live_release("words").table
        ).optimize.compact_files()
        run_all(steps)
        found = self.export(folder)
        assert found.written == (1 if self.incremental else found.rows)

    def test_another_encoder_version_is_written_whole_and_a_roll_back_too(self, folder: Path) -> None:
        self.export(folder)
        newer = {"words": {"model": "words", "segment": {"max_tokens": 16}, "generation": 2}}
        steps = self.steps(folder, encoders=newer)
        run_all(steps)
        found = steps.export("out")
        assert found.whole == "another encoder version, other columns or settings"
        assert_holds(self.read(folder), steps, unit=self.unit)
        assert {row["encoder_version"] for row in self.read(folder).values()} == {found.version}
        steps.roll_back("words", by="test")
        back = steps.export("out")
        assert back.whole and back.version != found.version
        assert_holds(self.read(folder), steps, unit=self.unit)

    def test_a_sink_that_was_removed_or_changed_by_hand_is_written_whole(self, folder: Path) -> None:
        self.export(folder)
        self.remove_by_hand(folder)
        found = self.export(folder)
        assert found.whole == "the sink is not as an export left it"

    @pytest.mark.parametrize("call", ["begin", "delete", "write", "finish"])
    def test_an_export_that_was_killed_is_made_good_by_the_next(self, folder: Path, call: str) -> None:
        self.export(folder)
        rewrite(folder / "notes" / "note-001.txt", "boat harbour tide")
        (folder / "notes" / "note-002.txt").unlink()
        steps = self.steps(folder)
        run_all(steps)
        if not self.incremental and call == "delete":
            return  # of a whole export nothing is deleted
        export_killed_after(steps, call)
        self.export(folder)
        assert not self.export(folder).changed

    def test_rows_of_a_killed_export_that_are_gone_since_are_not_left(self, folder: Path) -> None:
        self.export(folder)
        (folder / "notes" / "new.txt").write_text("canal ferry delta")
        (folder / "notes" / "note-002.txt").unlink()
        steps = self.steps(folder)
        run_all(steps)
        export_killed_after(steps, "write")
        (folder / "notes" / "new.txt").unlink()
        run_all(steps)
        self.export(folder)

    def test_a_first_export_that_was_killed_is_made_good_by_the_next(self, folder: Path) -> None:
        steps = self.steps(folder)
        export_killed_after(steps, "write")
        assert self.export(folder).whole == "the first export"


class Killed(BaseException):
    """What ends an export in the middle: nothing catches it."""


def export_killed_after(steps: Steps, call: str, of: type | None = None) -> None:
    """Begin an export, and end it once a method of the sink, or of another class, has done its work."""
    kind = of or type(open_sink("out", steps.settings.sinks["out"]))
    own: Callable[..., Any] = getattr(kind, call)

    def stopped(self: Any, *given: Any, **named: Any) -> None:
        own(self, *given, **named)
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(kind, call, stopped)
        steps.export("out")


def files(folder: Path) -> dict[str, int]:
    """Files with the time of their last change, in nanoseconds."""
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
