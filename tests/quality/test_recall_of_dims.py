"""The ANN index at every dim: built, brought up to date, and as good as the check asks for."""

from pathlib import Path

import numpy as np
import pytest

from embed_assets.quality.checks import check_ann_recall
from embed_assets.quality.recall.ann_recall import measure, tune
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.store import Store
from tests.support import vector_rows, vector_table

NAME = "words__v1"
_ROWS, _LATE, _QUERIES = 1500, 300, 60


def clustered(count: int, dim: int, seed: int) -> np.ndarray:
    """Unit vectors around 40 centres, as those of real texts are."""
    centres = np.random.default_rng(0).standard_normal((40, dim))
    draw = np.random.default_rng(seed)
    found = centres[draw.integers(0, len(centres), count)] + 0.4 * draw.standard_normal((count, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


_ALSO = [pytest.param(dim, marks=pytest.mark.slow) for dim in (3, 12, 16, 50, 100, 300)]


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 301, 384, *_ALSO])
def test_an_index_of_any_dim_passes_the_check(dim: int, tmp_path: Path) -> None:
    store, settings = Store(str(tmp_path)), IndexSettings(min_rows=256, rows_per_partition=200)
    vector_table(store, clustered(_ROWS, dim, 1), dtype="float16")
    first = build_indices(store, NAME, distance="cosine", settings=settings)
    assert first.ann
    assert first.ann_kind == ("IvfSq" if dim % 8 else "IvfRq")
    table = store.open(NAME)
    late = [f"late{number}" for number in range(_LATE)]
    table.add(vector_rows(table.schema, clustered(_LATE, dim, 2), media_id=late))
    report = build_indices(store, NAME, distance="cosine", settings=settings)
    assert report.rows == _ROWS + _LATE
    assert report.rows_not_indexed == 0
    seen = tune(store.open(NAME), clustered(_QUERIES, dim, 3), k=10, distance="cosine", target=0.95, rows=50)
    verdict = check_ann_recall({"text": seen}, target=0.95, rows=report.rows, filtered={})
    assert verdict.passed, verdict.summary


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("distance", ["l2", "dot"])
@pytest.mark.parametrize("dim", [12, 32])
def test_an_index_of_vectors_of_any_length_passes_the_check(
    dim: int, distance: str, dtype: str, tmp_path: Path
) -> None:
    """One number of a vector is far larger than the others, as in encoders that do not normalise."""
    vectors = clustered(_ROWS + _QUERIES, dim, 1) * 30
    vectors[:, 0] *= 20
    store, settings = Store(str(tmp_path)), IndexSettings(min_rows=256, rows_per_partition=200)
    vector_table(store, vectors[_QUERIES:], dtype=dtype)
    assert build_indices(store, NAME, distance=distance, settings=settings).ann
    table, queries = store.open(NAME), vectors[:_QUERIES]
    truth = kth_distances(table, queries, k=10, distance=distance)
    seen = measure(table, queries, truth, k=10, distance=distance, nprobes=10, refine_factor=2, rows=50)
    assert seen.mean > 0.95


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("dim", [3, 12])
def test_an_index_of_hardly_any_rows_is_built(dim: int, rows: int, tmp_path: Path) -> None:
    store, settings = Store(str(tmp_path)), IndexSettings(min_rows=1)
    vector_table(store, clustered(rows, dim, 1), dtype="float16")
    assert build_indices(store, NAME, distance="cosine", settings=settings).ann_kind == "IvfSq"


def test_an_index_of_equal_vectors_is_built(tmp_path: Path) -> None:
    store, settings = Store(str(tmp_path)), IndexSettings(min_rows=256)
    vector_table(store, np.tile(clustered(1, 12, 1), (400, 1)), dtype="float16")
    assert build_indices(store, NAME, distance="cosine", settings=settings).ann_kind == "IvfSq"
