"""Rows: writes that may be repeated, and filters that hold any text."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.store.manifest_row import SCHEMA
from embed_assets.store.records import Records
from embed_assets.store.store import Store
from embed_assets.store.upsert import Contention, first, is_conflict, one_of, quoted, read, retried, upsert
from tests.support import vector_rows, vector_table

NASTY = ["it's", "' OR '1' = '1", "a'; DELETE", "''", 'say "hi"', "back\\slash", "percent % _", "x\ny", "図書館", ""]
PLAIN = pa.schema([pa.field("key", pa.string()), pa.field("value", pa.int64())])


def table_of(store: Store, values: dict[str, int]):
    table = store.open_or_create("t", PLAIN)
    upsert(table, pa.table({"key": list(values), "value": list(values.values())}, schema=PLAIN), key="key")
    return store.open("t")


def values(table) -> dict[str, int]:
    return {row["key"]: row["value"] for row in table.to_arrow().to_pylist()}


def test_an_upsert_inserts_replaces_and_leaves_the_rest(tmp_path):
    store = Store(str(tmp_path))
    table_of(store, {"a": 1, "b": 2})
    assert values(table_of(store, {"b": 20, "c": 3})) == {"a": 1, "b": 20, "c": 3}


def test_an_upsert_repeated_gives_the_same_rows(tmp_path):
    store = Store(str(tmp_path))
    tables = [table_of(store, {"a": 1, "b": 2}) for _ in range(3)]
    assert values(tables[-1]) == {"a": 1, "b": 2}


def test_an_upsert_of_nothing_writes_no_version(tmp_path):
    table = table_of(Store(str(tmp_path)), {"a": 1})
    before = table.version
    upsert(table, PLAIN.empty_table(), key="key")
    assert table.version == before


def test_a_writer_alone_meets_no_contention(tmp_path):
    table = table_of(Store(str(tmp_path)), {"a": 1})
    assert upsert(table, pa.table({"key": ["b"], "value": [2]}, schema=PLAIN), key="key") == Contention()


# What Lance raises after thirty seconds of conflicts, of 24 writers at once (lancedb 0.40).
GIVEN_UP = (
    "lance error: Too many concurrent writers. Attempted 4 times, but failed on retry_timeout of 30.000 seconds., "
    "lance-13.0.0/src/io/commit.rs:128:5"
)


def test_a_write_that_lance_gave_up_over_other_writers_is_repeated():
    errors = [RuntimeError(GIVEN_UP), RuntimeError("Retryable commit conflict for version 7: preempted by Update")]

    def write() -> str:
        if errors:
            raise errors.pop()
        return "written"

    assert retried(write) == "written"
    assert not is_conflict(RuntimeError("lance error: No space left on device"))


def test_rows_that_the_filter_names_and_nobody_gives_go_with_the_same_commit(tmp_path):
    table = table_of(Store(str(tmp_path)), {"a": 1, "b": 2, "c": 3})
    before = table.version
    rows = pa.table({"key": ["a"], "value": [10]}, schema=PLAIN)
    upsert(table, rows, key="key", delete_where=one_of("key", ["a", "b"]))
    assert values(table) == {"a": 10, "c": 3}
    assert table.version == before + 1


@pytest.mark.parametrize("text", NASTY)
def test_a_filter_finds_exactly_the_text_it_was_given(tmp_path, text):
    table = table_of(Store(str(tmp_path)), {name: number for number, name in enumerate(NASTY)})
    found = first(table, where=f"key = {quoted(text)}")
    assert found is not None
    assert found["value"] == NASTY.index(text)
    assert read(table, ["key"], where=one_of("key", [text])).num_rows == 1


def test_more_rows_than_a_search_returns_by_default_are_read(tmp_path):
    table = table_of(Store(str(tmp_path)), {str(number): number for number in range(500)})
    assert read(table, ["key"]).num_rows == 500
    assert read(table, ["key"], where="value >= 100").num_rows == 400


def test_an_item_with_fewer_segments_than_before_leaves_no_old_row(tmp_path):
    made = vector_table(Store(str(tmp_path)), np.eye(3, 8), segment_id=["a:0", "a:1", "b:0"], media_id=["a", "a", "b"])
    table = made.open()
    assert table is not None
    before = table.version
    rows = vector_rows(table.schema, np.eye(1, 8), segment_id=["a:0"], media_id=["a"])
    made.replace_items(rows, replaced=["a"])
    left = made.read(["segment_id"])
    assert left is not None
    assert sorted(left.column("segment_id").to_pylist()) == ["a:0", "b:0"]
    assert Store(str(tmp_path)).open(made.name).version == before + 1


def test_more_items_than_one_filter_holds_are_replaced_and_deleted(tmp_path):
    ids = [f"m{number:05d}" for number in range(4500)]
    made = vector_table(Store(str(tmp_path)), np.ones((4500, 8)), media_id=ids)
    table = made.open()
    assert table is not None
    made.replace_items(vector_rows(table.schema, np.zeros((4500, 8)), media_id=ids), replaced=ids)
    assert made.delete_items(ids[:4400]) == 4400
    left = made.read(["vector"])
    assert left is not None
    assert left.column("vector").to_pylist() == [[0.0] * 8] * 100


def test_a_vector_table_says_whose_vectors_it_holds(tmp_path):
    table = vector_table(Store(str(tmp_path)), np.eye(3, 8)).open()
    assert table is not None
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    assert metadata["embed_assets/encoder"] == "words"
    assert metadata["embed_assets/encoder_version"] == "v1"
    assert metadata["embed_assets/dim"] == "8"


def test_a_manifest_item_is_found_by_a_key_with_quotes(tmp_path):
    manifest = Store(str(tmp_path)).manifest
    keys = ["it's.txt", "plain.txt"]
    row: Any = dict.fromkeys(SCHEMA.names) | {"source": "notes", "uri": "u", "shard": "s00", "status": "ok"}
    manifest.write([row | {"media_id": key, "key": key} for key in keys])
    found = manifest.media("notes", "it's.txt")
    assert found is not None
    assert found["media_id"] == "it's.txt"
    assert manifest.media("notes", "x' OR '1' = '1") is None


def test_records_are_replaced_by_key_and_reported_oldest_first(tmp_path):
    records = Records(Store(str(tmp_path)), "records")
    for key, number in (("a", 1), ("b", 2), ("a", 3)):
        records.put(key, "kind", {"number": number})
    assert [document["number"] for document in records.all("kind")] == [2, 3]
    assert (records.get("a") or {})["number"] == 3
    assert records.get("c") is None


def test_history_keeps_every_event_and_finds_the_last(tmp_path):
    history = Store(str(tmp_path)).history
    for encoder, items in (("one", 1), ("two", 2), ("one", 3)):
        history.add("embed", {"encoder": encoder, "items": items})
    assert [event["items"] for event in history.all("embed")] == [1, 2, 3]
    assert (history.last("embed", encoder="one") or {})["items"] == 3
    assert history.last("embed", encoder="three") is None
