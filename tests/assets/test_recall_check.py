"""The recall check of a Lance table that a host made itself."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from embed_assets.assets.recall_check import build_recall_check
from embed_assets.store.store import Store


def _host(folder: Path, *, rows: int, num_bits: int | None, **wanted: object) -> dg.AssetCheckEvaluation:
    """An asset of a host's that writes vectors in its own column, and the check on it."""

    @dg.asset
    def products() -> None:
        vectors = np.random.default_rng(0).standard_normal((rows, 32), dtype=np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 32)
        table = Store(str(folder)).open_or_create("products", pa.schema([("features", column.type)]))
        table.add(pa.table({"features": column}))
        if num_bits is not None:
            from lancedb.index import IvfPq

            index = IvfPq(distance_type="cosine", num_partitions=4, num_sub_vectors=2, num_bits=num_bits)
            table.create_index("features", config=index)

    check = build_recall_check(
        asset="products",
        uri=str(folder),
        table="products",
        vector_column="features",
        queries=20,
        **wanted,  # pyright: ignore[reportArgumentType]
    )
    done = dg.materialize([products, check], raise_on_error=False)
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


def test_a_table_without_an_index_is_searched_exactly(tmp_path: Path) -> None:
    evaluation = _host(tmp_path, rows=50, num_bits=None)
    assert evaluation.passed
    assert evaluation.metadata["embed_assets/recall_at_10"].value == 1.0
    assert evaluation.metadata["queries"].value == 20


@pytest.mark.slow
def test_a_coarse_index_fails_and_a_higher_effort_passes(tmp_path: Path) -> None:
    coarse = _host(tmp_path / "coarse", rows=1000, num_bits=8)
    assert not coarse.passed
    assert coarse.blocking
    assert "wanted: 0.95" in (coarse.description or "")
    assert _host(tmp_path / "fine", rows=1000, num_bits=8, nprobes=4, refine_factor=50).passed
