"""Comparison of a candidate with the live release of its space: the same queries, each at its own table version."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.errors import EmbedAssetsError, EncoderVersionError, StoreError
from embed_assets.quality.labelled_retrieval import relevant_items
from embed_assets.quality.metrics.bootstrap import PairedDifference, paired_difference
from embed_assets.quality.metrics.ranking_metrics import Grades, capped_recall_at, ndcg_at
from embed_assets.quality.queries.evaluation_queries import EvaluationQueries
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.store.serving.nearest_rows import nearest_items, open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.upsert import read
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

_K = 10
_HELD_OUT = 100  # queries, if there are no labelled ones


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Means over the queries that have an answer."""

    queries: int
    ndcg_at_10: float
    recall_at_10: float
    scores: tuple[tuple[float, float], ...] = ()  # nDCG@10 and recall@10 of each query


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures of a candidate and the live release. Those that could not be measured are None; `note` says why."""

    live: str  # key of the live release
    labelled: bool  # whether the space has labelled queries
    candidate: Quality | None = None
    live_quality: Quality | None = None
    recorded: bool = False  # whether live's quality comes from the verdicts of its own checks
    overlap_at_10: float | None = None  # share of the ten nearest items that both return
    queries: int = 0  # that both were searched with
    median_ms: float | None = None
    live_median_ms: float | None = None
    lost: int = 0  # items that live holds and the candidate has quarantined
    live_items: int = 0
    note: str = ""

    def differences(self) -> tuple[PairedDifference, PairedDifference] | None:
        """Return candidate minus live in nDCG@10 and recall@10, query by query; None where queries can't be paired."""
        own, live = self.candidate, self.live_quality
        if own is None or live is None or not own.scores or len(own.scores) != len(live.scores):
            return None
        sides = zip(zip(*own.scores, strict=True), zip(*live.scores, strict=True), strict=True)
        ndcg, recall = (paired_difference(ours, theirs) for ours, theirs in sides)
        return ndcg, recall


@dataclass(frozen=True)
class NotComparable:
    """There is nothing to compare a candidate with, for a reason."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """Answers of one release to the queries: media ids, nearest first, and milliseconds a query."""

    items: list[list[str]]
    median_ms: float


def compare(
    record: VersionRecord, release: Release, live: Release, *, store: Store, queries: EvaluationQueries
) -> Comparison:
    """Search both with the labelled queries of the space, or without any with queries held out of both tables.

    If the live version's encoder can't encode a query, the candidate is compared with the figures that
    live's own check recorded.
    """
    labelled = queries.labelled(release.space)
    table = open_release(store, release)
    vectors = queries.vectors(record, labelled) if labelled else None
    try:
        live_record, live_table = _record(store, live), open_release(store, live)
        if vectors is not None:
            pair = vectors, queries.vectors(live_record, labelled)
        else:
            pair = _held_out(queries, (record, table), (live_record, live_table))
    # KeyError: queries of live are made from a source or encoder that the settings no longer name.
    except (EmbedAssetsError, OSError, KeyError) as error:
        note = f"live can't be searched: {error}"
        if vectors is None:
            return Comparison(live=live.key, labelled=False, note=note)
        own = _quality(_answers(table, release, vectors).items, relevant_items(table, labelled)[0])
        recorded = _recorded_quality(live)
        return Comparison(
            live=live.key,
            labelled=True,
            candidate=own,
            live_quality=recorded,
            recorded=recorded is not None,
            note=note,
        )
    ours, theirs = _answers(table, release, pair[0]), _answers(live_table, live, pair[1])
    return _comparison(live, ours, theirs, relevant=_relevant(table, live_table, labelled) if labelled else None)


def lost_items(store: Store, release: Release, live: Release) -> tuple[int, int]:
    """Count the items of live that the candidate's encoder has quarantined, and all of live's; 0, 0 if it is gone."""
    try:
        held = set(read(open_release(store, live), ["media_id"])["media_id"].to_pylist())
    except StoreError:
        return 0, 0
    quarantined = {row["media_id"] for row in store.quarantine(release.table).rows(["media_id"])}
    own = set(read(open_release(store, release), ["media_id"])["media_id"].to_pylist())
    return len((held & quarantined) - own), len(held)


def _comparison(
    live: Release,
    ours: _Answers,
    theirs: _Answers,
    *,
    relevant: tuple[list[dict[str, float]], list[dict[str, float]]] | None,
) -> Comparison:
    both, live_only = relevant or ([], [])
    answered = any(both) or not any(live_only)
    return Comparison(
        live=live.key,
        labelled=relevant is not None,
        candidate=_quality(ours.items, both) if relevant else None,
        live_quality=_quality(theirs.items, both if answered else live_only) if relevant else None,
        overlap_at_10=_overlap(ours.items, theirs.items),
        queries=len(ours.items),
        median_ms=ours.median_ms,
        live_median_ms=theirs.median_ms,
        note="" if answered else "the candidate holds no relevant item of those that live holds",
    )


def _record(store: Store, live: Release) -> VersionRecord:
    record = store.versions.get(live.version_id)
    if record is None:
        raise EncoderVersionError(f"the store has no version {live.encoder_version} of {live.encoder!r} any more")
    return record


def _held_out(
    queries: EvaluationQueries, own: tuple[VersionRecord, "Table"], live: tuple[VersionRecord, "Table"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of the same held-out queries by both versions: float32, (n, dim of each)."""
    ours, theirs = (queries.held_out_by_id(*side) for side in (own, live))
    shared = sorted(set(ours) & set(theirs))[:_HELD_OUT]
    first, second = (
        np.stack([side[name] for name in shared]) if shared else np.empty((0, record.dim), np.float32)
        for side, (record, _) in ((ours, own), (theirs, live))
    )
    return first, second


def _answers(table: "Table", release: Release, vectors: np.ndarray) -> _Answers:
    """Search with each query by itself, as a user's search does."""
    items, seconds = [], []
    for vector in vectors:
        started = time.perf_counter()
        rows = nearest_items(table, vector, release, k=_K, columns=["media_id"])
        seconds.append(time.perf_counter() - started)
        items.append([row["media_id"] for row in rows])
    return _Answers(items=items, median_ms=round(1000 * float(np.median(seconds)), 2) if seconds else 0.0)


def _relevant(
    table: "Table", live: "Table", labelled: Sequence[LabelledQuery]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the relevant items of each query that both tables hold, and those that live holds.

    Media ids are the same in both tables. An item that only one holds would count against the other.
    """
    own, theirs = relevant_items(table, labelled)[0], relevant_items(live, labelled)[0]
    return [_shared(ours, others) for ours, others in zip(own, theirs, strict=True)], theirs


def _shared(ours: Grades, theirs: Grades) -> dict[str, float]:
    """Return the grades of items that both hold; none where no relevant one is among them."""
    shared = {media_id: grade for media_id, grade in ours.items() if media_id in theirs}
    return shared if any(grade > 0 for grade in shared.values()) else {}


def _quality(items: Sequence[Sequence[str]], relevant: Sequence[Grades]) -> Quality:
    scores = [
        (ndcg_at(ranked, wanted, _K), capped_recall_at(ranked, wanted, _K))
        for ranked, wanted in zip(items, relevant, strict=True)
        if wanted
    ]
    means = np.mean(scores, axis=0) if scores else np.zeros(2)
    return Quality(queries=len(scores), ndcg_at_10=float(means[0]), recall_at_10=float(means[1]), scores=tuple(scores))


def _overlap(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> float | None:
    shares = [
        len(set(own[:_K]) & set(other[:_K])) / max(1, min(_K, max(len(own), len(other))))
        for own, other in zip(ours, theirs, strict=True)
    ]
    return float(np.mean(shares)) if shares else None


def _recorded_quality(live: Release) -> Quality | None:
    """Return the figures of live's own check, from when it was a candidate."""
    for check in live.checks:
        figures = check.figures
        if check.name == "labelled_retrieval" and {"ndcg_at_10", "recall_at_10"} <= set(figures):
            return Quality(
                queries=int(figures.get("queries", 0)),
                ndcg_at_10=float(figures["ndcg_at_10"]),
                recall_at_10=float(figures["recall_at_10"]),
            )
    return None
