"""Indices: none where a scan is as fast, and none rebuilt where nothing changed."""

from typing import Any

import numpy as np
import pytest

from embed_assets.settings import IndexSettings
from embed_assets.store.serving.nearest_rows import approximate, exact
from embed_assets.store.serving.vector_index import LARGE, IndexReport, build_indices
from embed_assets.store.store import Store
from embed_assets.store.user_columns import with_user_columns
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId
from tests.support import vector_rows, vector_table

NAME = "words__v1"
DRAW = np.random.default_rng(0)


def vectors(count: int) -> np.ndarray:
    return DRAW.standard_normal((count, 32)).astype(np.float32)


def build(store: Store, *, min_rows: int = 256, retrain: bool = False) -> IndexReport:
    settings = IndexSettings(min_rows=min_rows, rows_per_partition=64, num_bits=5)
    return build_indices(store, NAME, distance="cosine", settings=settings, retrain=retrain)


def names(store: Store) -> set[str]:
    return {index.name for index in store.open(NAME).list_indices()}


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(str(tmp_path))
    vector_table(made, vectors(500), labels=[["a"]] * 500, text=["granite and basalt"] * 500)
    return made


def add(store: Store, count: int) -> None:
    table = store.open(NAME)
    ids = [f"late-{table.version}-{number}" for number in range(count)]
    table.add(vector_rows(table.schema, vectors(count), media_id=ids, labels=[["a"]] * count, text=["slate"] * count))


def test_few_rows_get_no_ann_index_and_many_do(store):
    below = build(store, min_rows=501)
    assert not below.ann
    assert below.ann_kind == "none"
    above = build(store, min_rows=500)
    assert above.ann
    assert above.rows == 500
    assert above.rows_not_indexed == 0
    assert names(store) == {"vector_idx", "text_idx", "source_idx", "shard_idx", "modality_idx", "labels_idx"}


def test_building_again_writes_nothing(store):
    first = build(store)
    assert build(store) == first
    assert store.open(NAME).version == first.table_version


def test_rows_written_since_are_indexed_by_the_next_build(store):
    first = build(store)
    for _ in range(3):
        add(store, 20)
    second = build(store)
    assert second.rows == 560
    assert second.rows_not_indexed == 0
    assert second.table_version > first.table_version
    assert build(store).table_version == second.table_version


def test_a_table_without_texts_gets_no_full_text_index(tmp_path):
    store = Store(str(tmp_path))
    vector_table(store, vectors(10))
    build(store)
    assert names(store) == {"source_idx", "shard_idx", "modality_idx", "labels_idx"}


@pytest.mark.slow
def test_a_large_table_has_indices_of_items_and_of_the_users_columns(tmp_path):
    store = Store(str(tmp_path))
    schema = vector_schema(VersionId("words", "v1"), dim=8, dtype="float32", distance="cosine")
    schema = with_user_columns(
        schema, {"price": "float", "sold": "bool", "colour": "text", "name": "text", "story": "text"}
    )
    numbers = range(LARGE)
    own = {"extra_price": [each / 7 for each in numbers], "extra_sold": [each % 2 == 0 for each in numbers]}
    own |= {"extra_colour": [f"c{each % 9}" for each in numbers], "extra_name": [f"n{each}" for each in numbers]}
    rows = vector_rows(schema, DRAW.standard_normal((LARGE, 8)), extra_story=["x" * 300] * LARGE, **own)
    store.open_or_create(NAME, schema).add(rows)
    build(store, min_rows=LARGE + 1)
    found = {index.name: index.index_type for index in store.open(NAME).list_indices()}
    assert {name: kind.upper() for name, kind in found.items() if name.split("_")[0] not in ("labels", "text")} == {
        **dict.fromkeys(["source_idx", "shard_idx", "modality_idx", "extra_sold_idx", "extra_colour_idx"], "BITMAP"),
        **dict.fromkeys(["media_id_idx", "key_idx", "modified_idx", "extra_price_idx", "extra_name_idx"], "BTREE"),
    }
    assert build(store, min_rows=LARGE + 1).table_version == store.open(NAME).version


def test_indices_of_a_large_table_can_be_read_after_each_build(store, monkeypatch):
    monkeypatch.setattr("embed_assets.store.serving.vector_index.LARGE", 100)
    build(store)
    trees = {"media_id_idx", "key_idx", "modified_idx"}
    assert trees <= names(store)
    add(store, 20)  # few: B-trees stay as they are, the others get them
    build(store)
    table = store.open(NAME)
    assert trees <= names(store)
    assert {name: table.index_stats(name).num_unindexed_rows for name in ("key_idx", "shard_idx")} == {
        "key_idx": 20,
        "shard_idx": 0,
    }
    assert table.count_rows("key = 'x'") == 0
    assert build(store).table_version == table.version
    add(store, 200)  # many
    build(store)
    assert trees <= names(store)
    assert all(store.open(NAME).index_stats(name).num_unindexed_rows == 0 for name in names(store))


def test_an_empty_table_is_indexed_without_complaint(tmp_path):
    store = Store(str(tmp_path))
    vector_table(store, vectors(1))
    store.open(NAME).delete("true")
    assert build(store).rows == 0


def test_training_again_replaces_the_ann_index(store):
    first = build(store)
    assert build(store, retrain=True).table_version > first.table_version


def test_the_words_of_a_text_are_found_by_the_full_text_index(store):
    build(store)
    add(store, 2)
    build(store)
    assert len(store.open(NAME).search("slate", query_type="fts").limit(10).to_list()) == 2


def test_a_search_under_a_rare_filter_is_never_short(store):
    table = store.open(NAME)
    table.add(vector_rows(table.schema, vectors(5), media_id=list("vwxyz"), labels=[["rare"]] * 5))
    build(store)
    table, query = store.open(NAME), vectors(1)[0]
    where = "array_has(labels, 'rare')"
    options: dict[str, Any] = {"k": 5, "distance": "cosine", "columns": ["media_id"], "where": where}
    [found] = approximate(table, query[None, :], nprobes=1, refine_factor=2, **options)
    truth = exact(table, query[None, :], **options)[0]
    assert found.column("media_id").to_pylist() == truth.column("media_id").to_pylist()
    assert len(found) == 5
