"""Candidate measurements: search effort, recall and labelled retrieval of a candidate, and the checks that use them."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.errors import EmbedAssetsError, SettingsError
from embed_assets.manifest.pending_items import Plan
from embed_assets.quality.candidate_comparison import Comparison, NotComparable, compare, lost_items
from embed_assets.quality.checks import CHECKS, Candidate, compared_with_live
from embed_assets.quality.collapsed_vectors import collapse_reason
from embed_assets.quality.empty_index import empty_reason
from embed_assets.quality.labelled_retrieval import Evaluation, evaluate
from embed_assets.quality.queries.evaluation_queries import EvaluationQueries
from embed_assets.quality.random_pairs import FEWEST, measure_random_pairs
from embed_assets.quality.recall.ann_recall import LADDER, Recall, measure, tune
from embed_assets.quality.recall.filtered_recall import FilteredRecall, filtered_recall
from embed_assets.settings import PipelineSettings
from embed_assets.store.serving.known_nearest import exact_kth_distances
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, open_release
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.score_calibration import Calibration
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.serving.vector_index import IndexReport
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionRecord

_K = 10
_SIMILAR = 0.25  # share of rows by which a table may grow or shrink while what was measured on it holds
_FIRST_QUERIES = 50  # of an index that reached the target before: one batch, where all 200 take four
_CACHE_SIZE = 64  # measurements of recall that a process caches: a table version does not change
_recall_cache: dict[tuple[str, str, int, str, int, int], Recall] = {}


def compared_with_another(release: Release, pointer: Pointer) -> bool:
    """Return whether a release was compared with another version than the live one, or with none."""
    live = pointer.live
    if live is None or pointer.names(release.version_id):
        return False
    verdicts = [verdict for verdict in release.checks if verdict.name == compared_with_live.name]
    return any(str(verdict.figures.get("live", "")).partition("@")[0] != live.table for verdict in verdicts)


def _similar(before: Release, report: IndexReport) -> bool:
    return abs(before.rows - report.rows) <= _SIMILAR * before.rows


class CandidateMeasurements:
    """Measures the candidates of a pipeline."""

    def __init__(self, settings: PipelineSettings, store: Store, queries: EvaluationQueries) -> None:
        self._settings = settings
        self._store = store
        self._queries = queries

    def index_settings_hash(self) -> str:
        """Return the hash of the settings that indices are built by."""
        return canonical_hash(self._settings.index.model_dump(exclude={"vector_dtype"}))[:12]

    def check_settings_hash(self, space: str) -> str:
        """Return the hash of the settings and labelled queries that the checks of a space's releases run by."""
        try:
            labelled = [query.hashed_text() for query in self._queries.labelled(space)]
        except SettingsError as error:  # the checks report it; reading the status must not fail
            labelled = [str(error)]
        limits = self._settings.space(space)
        floors = {"min_recall": limits.min_recall, "min_ndcg": limits.min_ndcg}
        return canonical_hash([self._settings.checks.model_dump(), floors, labelled])[:12]

    def tuned(
        self, record: VersionRecord, report: IndexReport, *, before: Release | None = None
    ) -> dict[str, Recall] | None:
        """Return recall by query modality, each at the cheapest effort that reaches the target; None without an index.

        `before` is a release of the same index: its effort is tried first, and nothing cheaper, on some of the queries
        where about as many rows are left.
        """
        if not report.ann:
            return None
        table = self._store.open(record.table)
        target = self._settings.checks.min_ann_recall
        start = (before.nprobes, before.refine_factor) if before else LADDER[0]
        recall = {}
        for modality, queries in self._queries.held_out(record, table).items():
            recall[modality] = tune(
                table,
                queries,
                truth=self._truth(table, queries, record.spec.distance),
                k=_K,
                distance=record.spec.distance,
                target=target,
                start=start,
                rows=_K * SEGMENTS_PER_ITEM,
                first=_FIRST_QUERIES if before and _similar(before, report) else 0,
            )
            self._cache(table, queries, recall[modality])
        return recall

    def random_pairs(self, record: VersionRecord, report: IndexReport, *, before: Release | None = None) -> Calibration:
        """Return how similar random pairs are, by kind of query. What `before` recorded stands while rows are as many.

        Without the queries in words where the version's model can't be loaded.
        """
        if before is not None and before.calibration and _similar(before, report):
            return before.calibration
        if report.rows < FEWEST:
            return {}
        table = self._store.open(record.table)
        try:
            texts = self._queries.unrelated_texts(record, table)
        except EmbedAssetsError:  # the checks report it
            texts = {}
        return measure_random_pairs(table, texts, distance=record.spec.distance)

    def recall(self, record: VersionRecord, table: Any, release: Release) -> dict[str, Recall] | None:
        """Measure recall of the release as it is searched: its own effort, its own table version."""
        if not release.ann:
            return None
        recall = {}
        for modality, queries in self._queries.held_out(record, table).items():
            effort = (release.nprobes, release.refine_factor)
            cached = _recall_cache.get(self._cache_key(table, queries, *effort))
            recall[modality] = cached or self._measure(table, queries, release.distance, *effort)
        return recall

    def filtered_recall(self, record: VersionRecord, table: Any, release: Release) -> dict[str, FilteredRecall]:
        """Measure recall of the release as it is searched under filters; none without an ANN index."""
        held_out = self._queries.held_out(record, table) if release.ann else {}
        return filtered_recall(table, release, np.concatenate([*held_out.values()]), k=_K) if held_out else {}

    def _measure(self, table: Any, queries: np.ndarray, distance: str, nprobes: int, refine_factor: int) -> Recall:
        truth = self._truth(table, queries, distance)
        effort = {"nprobes": nprobes, "refine_factor": refine_factor, "rows": _K * SEGMENTS_PER_ITEM}
        recall = measure(table, queries, truth, k=_K, distance=distance, **effort)
        self._cache(table, queries, recall)
        return recall

    def _truth(self, table: Any, queries: np.ndarray, distance: str) -> np.ndarray:
        return exact_kth_distances(self._store, table, queries, k=_K, distance=distance)

    def _cache(self, table: Any, queries: np.ndarray, recall: Recall) -> None:
        while len(_recall_cache) >= _CACHE_SIZE:
            _recall_cache.pop(next(iter(_recall_cache)))
        _recall_cache[self._cache_key(table, queries, recall.nprobes, recall.refine_factor)] = recall

    def _cache_key(
        self, table: Any, queries: np.ndarray, nprobes: int, refine_factor: int
    ) -> tuple[str, str, int, str, int, int]:
        """Return everything that a measurement depends on: the queries, the effort and the version of the table."""
        digest = hashlib.sha256(np.ascontiguousarray(queries).tobytes()).hexdigest()
        return self._store.uri, table.name, table.version, digest, nprobes, refine_factor

    def evaluate(self, record: VersionRecord, release: Release, *, by_exact_search: bool = False) -> Evaluation | None:
        """Measure labelled retrieval of a release on its space's query set; None if the space has none."""
        labelled = self._queries.labelled(release.space)
        if not labelled:
            return None
        vectors = self._queries.vectors(record, labelled)
        table = open_release(self._store, release)
        return evaluate(table, release, labelled, vectors, by_exact_search=by_exact_search)

    def comparison(self, record: VersionRecord, release: Release) -> Comparison | NotComparable:
        """Compare the release with the live release of its space."""
        pointer = self._store.serving.pointer(release.space)
        live = pointer.live
        if live is None:
            return NotComparable("nothing serves yet")
        if pointer.serves(record.id):
            return NotComparable(f"its version is live already, as {live.key}")
        if pointer.names(record.id):  # it may be worse: that is why another is live
            return NotComparable(f"its version was live before {live.key}, and roll-back returns to it")
        comparison = compare(record, release, live, store=self._store, queries=self._queries)
        lost, live_items = lost_items(self._store, release, live)
        return replace(comparison, lost=lost, live_items=live_items)

    def candidate(self, record: VersionRecord, release: Release, plan: Plan) -> Candidate:
        """Return the release as its checks take it; nothing is measured yet."""
        table, limits = open_release(self._store, release), self._settings.checks
        return Candidate(
            release=release,
            table=table,
            record=record,
            plan=plan,
            limits=limits,
            floors=self._settings.space(release.space),
            recall=partial(self.recall, record, table, release),
            filtered_recall=partial(self.filtered_recall, record, table, release),
            evaluation=partial(self.evaluate, record, release),
            comparison=partial(self.comparison, record, release),
            measured_before=self._before(release),
            empty_reason=partial(empty_reason, self._settings, self._store, release),
            collapse_reason=partial(collapse_reason, self._store, record, release, most=limits.max_mean_cosine),
        )

    def _before(self, release: Release) -> Release | None:
        """Return the newest earlier release of the same table that was checked."""
        earlier = [
            each
            for each in self._store.releases.all()
            if each.table == release.table and each.table_version < release.table_version and each.checks
        ]
        return max(earlier, key=lambda each: each.table_version, default=None)

    def checks(self, record: VersionRecord, release: Release, plan: Plan) -> dict[str, Callable[[], CheckVerdict]]:
        """Return all checks by name, each ready to run on the release."""
        candidate = self.candidate(record, release, plan)
        return {check.name: partial(check.run, candidate) for check in CHECKS}
