"""A recall check for a Lance table that no pipeline of this package made: its index against exact search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from embed_assets.assets import metadata_keys
from embed_assets.quality.metrics.bootstrap import lower_bound
from embed_assets.store.serving.vector_scan import distances, matrix
from embed_assets.store.store import Store
from embed_assets.store.upsert import evenly_spread

_TIE = 1e-3  # relative: rows at equal distance are equally right


def build_recall_check(
    *,
    asset: dg.AssetKey | str | Sequence[str],
    uri: str,
    table: str,
    min_recall: float = 0.95,
    vector_column: str = "vector",
    distance: str = "cosine",
    k: int = 10,
    queries: int = 100,
    nprobes: int | None = None,
    refine_factor: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    name: str = "ann_recall",
    blocking: bool = True,
) -> dg.AssetChecksDefinition:
    """Build a check of recall@k of a table's ANN index at `nprobes` and `refine_factor`; unset: LanceDB's defaults.

    The queries lie halfway between rows and one of their k nearest: near what is in the table, never a row of it,
    which would find itself. `distance` is the index's: cosine, l2 or dot. Needs no resource.
    """

    @dg.asset_check(asset=asset, name=name, blocking=blocking, description=f"Recall@{k} of {table} in {uri}.")
    def ann_recall() -> dg.AssetCheckResult:
        opened = Store(uri, storage_options=dict(storage_options or {})).open(table)
        index = _Index(opened, vector_column, distance, k, nprobes, refine_factor)
        hits = [index.recall(query) for query in index.queries(queries)]
        recall = float(np.mean(hits)) if hits else 1.0
        metadata = {metadata_keys.RECALL_AT_10 if k == 10 else f"recall_at_{k}": recall, "queries": len(hits)}
        return dg.AssetCheckResult(
            passed=recall >= min_recall,
            metadata={**metadata, "lower bound": lower_bound(hits), "wanted": min_recall},
            description=f"recall@{k} {recall:.3f} of {len(hits)} queries; wanted: {min_recall}",
        )

    return ann_recall


@dataclass(frozen=True)
class _Index:
    """A table's ANN index with its search parameters."""

    table: Any
    column: str
    distance: str
    k: int
    nprobes: int | None
    refine_factor: int | None

    def queries(self, count: int) -> list[np.ndarray]:
        """Return points halfway between rows that are evenly spread over the table, and their k-th nearest distance."""
        rows = self._vectors(evenly_spread(self.table, [self.column], count))
        return [(row + self._vectors(self._exact(row))[-1]) / 2 for row in rows]

    def recall(self, query: np.ndarray) -> float:
        """Measure the share of the k nearest that the index finds; ties with the exact k-th count."""
        found = self._search(query)
        found = found.nprobes(self.nprobes) if self.nprobes else found
        found = found.refine_factor(self.refine_factor) if self.refine_factor else found
        near, wanted = self._distances(query, found.to_arrow()), self._distances(query, self._exact(query))
        return np.count_nonzero(near <= wanted.max() * (1 + _TIE) + 1e-6) / len(wanted)

    def _exact(self, query: np.ndarray) -> pa.Table:
        return self._search(query).bypass_vector_index().to_arrow()

    def _search(self, query: np.ndarray) -> Any:
        search = self.table.search(query, vector_column_name=self.column)
        return search.distance_type(self.distance).select([self.column]).limit(self.k)

    def _distances(self, query: np.ndarray, rows: pa.Table) -> np.ndarray:
        return distances(query[None, :], self._vectors(rows), self.distance)[0]

    def _vectors(self, rows: pa.Table) -> np.ndarray:
        return matrix(rows.column(self.column).combine_chunks())
