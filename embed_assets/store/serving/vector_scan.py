"""Scans of vectors: all of a table in batches, a sample of it, or the distances of the nearest."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embed_assets.store.upsert import evenly_spread

if TYPE_CHECKING:
    from lancedb.table import Table

_BATCH = 16_384  # vectors looked at together


def vector_batches(table: "Table") -> Iterable[np.ndarray]:
    """Yield all vectors of the table, as float32 arrays (some thousands, dim); never all in memory."""
    dataset: Any = table.to_lance()
    for batch in dataset.to_batches(columns=["vector"], batch_size=_BATCH):
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
    kind: Any = table.schema.field("vector").type
    rounded = pa.array([], kind.value_type).to_numpy().dtype  # before pyarrow 26 to_pandas_dtype asks for pandas
    rounded_queries = queries.astype(rounded).astype(np.float32)
    best = np.full((len(rounded_queries), k), np.inf, dtype=np.float32)
    for vectors in vector_batches(table):
        batch_distances = distances(rounded_queries, vectors, distance)
        nearer = batch_distances < best[:, -1:]  # after the first batch hardly any: the rest is not sorted
        for query in np.flatnonzero(nearer.any(axis=1)):
            near = batch_distances[query, nearer[query]]
            near = np.partition(near, k - 1)[:k] if len(near) > k else near
            best[query] = np.sort(np.concatenate([best[query], near]))[:k]
    return best[:, k - 1]


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
