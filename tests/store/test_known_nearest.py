"""Known nearest: after any edits the distances are those of a scan of all rows."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.store.serving.known_nearest import exact_kth_distances, forget_nearest, nearest_file
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.store import Store
from embed_assets.store.vectors import VectorTable
from tests.support import vector_rows, vector_table

DIM, K = 8, 5


def rows(table: VectorTable, draw: np.random.Generator, names: list[str]) -> Any:
    found = table.open()
    assert found is not None
    vectors = draw.standard_normal((len(names), DIM)).astype(np.float32)
    return vector_rows(found.schema, vectors, segment_id=[f"{name}:0" for name in names], media_id=names)


def both(store: Store, table: VectorTable, queries: np.ndarray, distance: str) -> tuple[np.ndarray, np.ndarray]:
    opened = store.open(table.name)
    kept = exact_kth_distances(store, opened, queries, k=K, distance=distance, from_rows=0)
    return kept, kth_distances(opened, queries, k=K, distance=distance)


@pytest.mark.parametrize("distance", ["cosine", "l2", "dot"])
def test_after_any_edits_the_distances_are_those_of_a_scan(tmp_path: Path, distance: str) -> None:
    store, draw, pick = Store(str(tmp_path)), np.random.default_rng(0), random.Random(0)
    names = [f"m{number:03d}" for number in range(300)]
    vectors = draw.standard_normal((300, DIM)).astype(np.float32)
    table = vector_table(store, vectors, segment_id=[f"{name}:0" for name in names], media_id=names)
    queries = draw.standard_normal((7, DIM)).astype(np.float32)
    for edit in range(12):
        kept, scanned = both(store, table, queries, distance)
        np.testing.assert_allclose(kept, scanned, rtol=1e-5, atol=1e-6)
        chosen = pick.sample(names, 40 if edit == 6 else 12)
        if edit % 3 == 0:
            table.delete_items(chosen)
            names = [name for name in names if name not in chosen]
        else:
            chosen += [f"n{edit}-{number}" for number in range(3)]
            table.replace_items(rows(table, draw, chosen), replaced=chosen)
            names = sorted({*names, *chosen})
        if edit % 4 == 0:
            store.dataset(table.name).optimize.compact_files()


def test_rows_that_are_gone_make_it_look_at_all_again(tmp_path: Path) -> None:
    store, draw = Store(str(tmp_path)), np.random.default_rng(1)
    vectors = np.sort(draw.random((100, 1)), axis=0).repeat(DIM, axis=1).astype(np.float32)
    names = [f"m{number:03d}" for number in range(100)]
    table = vector_table(store, vectors, segment_id=[f"{name}:0" for name in names], media_id=names)
    queries = np.zeros((1, DIM), np.float32)
    both(store, table, queries, "l2")
    table.delete_items(names[:30])  # nearly all that are known
    kept, scanned = both(store, table, queries, "l2")
    assert kept == scanned
    assert names[34] in (tmp_path / nearest_file(table.name)).read_text()


def test_a_table_that_is_small_or_forgotten_has_no_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    table = vector_table(store, np.eye(3, DIM, dtype=np.float32))
    queries = np.ones((2, DIM), np.float32)
    exact_kth_distances(store, store.open(table.name), queries, k=2, distance="cosine")
    file = tmp_path / nearest_file(table.name)
    assert not file.exists()
    exact_kth_distances(store, store.open(table.name), queries, k=2, distance="cosine", from_rows=0)
    assert file.exists()
    forget_nearest(store, table.name)
    assert not file.exists()
    file.write_text("broken")
    kept, scanned = both(store, table, queries, "cosine")
    assert kept.tolist() == scanned.tolist()
