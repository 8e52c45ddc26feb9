"""Gate: what a candidate is measured by before it may serve: search effort, recall, judgements, checks."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.errors import SettingsError
from embed_assets.manifest.pending_items import Plan
from embed_assets.quality import checks
from embed_assets.quality.ann_recall import LADDER, Recall, measure, tune
from embed_assets.quality.candidate_comparison import Comparison, compare, lost_items
from embed_assets.quality.collapsed_vectors import why_collapsed
from embed_assets.quality.empty_index import why_empty
from embed_assets.quality.evaluation_queries import Asked
from embed_assets.quality.labelled_retrieval import Evaluation, evaluate
from embed_assets.settings import PipelineSettings, SpaceSettings
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, open_release
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.serving.vector_index import IndexReport
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionRecord

_K = 10
_KEPT = 64  # measurements of recall that a process remembers: a table version does not change
_measured: dict[tuple[str, str, int, str, int, int], Recall] = {}


def compared_with_another(release: Release, pointer: Pointer) -> bool:
    """Whether a release was compared with another version than the one that its space serves by now, or with none."""
    live = pointer.live
    if live is None or pointer.names(release.version_id):
        return False
    verdicts = [check for check in release.checks if check.name == checks.COMPARED.name]
    return any(str(check.figures.get("live", "")).partition("@")[0] != live.table for check in verdicts)


class Gate:
    """Measures candidates of a pipeline."""

    def __init__(self, settings: PipelineSettings, store: Store, asked: Asked) -> None:
        self._settings = settings
        self._store = store
        self._asked = asked

    def indexed_by(self) -> str:
        """Hash of the settings that indices are built by."""
        return canonical_hash(self._settings.index.model_dump(exclude={"vector_dtype"}))[:12]

    def checked_by(self, space: str) -> str:
        """Hash of the settings and the judgements that checks of a space's releases run by."""
        wanted = self._settings.spaces.get(space, SpaceSettings())
        try:
            judged = [repr(query) for query in self._asked.judged(space)]
        except SettingsError as error:  # the checks say it, a look at the status need not fail of it
            judged = [str(error)]
        floors = {"min_recall": wanted.min_recall, "min_ndcg": wanted.min_ndcg}
        return canonical_hash([self._settings.checks.model_dump(), floors, judged])[:12]

    def tuned(
        self, record: VersionRecord, report: IndexReport, *, before: Release | None = None
    ) -> dict[str, Recall] | None:
        """Recall by query modality, each at the cheapest effort that reaches the target; None without ANN index.

        `before`, a release of the same index: what it needed is tried first, and nothing cheaper.
        """
        if not report.ann:
            return None
        table = self._store.open(record.table)
        target = self._settings.checks.min_ann_recall
        start = (before.nprobes, before.refine_factor) if before else LADDER[0]
        found = {}
        for modality, queries in self._asked.held_out(record, table).items():
            found[modality] = tune(
                table,
                queries,
                k=_K,
                distance=record.spec.distance,
                target=target,
                start=start,
                rows=_K * SEGMENTS_PER_ITEM,
            )
            self._remember(table, queries, found[modality])
        return found

    def recall(self, record: VersionRecord, table: Any, release: Release) -> dict[str, Recall] | None:
        """Recall of the release as it will be asked: its own effort, its own table version."""
        if not release.ann:
            return None
        found = {}
        for modality, queries in self._asked.held_out(record, table).items():
            effort = (release.nprobes, release.refine_factor)
            seen = _measured.get(self._measurement(table, queries, *effort))
            found[modality] = seen or self._measure(table, queries, release.distance, *effort)
        return found

    def _measure(self, table: Any, queries: np.ndarray, distance: str, nprobes: int, refine_factor: int) -> Recall:
        truth = kth_distances(table, queries, k=_K, distance=distance)
        effort = {"nprobes": nprobes, "refine_factor": refine_factor, "rows": _K * SEGMENTS_PER_ITEM}
        seen = measure(table, queries, truth, k=_K, distance=distance, **effort)
        self._remember(table, queries, seen)
        return seen

    def _remember(self, table: Any, queries: np.ndarray, seen: Recall) -> None:
        while len(_measured) >= _KEPT:
            _measured.pop(next(iter(_measured)))
        _measured[self._measurement(table, queries, seen.nprobes, seen.refine_factor)] = seen

    def _measurement(
        self, table: Any, queries: np.ndarray, nprobes: int, refine_factor: int
    ) -> tuple[str, str, int, str, int, int]:
        """What a measurement depends on: these queries, so asked, of this version of the table."""
        asked = hashlib.sha256(np.ascontiguousarray(queries).tobytes()).hexdigest()
        return self._store.uri, table.name, table.version, asked, nprobes, refine_factor

    def evaluate(self, record: VersionRecord, release: Release, *, by_exact_search: bool = False) -> Evaluation | None:
        """Labelled retrieval of a release on its space's query set; None where the space has none."""
        judged = self._asked.judged(release.space)
        if not judged:
            return None
        vectors = self._asked.vectors(record, judged)
        table = open_release(self._store, release)
        return evaluate(table, release, judged, vectors, by_exact_search=by_exact_search)

    def compared(self, record: VersionRecord, release: Release) -> Comparison | str:
        """The release beside what its space serves; a text where there is nothing to compare with."""
        pointer = self._store.serving.pointer(release.space)
        live = pointer.live
        if live is None:
            return "nothing serves yet"
        if pointer.serves(record.id):
            return f"its version is live already, as {live.key}"
        if pointer.names(record.id):  # it may be worse: that is why another is live
            return f"its version was live before {live.key}, and roll-back returns to it"
        found = compare(record, release, live, store=self._store, asked=self._asked)
        lost, held = lost_items(self._store, release, live)
        return replace(found, lost=lost, live_items=held)

    def checks(self, record: VersionRecord, release: Release, plan: Plan) -> dict[str, Callable[[], CheckVerdict]]:
        """Name → check, each ready to run on the release."""
        table, wanted = open_release(self._store, release), self._settings.checks
        space = self._settings.spaces.get(release.space, SpaceSettings())
        return {
            checks.DIMENSION.name: lambda: checks.check_dimension(table, release, vector_dtype=record.vector_dtype),
            checks.UNIT_VECTORS.name: lambda: checks.check_unit_vectors(table, unit_length=record.spec.unit_length),
            checks.ACCOUNTS.name: lambda: checks.check_accounts(
                table, plan, nothing=why_empty(self._settings, self._store, release)
            ),
            checks.ANN_RECALL.name: lambda: checks.check_ann_recall(
                self.recall(record, table, release), target=wanted.min_ann_recall, rows=release.rows
            ),
            checks.RETRIEVAL.name: lambda: checks.check_retrieval(
                self.evaluate(record, release), min_recall=space.min_recall, min_ndcg=space.min_ndcg
            ),
            checks.COMPARED.name: lambda: checks.check_compared(
                self.compared(record, release),
                max_loss=wanted.max_quality_loss,
                max_lost_share=wanted.max_quarantined_share,
            ),
            checks.QUARANTINED.name: lambda: checks.check_quarantined(plan, max_share=wanted.max_quarantined_share),
            checks.COLLAPSED.name: lambda: checks.check_collapsed(
                table,
                max_mean_cosine=wanted.max_mean_cosine,
                useless=why_collapsed(self._store, record, release, most=wanted.max_mean_cosine),
            ),
        }
