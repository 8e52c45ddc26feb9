"""Steps of releases: index a version's vectors and check the candidate."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace

from embed_assets import progress
from embed_assets.errors import StoreError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.embedding_steps import EmbeddingSteps
from embed_assets.quality.recall.ann_recall import Recall
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.vector_index import IndexReport, build_indices
from embed_assets.store.versions import VersionRecord
from embed_assets.unused_memory import give_back


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """A candidate, its table's indices and the recall that its search effort was chosen by."""

    release: Release
    report: IndexReport
    recall: dict[str, Recall] | None  # by query modality; None where search is exact or nothing changed


class ReleaseSteps:
    """Index and checks of a version's vectors: its candidate."""

    def __init__(self, context: RunContext, embedding: EmbeddingSteps) -> None:
        self._settings = context.settings
        self._store = context.store
        self._context = context
        self._embedding = embedding

    def index(self, record: VersionRecord) -> Indexed:
        """Build or refresh the indices and name the table version the candidate of its space.

        The search effort is the cheapest that reaches the recall target on held-out queries. Where none
        does, the ANN index is trained again once, since the data may have moved away from it.
        """
        progress.report("index", record.encoder, 0)
        if self._store.vectors(record.id).open() is None:
            raise StoreError(f"Encoder {record.encoder!r} has no vectors of version {record.version}: embed first.")
        measurements, releases = self._context.measurements, self._store.releases
        before, settings_hash = releases.candidate(record.id), measurements.index_settings_hash()
        retrain = before is not None and before.indexed_by not in ("", settings_hash)
        report = self._build(record, retrain=retrain)
        give_back()
        recorded = releases.get(f"{record.table}@{report.table_version}")
        if recorded is not None and self.is_by_settings(recorded, record):
            return Indexed(release=recorded, report=report, recall=None)
        recall = measurements.tuned(record, report, before=before if before and before.ann else None)
        if recall and _lowest(recall).mean < self._settings.checks.min_ann_recall:
            report = self._build(record, retrain=True)
            recall = measurements.tuned(record, report)
        calibration = measurements.random_pairs(record, report, before=before)
        release = replace(_release(record, report, recall), indexed_by=settings_hash, calibration=calibration)
        releases.put(release)
        self._store.history.add("index", {"encoder": record.encoder, "version": record.version, **asdict(report)})
        self._store.disconnect()  # the plan that the checks begin with takes as much memory as the index
        give_back()
        return Indexed(release=release, report=report, recall=recall)

    def check(
        self, record: VersionRecord, *, only: Collection[str] | None = None
    ) -> tuple[Release, list[CheckVerdict]]:
        """Run checks on the candidate of a version, at its very table version, and record the verdicts.

        `only` names some of them; verdicts of the others stay as they were.
        """
        release = self.candidate(record)
        progress.report("check", record.encoder, 0)
        checks = self._context.measurements.checks(
            record, release, self._embedding.plan(record, at=release.table_version)
        )
        verdicts = [self._verdict(run) for name, run in checks.items() if only is None or name in only]
        names = {verdict.name for verdict in verdicts}
        others = [verdict for verdict in release.checks if verdict.name not in names]
        release = replace(release, checks=(*others, *verdicts))
        if names.issuperset(checks):
            release = replace(release, checked_by=self._context.measurements.check_settings_hash(release.space))
        self._store.releases.put(release)
        figures = {verdict.name: {"passed": verdict.passed, **verdict.figures} for verdict in verdicts}
        self._store.history.add("check", {"encoder": record.encoder, "release": release.key, "checks": figures})
        return release, verdicts

    def _verdict(self, run: Callable[[], CheckVerdict]) -> CheckVerdict:
        verdict = run()
        give_back()  # a check may read a column of every row
        return verdict

    def candidate(self, record: VersionRecord) -> Release:
        """Return the newest release of a version. Raises StoreError where it was never indexed."""
        release = self._store.releases.candidate(record.id)
        if release is None:
            raise StoreError(f"Encoder {record.encoder!r} version {record.version} has no candidate: index it first.")
        return release

    def is_by_settings(self, release: Release, record: VersionRecord) -> bool:
        """Return whether a release was indexed, and checked if at all, by the settings as they are now."""
        measurements = self._context.measurements
        return (
            release.space == record.spec.space
            and release.indexed_by in ("", measurements.index_settings_hash())
            and (not release.checks or release.checked_by == measurements.check_settings_hash(record.spec.space))
        )

    def _build(self, record: VersionRecord, *, retrain: bool) -> IndexReport:
        settings, distance = self._settings.index, record.spec.distance
        return build_indices(self._store, record.table, distance=distance, settings=settings, retrain=retrain)


def _lowest(recall: dict[str, Recall]) -> Recall:
    return min(recall.values(), key=lambda each: each.mean)


def _release(record: VersionRecord, report: IndexReport, recall: dict[str, Recall] | None) -> Release:
    measured = (recall or {}).values()
    return Release(
        space=record.spec.space,
        encoder=record.encoder,
        encoder_version=record.version,
        table=record.table,
        table_version=report.table_version,
        dim=record.dim,
        distance=record.spec.distance,
        rows=report.rows,
        ann=report.ann,
        nprobes=max((each.nprobes for each in measured), default=20),
        refine_factor=max((each.refine_factor for each in measured), default=2),
        recall_at_10=round(_lowest(recall).mean, 4) if recall else None,
    )
