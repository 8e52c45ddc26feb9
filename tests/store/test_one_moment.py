"""Blocks of reads that see each table as it was when they first opened it."""

from pathlib import Path

import pyarrow as pa

from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.store import Store
from embed_assets.store.upsert import read

SCHEMA = pa.schema([("key", pa.string())])


def keys(store: Store) -> list[str]:
    return sorted(read(store.open("t"), ["key"])["key"].to_pylist())


def store_with(folder: Path, *names: str) -> Store:
    store = Store(str(folder))
    store.open_or_create("t", SCHEMA).add([{"key": name} for name in names])
    return store


def test_what_others_write_is_seen_after_the_block(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    other = store.open("t")
    with one_moment():
        assert keys(store) == ["a"]
        other.add([{"key": "b"}])
        assert keys(store) == ["a"]
        assert store.version("t") == 2
    assert keys(store) == ["a", "b"]
    assert store.version("t") == 3


def test_what_the_block_writes_it_sees(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    with one_moment():
        assert keys(store) == ["a"]
        store.open("t").add([{"key": "b"}])
        assert keys(store) == ["a", "b"]
        assert store.open_or_none("new") is None
        store.open_or_create("new", SCHEMA).add([{"key": "c"}])
        assert store.open("new").count_rows() == 1
        store.drop("new")
        assert store.open_or_none("new") is None


def test_another_version_of_a_table_leaves_the_shared_one_where_it_is(tmp_path: Path) -> None:
    store = store_with(tmp_path, "a")
    store.open("t").add([{"key": "b"}])
    with one_moment():
        assert keys(store) == ["a", "b"]
        older = store.open_at("t", 2)
        assert older is not None
        assert older.count_rows() == 1
        assert keys(store) == ["a", "b"]
        assert store.open_at("nowhere", 1) is None
