"""What differs between the rows that a sink holds and those that serve; and that fingerprints change with rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.sinks import exported_rows
from embed_assets.sinks.changed_rows import changed_rows, content_hash
from embed_assets.sinks.exported_rows import FINGERPRINTS, ExportedRows
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.store import Store
from tests.sinks.export_contract import build, changed


def rows(*of: tuple[str, str, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(FINGERPRINTS.names, each, strict=True)) for each in of], schema=FINGERPRINTS)


def test_new_edited_and_gone_rows_are_found_in_whatever_order() -> None:
    held = rows(("a", "s00", 1), ("b", "s00", 2), ("c", "s01", 3))
    found = changed_rows(held, rows(("d", "s01", 4), ("c", "s01", 3), ("a", "s00", 9)))
    assert found.written.tolist() == [0, 2]
    assert found.deleted.to_pylist() == [{"segment_id": "b", "shard": "s00"}]
    assert found.unchanged == 1
    assert not changed_rows(held, held.take([2, 0, 1])).any
    assert content_hash(held) == content_hash(held.take([2, 0, 1])) != content_hash(held.slice(1))


def test_a_row_of_another_shard_leaves_the_one_where_it_was() -> None:
    found = changed_rows(rows(("a", "s00", 1), ("b", "s00", 2)), rows(("a", "s03", 7), ("b", "s00", 2)))
    assert found.written.tolist() == [0]
    assert found.deleted.to_pylist() == [{"segment_id": "a", "shard": "s00"}]


def test_everything_is_written_where_nothing_is_held_and_deleted_where_nothing_serves() -> None:
    some, none = rows(("a", "s00", 1)), FINGERPRINTS.empty_table()
    assert changed_rows(none, some).written.tolist() == [0]
    assert changed_rows(some, none).deleted.num_rows == 1
    assert not changed_rows(none, none).any


@pytest.mark.parametrize("scanned_share", [0.0, 2.0])  # by a scan, row by row
def test_places_are_those_of_the_table_also_after_deletions(
    tmp_path: Path, words: list[Any], scanned_share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_rows, "_SCANNED_SHARE", scanned_share)
    build(tmp_path)
    steps = changed(tmp_path)
    live = steps.store.serving.live_release("words")
    opened = Store(steps.store.uri).open(live.table)
    opened.delete("key IN ('note-001.txt', 'note-005.txt')")
    found = ExportedRows(opened, live)
    ids = found.fingerprints()["segment_id"].to_pylist()
    for places in ([0, 3, len(ids) - 1], list(range(len(ids)))):
        batches = list(found.batches(np.array(places)))
        assert pa.concat_tables(batches)["segment_id"].to_pylist() == [ids[each] for each in places]
    assert ExportedRows(open_release(steps.store, live), live).fingerprints().num_rows == len(ids) + 2
