"""Scans of vectors: all of a table in batches, a sample of it, or the distances of the nearest."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embed_assets.store.upsert import COMMITTED, evenly_spread

if TYPE_CHECKING:
    from lancedb.table import Table

_BATCH = 16_384  # vectors looked at together


def vector_batches(table: "Table", *, since: int | None = None, where: str | None = None) -> Iterable[np.ndarray]:
    """Yield all vectors of the table, as float32 arrays (some thousands, dim); never all in memory.

    `since` is a table version: vectors that were written by then are left out; or `where` a filter in Lance's language.
    """
    dataset: Any = table.to_lance()
    where = where if since is None else f"{COMMITTED} > {since}"
    for batch in dataset.to_batches(columns=["vector"], batch_size=_BATCH, filter=where):
        yield matrix(batch.column("vector"))


def sample_vectors(table: "Table", count: int) -> np.ndarray:
    """Return up to `count` vectors, evenly spread over the table: float32, (n, dim)."""
    return matrix(evenly_spread(table, ["vector"], count).column("vector").combine_chunks())


def matrix(vectors: Any) -> np.ndarray:
    """Return a column of vectors as float32, (n, dim)."""
    dim = vectors.type.list_size
    return np.asarray(vectors.flatten()).astype(np.float32).reshape(-1, dim)


def kth_distances(table: "Table", queries: np.ndarray, *, k: int, distance: str) -> np.ndarray:
    """Return the distance of each query's k-th nearest row: float32, (len(queries),); inf where there are fewer.

    One scan for all queries, a twentieth of the time of LanceDB's exact search for each; equal to that
    within 1e-6, since the queries are rounded to the column's numbers as LanceDB rounds them. Rows of
    zeros have no cosine and are near to nothing.
    """
    return nearest_places(table, queries, k=k, distance=distance)[0][:, k - 1]


def nearest_places(
    table: "Table", queries: np.ndarray, *, k: int, distance: str, where: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of the k nearest rows to each query, and their places in the table, nearest first.

    float32 and int64, (len(queries), k); inf and -1 where there are fewer rows. Scanned as for `kth_distances`. With a
    filter, `where` in Lance's language, places are those among the rows that it keeps.
    """
    rounded_queries = rounded(queries, table)
    best = np.full((len(rounded_queries), k), np.inf, dtype=np.float32)
    places = np.full((len(rounded_queries), k), -1, dtype=np.int64)
    start = 0
    for vectors in vector_batches(table, where=where):
        batch_distances = distances(rounded_queries, vectors, distance)
        nearer = batch_distances < best[:, -1:]  # after the first batch hardly any: the rest is not sorted
        for query in np.flatnonzero(nearer.any(axis=1)):
            near = np.flatnonzero(nearer[query])
            found = np.concatenate([best[query], batch_distances[query, near]])
            order = np.argsort(found, kind="stable")[:k]
            places[query] = np.concatenate([places[query], near + start])[order]
            best[query] = found[order]
        start += len(vectors)
    return best, places


def rounded(queries: np.ndarray, table: "Table") -> np.ndarray:
    """Return queries rounded to the numbers of the table's vectors, as LanceDB rounds them: float32, of their shape."""
    kind: Any = table.schema.field("vector").type
    numbers = pa.array([], kind.value_type).to_numpy().dtype  # before pyarrow 26 to_pandas_dtype asks for pandas
    return queries.astype(numbers).astype(np.float32)


def distances(queries: np.ndarray, vectors: np.ndarray, distance: str) -> np.ndarray:
    """Return LanceDB's distances: float32, (queries, vectors); infinite where there is none. One array, in place."""
    result = queries @ vectors.T
    if distance == "cosine":
        with np.errstate(divide="ignore", invalid="ignore"):  # a vector of zeros has no direction
            result /= norms(queries)[:, None]
            result /= norms(vectors)[None, :]
    if distance in ("cosine", "dot"):
        np.subtract(1, result, out=result)
    else:
        result *= -2
        result += squares(queries)[:, None]
        result += squares(vectors)[None, :]
        np.maximum(result, 0, out=result)
    result[~np.isfinite(result)] = np.inf
    return result


def norms(vectors: np.ndarray) -> np.ndarray:
    """Return the L2 norms of rows: float32, (n,)."""
    return np.sqrt(squares(vectors))


def squares(vectors: np.ndarray) -> np.ndarray:
    """Return the squared L2 norms of rows: float32, (n,); without the copy that numpy's own norm makes."""
    return np.einsum("ij,ij->i", vectors, vectors)
