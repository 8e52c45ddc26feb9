"""Comparison of a candidate with what its space serves: the same queries to both, at their own table versions."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.errors import EmbedAssetsError, EncoderVersionError, StoreError
from embed_assets.quality.evaluation_queries import Asked
from embed_assets.quality.labelled_queries import Judged
from embed_assets.quality.labelled_retrieval import relevant_items
from embed_assets.quality.ranking_metrics import ndcg_at, recall_at
from embed_assets.store.serving.nearest_rows import nearest_items, open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.upsert import read
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

_K = 10
_HELD_OUT = 100  # queries, where there are no judged ones


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Means over the queries that have an answer."""

    queries: int
    ndcg_at_10: float
    recall_at_10: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate beside the live release. What could not be measured is None, and `note` says why."""

    live: str  # key of the live release
    judged: bool  # whether the space has judgements
    candidate: Quality | None = None
    live_quality: Quality | None = None
    recorded: bool = False  # whether live's quality is what its own check found
    overlap_at_10: float | None = None  # share of the ten nearest items that both return
    queries: int = 0  # asked to both
    median_ms: float | None = None
    live_median_ms: float | None = None
    lost: int = 0  # items that live holds and the candidate set aside
    live_items: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """Of one release to the queries: media ids, nearest first, and milliseconds a query."""

    items: list[list[str]]
    median_ms: float


def compare(record: VersionRecord, release: Release, live: Release, *, store: Store, asked: Asked) -> Comparison:
    """Ask both. The judged queries where the space has them, else queries held out of both tables.

    Where the live version's encoder can't encode a query, the candidate is set against the figures that
    live's own check recorded.
    """
    judged = asked.judged(release.space)
    table = open_release(store, release)
    vectors = asked.vectors(record, judged) if judged else None
    try:
        live_record, live_table = _record(store, live), open_release(store, live)
        if vectors is not None:
            pair = vectors, asked.vectors(live_record, judged)
        else:
            pair = _held_out(asked, (record, table), (live_record, live_table))
    # KeyError: queries of live are made from a source or encoder that the settings no longer name.
    except (EmbedAssetsError, OSError, KeyError) as error:
        note = f"live can't be asked: {error}"
        if vectors is None:
            return Comparison(live=live.key, judged=False, note=note)
        own = _quality(_answers(table, release, vectors).items, relevant_items(table, judged)[0])
        seen = _recorded(live)
        return Comparison(
            live=live.key, judged=True, candidate=own, live_quality=seen, recorded=seen is not None, note=note
        )
    ours, theirs = _answers(table, release, pair[0]), _answers(live_table, live, pair[1])
    return _compared(live, ours, theirs, relevant=_relevant(table, live_table, judged) if judged else None)


def lost_items(store: Store, release: Release, live: Release) -> tuple[int, int]:
    """How many items of live the candidate's encoder set aside, and how many live has; 0 of 0 where it is gone."""
    try:
        held = set(read(open_release(store, live), ["media_id"])["media_id"].to_pylist())
    except StoreError:
        return 0, 0
    aside = {row["media_id"] for row in store.quarantine(release.table).rows(["media_id"])}
    own = set(read(open_release(store, release), ["media_id"])["media_id"].to_pylist())
    return len((held & aside) - own), len(held)


def _compared(
    live: Release,
    ours: _Answers,
    theirs: _Answers,
    *,
    relevant: tuple[list[set[str]], list[set[str]]] | None,
) -> Comparison:
    both, live_only = relevant or ([], [])
    answered = any(both) or not any(live_only)
    return Comparison(
        live=live.key,
        judged=relevant is not None,
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
        raise EncoderVersionError(
            f"the store does not know version {live.encoder_version} of {live.encoder!r} any more"
        )
    return record


def _held_out(
    asked: Asked, own: tuple[VersionRecord, "Table"], live: tuple[VersionRecord, "Table"]
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the same held-out queries by both versions: float32, (n, dim of each)."""
    ours, theirs = (asked.held_out_by_id(*side) for side in (own, live))
    shared = sorted(set(ours) & set(theirs))[:_HELD_OUT]
    first, second = (
        np.stack([side[name] for name in shared]) if shared else np.empty((0, record.dim), np.float32)
        for side, (record, _) in ((ours, own), (theirs, live))
    )
    return first, second


def _answers(table: "Table", release: Release, vectors: np.ndarray) -> _Answers:
    """Each query by itself, as search asks it."""
    items, seconds = [], []
    for vector in vectors:
        started = time.perf_counter()
        rows = nearest_items(table, vector, release, k=_K, columns=["media_id"])
        seconds.append(time.perf_counter() - started)
        items.append([row["media_id"] for row in rows])
    return _Answers(items=items, median_ms=round(1000 * float(np.median(seconds)), 2) if seconds else 0.0)


def _relevant(table: "Table", live: "Table", judged: Sequence[Judged]) -> tuple[list[set[str]], list[set[str]]]:
    """Relevant items of each query that both tables hold, and those that live holds.

    Media ids are the same in both tables. An item that only one holds would count against the other.
    """
    own, theirs = relevant_items(table, judged)[0], relevant_items(live, judged)[0]
    return [ours & wanted for ours, wanted in zip(own, theirs, strict=True)], theirs


def _quality(items: Sequence[Sequence[str]], relevant: Sequence[Collection[str]]) -> Quality:
    scores = [
        (ndcg_at(found, wanted, _K), recall_at(found, wanted, _K))
        for found, wanted in zip(items, relevant, strict=True)
        if wanted
    ]
    means = np.mean(scores, axis=0) if scores else np.zeros(2)
    return Quality(queries=len(scores), ndcg_at_10=float(means[0]), recall_at_10=float(means[1]))


def _overlap(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> float | None:
    shares = [
        len(set(own[:_K]) & set(other[:_K])) / max(1, min(_K, max(len(own), len(other))))
        for own, other in zip(ours, theirs, strict=True)
    ]
    return float(np.mean(shares)) if shares else None


def _recorded(live: Release) -> Quality | None:
    """What live's own check found, when it was a candidate."""
    for check in live.checks:
        figures = check.figures
        if check.name == "labelled_retrieval" and {"ndcg_at_10", "recall_at_10"} <= set(figures):
            return Quality(
                queries=int(figures.get("queries", 0)),
                ndcg_at_10=float(figures["ndcg_at_10"]),
                recall_at_10=float(figures["recall_at_10"]),
            )
    return None
