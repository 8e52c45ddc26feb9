"""Nearest rows to vectors: by the ANN index with stated effort, or exactly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from embed_assets.errors import StoreError
from embed_assets.store.connection import Store
from embed_assets.store.releases import Release

if TYPE_CHECKING:
    from lancedb.table import Table

_EXACT_BATCH = 50  # a scan shared by so many queries costs a fifteenth each


def open_release(store: Store, release: Release) -> "Table":
    """The release's table at its very version. Raises StoreError where a clean-up has removed it."""
    table = store.open(release.table)
    try:
        table.checkout(release.table_version)
    except (ValueError, RuntimeError, OSError) as error:
        raise StoreError(f"Release {release.key} can't be read: {error}. Roll back or promote another.") from error
    return table


def exact(
    table: "Table",
    queries: np.ndarray,
    *,
    k: int,
    distance: str,
    columns: Sequence[str],
    where: str | None = None,
) -> list[pa.Table]:
    """The k nearest rows of each query, without the ANN index: the ground truth."""
    found: list[pa.Table] = []
    for start in range(0, len(queries), _EXACT_BATCH):
        batch = queries[start : start + _EXACT_BATCH].astype(np.float32)
        query = table.search(batch, vector_column_name="vector").distance_type(distance)  # pyright: ignore[reportAttributeAccessIssue]
        query = query.bypass_vector_index().select([*columns, "_distance"]).limit(k)
        rows = (query.where(where) if where else query).to_arrow()
        if "query_index" not in rows.column_names:
            found.append(rows)
            continue
        index = np.asarray(rows.column("query_index"))
        found.extend(rows.filter(pa.array(index == number)).sort_by("_distance") for number in range(len(batch)))
    return found


def approximate(
    table: "Table",
    query: np.ndarray,
    *,
    k: int,
    distance: str,
    nprobes: int,
    refine_factor: int,
    columns: Sequence[str],
    where: str | None = None,
) -> pa.Table:
    """The k nearest rows by the ANN index, distances exact.

    At least `nprobes` cells are searched, and more until k rows are found: a filter never leaves a
    result short.
    """
    search = table.search(query.astype(np.float32), vector_column_name="vector").distance_type(distance)  # pyright: ignore[reportAttributeAccessIssue]
    search = search.minimum_nprobes(nprobes).maximum_nprobes(0).refine_factor(refine_factor)
    search = search.select([*columns, "_distance"]).limit(k)
    return (search.where(where) if where else search).to_arrow()


def nearest(
    table: "Table",
    query: np.ndarray,
    release: Release,
    *,
    k: int,
    columns: Sequence[str],
    where: str | None = None,
) -> pa.Table:
    """The k nearest rows of a release, asked as it was checked."""
    if not release.ann:
        return exact(table, query[None, :], k=k, distance=release.distance, columns=columns, where=where)[0]
    return approximate(
        table,
        query,
        k=k,
        distance=release.distance,
        nprobes=release.nprobes,
        refine_factor=release.refine_factor,
        columns=columns,
        where=where,
    )
