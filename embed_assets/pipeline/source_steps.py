"""Steps of sources: refresh a manifest, land an asset's value."""

from typing import Any

from embed_assets import progress
from embed_assets.errors import DeletionError
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.manifest.open_sources import columns_of, listed
from embed_assets.manifest.refresh import RefreshReport, refresh
from embed_assets.manifest.source_changes import SourceChanges, find_changes
from embed_assets.media.tables.asset_value import TableValue
from embed_assets.pipeline.context import RunContext
from embed_assets.run_cache import cached
from embed_assets.store.asset_value_tables import LandedReport
from embed_assets.store.saved_settings import saved_settings
from embed_assets.unused_memory import give_back


class SourceSteps:
    """Listing, refresh and landing of one source."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._settings = context.settings
        self._store = context.store

    def refresh(self, source: str) -> RefreshReport:
        """Bring a source's manifest up to date with its listing."""
        progress.report("list", source, 0)
        try:
            report = refresh(self.changes(source), self._context.manifest, shards=self._settings.shards)
        except DeletionError as error:
            raise DeletionError(f"{self._other_address(source)}{error}") from error
        give_back()
        if report.changed and self._store.writable:
            self._store.history.add("refresh", report.figures())
        return report

    def listing_differs(self, source: str) -> bool:
        """Return whether a refresh of the source would write something; lists it, reads and writes nothing."""
        progress.report("list", source, 0)
        return self.changes(source).has_changes

    def land(self, source: str, value: Any) -> LandedReport:
        """Keep the value of a source's asset in the store, so that a refresh can read it; writes changed rows.

        Raises SourceError where it is no table, or lacks a column that the settings name.
        """
        settings = self._settings.sources[source]
        columns = columns_of(settings)
        table = TableValue(value, columns=columns.named(), origin=f"asset {settings.asset!r}")
        return self._store.landed(source).write(table, columns=columns.named(), content=columns.content, id=columns.id)

    def listing(self, source: str) -> ListedSource:
        """List a source: its files as they are now, or its table."""
        settings = self._settings.sources[source]
        if self._settings.accept_deletions:
            settings = settings.model_copy(update={"max_deleted_share": 1.0})

        def compute() -> ListedSource:
            return listed(
                source,
                settings,
                limits=self._context.limits,
                readers=self._settings.compute.readers,
                store=self._store,
                cache=self._context.media_cache,
                decoders=self._context.decoders,
            )

        return cached(("listing", self._store.uri, source), compute) if settings.kind == "files" else compute()

    def changes(self, source: str) -> SourceChanges:
        """Compare the listing of a source with its manifest."""

        def compute() -> SourceChanges:
            found = find_changes(self.listing(source), self._context.manifest)
            give_back()
            return found

        if self._settings.sources[source].kind != "files":  # the table may be another by now
            return compute()
        return cached(("change", self._store.uri, source), compute, depends_on=self._context.manifest.table_versions())

    def _other_address(self, source: str) -> str:
        """Return a sentence on where the source was in the run before, if elsewhere: that explains missing items."""
        saved, now = saved_settings(self._store), self._settings.sources[source].address
        before = saved.sources[source].address if saved and source in saved.sources else now
        return "" if before == now else f"Source {source!r} was {before}, is now {now}. "
