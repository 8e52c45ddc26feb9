"""Recall under filters: the filters are the table's own values, the search is the one that serves."""

from typing import Any

import numpy as np
import pytest

from embed_assets.quality.recall.filtered_recall import SHARES, filtered_recall, filters, measured
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.nearest_rows import FEW
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.store import Store
from tests.support import vector_table

ROWS, DIM = 4000, 32


def vectors(count: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def release(table: Any, *, nprobes: int, refine_factor: int = 10) -> Release:
    facts: dict[str, Any] = {"space": "words", "encoder": "words", "encoder_version": "v1", "table": table.name}
    facts |= {"table_version": table.version, "dim": DIM, "distance": "cosine", "rows": ROWS, "ann": True}
    return Release(**facts, nprobes=nprobes, refine_factor=refine_factor)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Rows of which a tenth has the label `tenth`, behind an index of one bit a dimension in 63 cells."""
    store = Store(str(tmp_path_factory.mktemp("filtered")))
    labels = [["tenth"] if number % 10 == 0 else ["rest"] for number in range(ROWS)]
    vector_table(store, vectors(ROWS, seed=0), labels=labels)
    settings = IndexSettings(min_rows=1000, rows_per_partition=64, num_bits=1)
    assert build_indices(store, "words__v1", distance="cosine", settings=settings).ann
    return store.open("words__v1")


def test_filters_are_values_of_about_that_share_else_some_of_the_items(table):
    chosen = filters(table)
    assert chosen["10pct"] == "array_has(labels, 'tenth')"
    assert {name: table.count_rows(where) for name, where in chosen.items()} == {"10pct": 400, "1pct": 40, "0_1pct": 4}


def test_the_index_is_measured_as_it_is_searched(table):
    queries, where = vectors(20, seed=1), filters(table)["10pct"]
    little = measured(table, release(table, nprobes=1, refine_factor=1), queries, where, k=10)
    much = measured(table, release(table, nprobes=63, refine_factor=20), queries, where, k=10)
    assert little.mean < 0.95 <= much.mean
    assert (much.queries, much.exact, much.where) == (20, False, where)


def test_a_filter_that_keeps_fewer_rows_than_wanted_loses_none(table):
    seen = measured(table, release(table, nprobes=1), vectors(5, seed=1), filters(table)["0_1pct"], k=10)
    assert seen.mean == 1.0


def test_what_serves_exactly_is_not_measured(table):
    assert ROWS * max(SHARES.values()) < FEW
    seen = filtered_recall(table, release(table, nprobes=1), vectors(50, seed=1), k=10)
    assert {name: (each.exact, each.mean) for name, each in seen.items()} == dict.fromkeys(SHARES, (True, 1.0))
    assert filtered_recall(table, release(table, nprobes=1), vectors(0, seed=1), k=10) == {}
