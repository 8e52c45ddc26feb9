"""Manifests of older stores: their facts get columns of their own, once, and nothing else about an item changes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed_assets.store.manifest import TABLE, TABLE_MARKS
from embed_assets.store.manifest_row import SCHEMA
from embed_assets.store.source_state import SourceState
from embed_assets.store.store import Store
from embed_assets.store.upkeep.packed_manifest import UNPACKED, unpacked
from embed_assets.store.upsert import KEY

OLD_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in set(UNPACKED) - {"mime", "etag"}])
MARKS = pa.schema([pa.field("id", pa.string(), nullable=False, metadata=KEY)])
for name in ("source", "key", "mark"):
    MARKS = MARKS.append(pa.field(name, pa.string(), nullable=False))
STAMP = "0123456789ab"

FACTS = ("mime", "etag", "table_key", "row_id", "row_stamp", "table_kind", "decoder", "charset")
NOTHING = dict.fromkeys(FACTS[2:])


def old_row(number: int, key: str, mime: str | None, etag: str = "e1") -> dict[str, Any]:
    return {
        "media_id": f"m{number}", "source": "notes", "key": key, "uri": f"/{key}", "shard": "s00", "size": 3,
        "mtime": 1.0, "etag": etag, "content_hash": f"c{number}", "meta_hash": "x", "mime": mime, "modality": "text",
        "status": "ok",
    }  # fmt: skip


CASES = [
    (old_row(0, "a#b.txt", "text/plain"), {"mime": "text/plain", "etag": "e1"}),
    (old_row(1, "a.bin", None), {"mime": None, "etag": "e1"}),
    (old_row(2, "r.txt", "text/plain; charset=cp1251"), {"mime": "text/plain", "etag": "e1", "charset": "cp1251"}),
    (old_row(3, "m.x", "model/x; decoder=mesh-2"), {"mime": "model/x", "etag": "e1", "decoder": "mesh-2"}),
    (
        old_row(4, "odd%23 100%25.csv#a#b", "text/csv"),
        {"mime": "text/csv", "etag": "e1", "table_key": "odd# 100%.csv", "row_id": "a#b", "table_kind": "csv"},
    ),
    (
        old_row(5, "t.lance#x\ny", "model/x; table=lance; decoder=mesh-2", f"2024-01-01 10:00 {STAMP}"),
        {
            "mime": "model/x", "etag": "2024-01-01 10:00", "table_key": "t.lance", "row_id": "x\ny",
            "row_stamp": STAMP, "table_kind": "lance", "decoder": "mesh-2",
        },
    ),
    (
        old_row(6, "t.lance#z", "text/plain; table=lance; charset=cp1251", "7"),
        {
            "mime": "text/plain", "etag": "7", "table_key": "t.lance", "row_id": "z", "table_kind": "lance",
            "charset": "cp1251",
        },
    ),
]  # fmt: skip


@pytest.fixture
def old_store(tmp_path: Path) -> Store:
    """A store with a manifest as it was written before facts had columns."""
    store = Store(str(tmp_path / "store"))
    store.open_or_create(TABLE, OLD_SCHEMA).add(pa.Table.from_pylist([row for row, _ in CASES], schema=OLD_SCHEMA))
    marks = {"": "mesh-2", "//": "cp1251", "/": "[]", "///": "", "t.lance": "m1"}
    rows = [{"id": f"notes/{key}", "source": "notes", "key": key, "mark": mark} for key, mark in marks.items()]
    store.open_or_create(TABLE_MARKS, MARKS).add(pa.Table.from_pylist(rows, schema=MARKS))
    return store


def facts(store: Store) -> dict[str, dict[str, Any]]:
    return {row["key"]: {name: row[name] for name in FACTS} for row in store.manifest.rows("notes")}


EXPECTED = {row["key"]: {**NOTHING, **found} for row, found in CASES}


def test_an_old_manifest_is_read_without_being_written(old_store: Store) -> None:
    before = old_store.version(TABLE)
    assert facts(old_store) == EXPECTED
    assert old_store.version(TABLE) == before


def test_the_first_write_converts_all_rows_and_the_second_none(old_store: Store) -> None:
    (row,) = old_store.manifest.of("notes", ["r.txt"])
    old_store.manifest.write([{**row, "caption": "new"}])
    stored = old_store.open(TABLE).to_arrow()
    assert set(stored.schema.names) == set(SCHEMA.names)
    assert {row["key"]: {name: row[name] for name in FACTS} for row in stored.to_pylist()} == EXPECTED
    version = old_store.version(TABLE)
    old_store.manifest.write([row])
    assert old_store.version(TABLE) == (version or 0) + 1
    assert facts(old_store) == EXPECTED


def test_what_a_killed_conversion_left_is_read_as_if_it_had_ended(old_store: Store) -> None:
    names = [field for field in SCHEMA if field.name not in OLD_SCHEMA.names]
    old_store.open(TABLE).add_columns(names)
    assert facts(old_store) == EXPECTED
    old_store.manifest.write(old_store.manifest.of("notes", ["a.bin"]))
    stored = old_store.open(TABLE).to_arrow().to_pylist()
    assert {row["key"]: {name: row[name] for name in FACTS} for row in stored} == EXPECTED


def test_conversion_leaves_hashes_and_ids_and_may_be_repeated(old_store: Store) -> None:
    once = old_store.manifest.table(["notes"])
    assert unpacked(once).equals(once)
    assert [row["content_hash"] for row in once.to_pylist()] == [row["content_hash"] for row, _ in CASES]


def test_some_columns_are_converted_alike(old_store: Store) -> None:
    table = old_store.manifest.table(["notes"], columns=["key", "table_key", "mime"])
    assert table.column_names == ["key", "table_key", "mime"]
    assert {row["key"]: (row["table_key"], row["mime"]) for row in table.to_pylist()} == {
        key: (found["table_key"], found["mime"]) for key, found in EXPECTED.items()
    }


def test_the_state_that_hid_among_marks_is_found_and_moved(old_store: Store) -> None:
    state = SourceState(decoders="mesh-2", encoding="cp1251", unreachable="[]")
    assert old_store.manifest.state("notes") == state
    assert old_store.manifest.table_marks("notes") == {"t.lance": "m1"}
    newer = SourceState(decoders="mesh-3")
    old_store.manifest.write_state("notes", newer)
    old_store.manifest.mark_tables("notes", {"t.lance": "m2"})
    assert old_store.manifest.state("notes") == newer
    assert old_store.manifest.table_marks("notes") == {"t.lance": "m2"}
    assert old_store.open(TABLE_MARKS).count_rows() == 1
