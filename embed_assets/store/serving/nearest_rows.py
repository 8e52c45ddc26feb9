"""Nearest rows to vectors: by the ANN index with stated effort, or exactly."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embed_assets.errors import StoreError
from embed_assets.store.open_database import Database
from embed_assets.store.serving.releases import Release
from embed_assets.store.upsert import one_of

if TYPE_CHECKING:
    from lancedb.table import Table

SEGMENTS_PER_ITEM = 5  # rows fetched for each item wanted: an item's chunks rank together
# Rows that a filter leaves: exact search of fewer is faster than an ANN index that looks for them. Of a million rows
# 900 took 16 ms exactly and 32 ms by the index, 10,000 took 118 ms and 37 ms (benchmarks/search.py).
FEW = 2000
_MOST_ROWS = 1600  # of one fetch that follows another: more would cost more than the next one (benchmarks/items.py)

# Queries of one search: a scan that they share costs a fifteenth each, a search of the ANN index less than half.
_BATCH = 50

DistanceRange = tuple[float | None, float | None]  # least, and what it stays below

OF_SEVERAL = "segment_count > 1"  # rows of items that have more than one
_COUNTED = 512  # filters whose rows a process has counted
_counts: dict[tuple[str, int, str], int] = {}
_lock = threading.Lock()


def open_release(database: Database, release: Release) -> "Table":
    """Open the release's table at its very version. Raises StoreError where a clean-up has removed it."""
    try:
        table = database.open_at(release.table, release.table_version)
    except (ValueError, RuntimeError, OSError) as error:
        raise StoreError(f"Release {release.key} can't be read: {error}. Roll back or promote another.") from error
    return table if table is not None else database.open(release.table)  # which says that it is gone


def exact(
    table: "Table",
    queries: np.ndarray,
    *,
    k: int,
    distance: str,
    columns: Sequence[str],
    where: str | None = None,
    within: DistanceRange | None = None,
) -> list[pa.Table]:
    """Return the k nearest rows of each query, without the ANN index: the ground truth."""
    results: list[pa.Table] = []
    for batch in _batches(queries):
        query = table.search(batch, vector_column_name="vector").distance_type(distance)  # pyright: ignore[reportAttributeAccessIssue]
        query = _ranged(query.bypass_vector_index().select([*columns, "_distance"]).limit(k), within)
        rows = (query.where(where) if where else query).to_arrow()
        results.extend(_by_query(rows, len(batch)))
    return results


def approximate(
    table: "Table",
    queries: np.ndarray,
    *,
    k: int,
    distance: str,
    nprobes: int,
    refine_factor: int,
    columns: Sequence[str],
    where: str | None = None,
    within: DistanceRange | None = None,
) -> list[pa.Table]:
    """Return the k nearest rows of each query by the ANN index, distances exact.

    At least `nprobes` cells are searched, and more until k rows are found: a filter never leaves a
    result short.
    """
    results: list[pa.Table] = []
    for batch in _batches(queries):
        search = table.search(batch, vector_column_name="vector").distance_type(distance)  # pyright: ignore[reportAttributeAccessIssue]
        search = search.minimum_nprobes(nprobes).maximum_nprobes(0).refine_factor(refine_factor)
        search = _ranged(search.select([*columns, "_distance"]).limit(k), within)
        rows = (search.where(where) if where else search).to_arrow()
        results.extend(_by_query(rows, len(batch)))
    return results


def nearest(
    table: "Table",
    query: np.ndarray,
    release: Release,
    *,
    k: int,
    columns: Sequence[str],
    where: str | None = None,
    within: DistanceRange | None = None,
    exactly: bool | None = None,
) -> pa.Table:
    """Return the k nearest rows of a release, searched with the effort that was checked.

    The search is exact where a filter leaves few rows, and again where the ANN index returns fewer than k: never
    silently too few. `exactly` is what `searched_exactly` says of the filter, where the caller knows it already.
    """
    ask: dict[str, Any] = {"k": k, "distance": release.distance, "columns": columns, "where": where, "within": within}
    if searched_exactly(table, release, where) if exactly is None else exactly:
        return exact(table, query[None, :], **ask)[0]
    effort = {"nprobes": release.nprobes, "refine_factor": release.refine_factor}
    found = approximate(table, query[None, :], **effort, **ask)[0]
    if len(found) < k and within is None and len(found) < table.count_rows(where):
        return exact(table, query[None, :], **ask)[0]
    return found


def nearest_items(
    table: "Table",
    query: np.ndarray,
    release: Release,
    *,
    k: int,
    columns: Sequence[str],
    where: str | None = None,
) -> list[dict[str, Any]]:
    """Return the best row of each of the k nearest items, nearest first; fewer where there are no more."""
    return [rows[0] for rows in rows_by_item(table, query, release, k=k, columns=columns, where=where)]


def rows_by_item(
    table: "Table",
    query: np.ndarray,
    release: Release,
    *,
    k: int,
    columns: Sequence[str],
    where: str | None = None,
    within: DistanceRange | None = None,
) -> list[list[dict[str, Any]]]:
    """Return the k nearest items, nearest first, each as the rows of it that were fetched, best first.

    `columns` include media_id. A long document may fill all rows that are fetched: the items that were found are
    then left out, and more rows are fetched. Every fetch finds another item, so there are at most k.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    rows, exactly = k * SEGMENTS_PER_ITEM, searched_exactly(table, release, where)
    if not rows_left(table, release, OF_SEVERAL):
        # Every row is an item: as many candidates are ranked again, and a fifth of the rows is read.
        rows, release = k, replace(release, refine_factor=release.refine_factor * SEGMENTS_PER_ITEM)
    while len(found) < k:
        left = without_items(found, where)
        fetched = nearest(table, query, release, k=rows, columns=columns, where=left, within=within, exactly=exactly)
        for row in fetched.to_pylist():
            found.setdefault(row["media_id"], []).append(row)
        if len(fetched) < rows:
            break
        rows = max(rows, min(4 * rows, _MOST_ROWS))
    return sorted(found.values(), key=lambda rows: rows[0]["_distance"])[:k]


def searched_exactly(table: "Table", release: Release, where: str | None) -> bool:
    """Return whether a search is exact: without an ANN index, or where a filter leaves few rows."""
    return not release.ann or (where is not None and rows_left(table, release, where) <= FEW)


def rows_left(table: "Table", release: Release, where: str) -> int:
    """Return how many rows of a release a filter leaves; counted once."""
    digest = sha256(where.encode()).hexdigest()  # a selection of 10,000 items is 200 kB of text
    key = (str(table.uri), release.table_version, digest)  # pyright: ignore[reportAttributeAccessIssue]
    with _lock:
        if key in _counts:
            return _counts[key]
    count = table.count_rows(where)
    with _lock:
        while len(_counts) >= _COUNTED:
            _counts.pop(next(iter(_counts)))
        _counts[key] = count
    return count


def without_items(media_ids: Iterable[str], where: str | None) -> str | None:
    """Return a filter, in Lance's language, without the rows of these items."""
    listed = list(media_ids)
    if not listed:
        return where
    others = f"NOT ({one_of('media_id', listed)})"
    return f"({where}) AND {others}" if where else others


def _ranged(query: Any, within: DistanceRange | None) -> Any:
    return query if within is None else query.distance_range(*within)


def _batches(queries: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH].astype(np.float32)
        yield batch[0] if len(queries) == 1 else batch  # a single one is answered without query_index


def _by_query(rows: pa.Table, count: int) -> list[pa.Table]:
    """Split the rows of a batch by query, nearest first."""
    if "query_index" not in rows.column_names:
        return [rows]
    index = np.asarray(rows.column("query_index"))
    return [rows.filter(pa.array(index == number)).sort_by("_distance") for number in range(count)]
