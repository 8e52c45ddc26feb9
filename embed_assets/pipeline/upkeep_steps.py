"""Steps of upkeep: retire versions, retry quarantined items, maintain the store, clean up after a run."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from embed_assets.errors import PromotionError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.embedding_steps import EmbeddingSteps
from embed_assets.pipeline.promotion_steps import PromotionSteps
from embed_assets.pipeline.release_steps import ReleaseSteps
from embed_assets.pipeline.version_steps import VersionSteps
from embed_assets.store.upkeep.after_run_cleanup import tidy
from embed_assets.store.upkeep.maintenance import MaintenanceReport, maintain
from embed_assets.store.upkeep.retire_version import Retired, retire, unused_versions
from embed_assets.store.versions import VersionId, VersionRecord


class UpkeepSteps:
    """Retirement, retries, maintenance and clean-up."""

    def __init__(
        self,
        context: RunContext,
        *,
        versions: VersionSteps,
        embedding: EmbeddingSteps,
        releases: ReleaseSteps,
        promotion: PromotionSteps,
    ) -> None:
        self._settings = context.settings
        self._store = context.store
        self._context = context
        self._versions = versions
        self._embedding = embedding
        self._releases = releases
        self._promotion = promotion

    def retire(self, version: VersionId, *, by: str) -> Retired:
        """Drop a version's vectors and all that is kept for them. Raises StoreError where something needs it."""
        retired = retire(self._store, version, current=self._current(version.encoder))
        self._store.history.add("retire", asdict(retired) | {"by": by})
        return retired

    def unused(self, encoder: str) -> list[VersionRecord]:
        """Return versions that nothing needs: neither current, nor live, nor a roll-back target."""
        return unused_versions(self._store, encoder, current=self._current(encoder))

    def retry(self) -> int:
        """Have the next run try all quarantined items, though their bytes did not change; how many, by version.

        For items that a limit stopped that was raised since, or a decoder that was fixed.
        """
        unread = sum(self._context.manifest.retry_quarantined(source) for source in self._settings.sources)
        return unread + sum(self._store.quarantine(record.table).clear() for record in self._active())

    def maintain(self, *, seconds: float | None = None, by: str) -> MaintenanceReport:
        """Retire unused versions, compact, refresh indices, remove old table versions; serve the changed tables.

        A version is retired where it is neither current nor live nor a roll-back target, and was last current longer
        ago than `maintenance.keep_hours`. Nothing is begun once `seconds` are over, unset: those of the settings.
        """
        started, limit = time.monotonic(), self._settings.maintenance.seconds if seconds is None else seconds
        keep_since = datetime.now(UTC) - timedelta(hours=self._settings.maintenance.keep_hours)
        retired = self._retire_unused(keep_since, by=by)
        report = maintain(self._store, self._settings.maintenance, seconds=limit)
        report.retired = retired
        for record in self._active():
            if record.table not in report.changed or not self._embedding.plan(record).fresh:
                continue
            if time.monotonic() - started < limit:
                report.skipped |= self._index_and_serve(record, by=by)
            else:
                report.left.append(f"serve {record.table}")
        self._clean_model_copies(keep_since)
        self._store.history.add("maintain", report.figures() | {"by": by})
        return report

    def tidy(self) -> None:
        """Bound what many small runs leave in the store's tables; seldom has something to do."""
        tidy(self._store, self._settings.maintenance)

    def _current(self, encoder: str) -> str | None:
        current = self._store.versions.current(encoder) if encoder in self._settings.encoders else None
        return current.version if current else None

    def _active(self) -> list[VersionRecord]:
        return [record for encoder in self._settings.encoders for record in self._versions.active(encoder)]

    def _retire_unused(self, keep_since: datetime, *, by: str) -> list[VersionId]:
        unused = [record for encoder in self._store.versions.encoders() for record in self.unused(encoder)]
        retired = [record.id for record in unused if datetime.fromisoformat(record.at) < keep_since]
        for version in retired:
            self.retire(version, by=by)
        return retired

    def _index_and_serve(self, record: VersionRecord, *, by: str) -> dict[str, str]:
        """Index, check and serve; returns what a check held back, and why."""
        self._releases.index(record)
        self._releases.check(record)
        try:
            self._promotion.serve(record, by=by)
        except PromotionError as error:
            return {f"serve {record.table}": str(error)}
        return {}

    def _clean_model_copies(self, keep_since: datetime) -> None:
        versions = self._store.versions
        files = {sha for encoder in versions.encoders() for each in versions.of(encoder) for sha in each.files.values()}
        self._store.model_copies.clean(files, before=keep_since)
