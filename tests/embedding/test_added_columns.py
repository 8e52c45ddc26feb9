"""Columns that are added to a vector table while other runs write to it, on a disk and in a bucket."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.embedding.added_columns import add_columns
from embed_assets.media.cells.value_kinds import Kind
from embed_assets.store.manifest_row import SCHEMA
from embed_assets.store.store import Store
from embed_assets.store.vectors import VectorTable
from tests.s3_server import S3Server
from tests.support import vector_rows, vector_table

ITEMS = 60


def items(store: Store, count: int = ITEMS) -> None:
    """Manifest rows of a source, whose prices are their numbers."""
    fixed = {
        "source": "notes",
        "uri": "",
        "shard": "s00",
        "status": "ok",
        "mtime": 1.5,
        "updated_at": datetime.now(UTC),
    }
    rows: list[Any] = [
        {
            **dict.fromkeys(SCHEMA.names),
            **fixed,
            "media_id": f"m{n:05d}",
            "key": f"m{n:05d}",
            "extra": f'{{"price": {n}}}',
        }
        for n in range(count)
    ]
    store.manifest.write(rows)


def added(store: Store, table: VectorTable, kinds: Mapping[str, Kind]) -> list[str]:
    return add_columns(table, store.manifest, sources=["notes"], kinds=kinds)


def prices(table: VectorTable) -> list[Any]:
    rows = table.read(["media_id", "extra_price"])
    assert rows is not None
    return rows.sort_by("media_id")["extra_price"].to_pylist()


def test_columns_are_added_once_and_keep_row_ids_tags_and_older_versions(tmp_path):
    store = Store(str(tmp_path))
    items(store)
    table = vector_table(store, np.eye(ITEMS))
    store.dataset(table.name).drop_columns(["modified"])
    before = store.dataset(table.name)
    before.tags.create("kept", before.version)
    ids = before.to_table(columns=["media_id"], with_row_id=True)
    assert added(store, table, {"price": "int"}) == ["modified", "extra_price"]
    assert added(store, table, {"price": "int"}) == []
    now = store.dataset(table.name)
    assert now.to_table(columns=["media_id"], with_row_id=True).equals(ids)
    assert prices(table) == list(range(ITEMS))
    assert now.checkout_version("kept").schema.names == before.schema.names
    assert set(now.to_table(columns=["modified"])["modified"].to_pylist()) == {datetime.fromtimestamp(1.5, UTC)}


def test_an_empty_table_and_one_of_other_items_get_empty_columns(tmp_path):
    store = Store(str(tmp_path))
    table = vector_table(store, np.zeros((0, 8)))
    assert added(store, table, {"price": "int"}) == ["extra_price"]
    items(store)
    assert added(store, table, {"price": "float"}) == ["extra_price"]
    assert prices(table) == []


def test_runs_that_write_and_add_columns_at_once_lose_no_value(tmp_path):
    store = Store(str(tmp_path))
    items(store)
    table = vector_table(store, np.eye(ITEMS // 2, 8))
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(ITEMS // 2, ITEMS):
                table.write_as_it_is(
                    lambda schema, number=number: table.replace_items(row(schema, number), replaced=())
                )
        except BaseException as error:
            errors.append(error)

    def row(schema: pa.Schema, number: int) -> pa.Table:
        held = {"int64": number, "double": float(number), "string": str(number)}
        own = {"extra_price": [held[str(schema.field("extra_price").type)]]} if "extra_price" in schema.names else {}
        return vector_rows(schema, np.eye(1, 8), media_id=[f"m{number:05d}"], **own)

    def change(kinds: tuple[Kind, ...]) -> None:
        try:
            for kind in kinds:
                added(store, table, {"price": kind})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write)]
    threads += [threading.Thread(target=change, args=(("int", "float", "text"),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    added(store, table, {"price": "text"})
    assert [float(each) for each in prices(table)] == list(range(ITEMS))


@pytest.mark.slow
def test_columns_are_added_in_a_bucket(s3: S3Server, bucket: str):
    store = Store(f"s3://{bucket}/store", s3.storage_options)
    items(store, 5)
    table = vector_table(store, np.eye(5, 8))
    assert added(store, table, {"price": "int"}) == ["extra_price"]
    assert added(store, table, {"price": "float"}) == ["extra_price"]
    assert prices(table) == [0.0, 1.0, 2.0, 3.0, 4.0]
