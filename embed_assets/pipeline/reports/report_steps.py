"""Steps of reports: what a space's live release holds, and how its items and queries drift; nothing is stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import StoreError
from embed_assets.pipeline.context import RunContext
from embed_assets.quality.balance.balance_report import BalanceReport
from embed_assets.quality.balance.breakdowns import breakdowns
from embed_assets.quality.balance.group_quality import quality_by_group
from embed_assets.quality.drift.drift_report import DriftReport
from embed_assets.quality.drift.item_drift import item_drift
from embed_assets.quality.drift.query_drift import query_drift, read_query_log, split_log
from embed_assets.quality.item_vectors import items_of, segment_vectors
from embed_assets.quality.leaderboard.judgements import LABELS, Judgements, judgements_of
from embed_assets.quality.leaderboard.query_scores import MAIN, query_scores
from embed_assets.quality.leaderboard.rank_items import rank_items
from embed_assets.quality.leaderboard.sample_items import COLUMNS, sample_items
from embed_assets.quality.measured_report import seconds_since
from embed_assets.quality.metrics.bootstrap import interval
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_groups import groups_of_queries
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.versions import VersionId, VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

BALANCE_SAMPLE = 2000  # items that queries are answered from


@dataclass(frozen=True, kw_only=True)
class _Live:
    """What a space serves: its release, the table at its very version, and its encoder version."""

    release: Release
    table: "Table"
    record: VersionRecord


class ReportSteps:
    """Drift and balance of the spaces that serve."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._store = context.store

    def drift(self, space: str, *, since: datetime | None = None) -> DriftReport:
        """Compare the live release's items that were embedded after `since` with the others.

        By default the reference is what had been embedded when the encoder version was first promoted: what its checks
        were passed on. Raises StoreError where the space serves nothing, or its history is gone.
        """
        started, live = time.monotonic(), self._live(space)
        moment, reference_is = (since, "embedded before") if since is not None else self._reference(live.release)
        found = item_drift(live.table, live.release, since=moment, reference_is=reference_is)
        return replace(found, seconds=seconds_since(started))

    def query_drift(self, space: str, log: str) -> DriftReport:
        """Compare the newest queries of a JSONL log with the space's judged ones, or with its older half.

        Raises SettingsError naming file and line where the log can't be read.
        """
        started = time.monotonic()
        live, judged = self._live(space), self._context.queries.labelled(space)
        texts = [query.query for query in judged if query.file is None]
        older, newer, reference_is = split_log(read_query_log(log), texts)
        vectors = [self._encoded(live.record, side) for side in (older, newer)]
        found = query_drift(live.release, vectors[0], vectors[1], newer, reference_is=reference_is)
        return replace(found, seconds=seconds_since(started))

    def balance(self, space: str, *, sample: int = BALANCE_SAMPLE) -> BalanceReport:
        """Count the live release's items by group, and measure retrieval by group on a sample of them.

        Queries are those judged in the space, else the sample's own items by their labels; a query belongs to the
        groups of its relevant items. Raises StoreError where the space serves nothing.
        """
        started, live = time.monotonic(), self._live(space)
        items = items_of(live.table, [*COLUMNS[1:], "modality"])
        labelled = self._context.queries.labelled(space)
        names = sample_items(items.select(list(COLUMNS)), labelled, sample)
        rows = items.filter(pc.is_in(items["media_id"], value_set=pa.array(names, pa.string())))
        judged = judgements_of(rows.select(list(COLUMNS)), labelled)
        scores = self._scores(live, names, judged) if judged is not None else np.zeros(0)
        groups = groups_of_queries(rows, judged) if judged is not None else {}
        return BalanceReport(
            space=space,
            encoder=live.release.encoder,
            version=live.release.encoder_version,
            items=len(items),
            segments=live.table.count_rows(),
            breakdowns=tuple(breakdowns(live.table)),
            basis=None if judged is None else judged.basis,
            queries=len(scores),
            sampled=len(names),
            ndcg=interval(scores) if len(scores) else None,
            quality=tuple(quality_by_group(scores, groups)),
            seconds=seconds_since(started),
        )

    def _live(self, space: str) -> _Live:
        release = self._store.serving.live_release(space)
        record = self._store.versions.get(release.version_id)
        if record is None:
            raise StoreError(f"Encoder version {release.version_id} of space {space!r} is not registered any more.")
        return _Live(release=release, table=open_release(self._store, release), record=record)

    def _reference(self, release: Release) -> tuple[datetime, str]:
        """Return the moment of the version's first promotion, or else of its first index, and what it is in words."""
        version, history = release.version_id, self._store.history
        for kind, words in (("promote", "as of its first promotion"), ("index", "as of its first index")):
            moments = [event["at"] for event in history.all(kind) if _is_of(event, version)]
            if moments:
                return datetime.fromisoformat(min(moments)), words
        raise StoreError(f"The history of {release.key} is gone: name the moment behind which items are new, --since.")

    def _encoded(self, record: VersionRecord, texts: Sequence[str]) -> np.ndarray:
        queries = [LabelledQuery(query=text) for text in texts]
        if not queries:
            return np.zeros((0, record.dim), np.float32)
        return self._context.queries.encoded(record, queries)[1]

    def _scores(self, live: _Live, names: Sequence[str], judged: Judgements) -> np.ndarray:
        """Return nDCG@10 of each query, answered by exact search among the sampled items."""
        rows = segment_vectors(live.table, names)
        owners, vectors = rows["media_id"].to_pylist(), matrix(rows["vector"].combine_chunks())
        if judged.basis == LABELS:
            first = {name: place for place, name in reversed(list(enumerate(owners)))}
            queries = vectors[[first[name] for name in judged.items]]
        else:
            queries = self._context.queries.encoded(live.record, judged.queries)[1]
        excluded = judged.items or None
        found = rank_items(queries, vectors, owners, distance=live.release.distance, excluded=excluded)
        return query_scores(found, judged.grades)[MAIN]


def _is_of(event: dict[str, Any], version: VersionId) -> bool:
    return (event.get("encoder"), event.get("version")) == (version.encoder, version.version)
