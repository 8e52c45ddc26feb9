"""Steps of sinks: export what a space serves, by what changed since the sink was last written."""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from embed_assets import progress
from embed_assets.encoders.spec import Distance
from embed_assets.errors import SettingsError, SinkError, UnknownNameError, in_one_line
from embed_assets.media.files.redacted_uri import shown
from embed_assets.pipeline.context import RunContext
from embed_assets.settings import SinkSettings
from embed_assets.sinks.changed_rows import ChangedRows, changed_rows, content_hash
from embed_assets.sinks.export_report import ExportReport
from embed_assets.sinks.exported_rows import FINGERPRINTS, ExportedRows
from embed_assets.sinks.sink import Export, Sink, open_sink
from embed_assets.store.serving.kept_exports import KeptExport, exports_kept, forget_exports, keep_export, read_export
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store

_SUFFIXES = {".parquet": "parquet", ".faiss": "faiss", ".db": "milvus"}


class ExportSteps:
    """Exports of a pipeline."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._store = context.store

    def export(self, name: str, *, whole: bool = False) -> ExportReport:
        """Bring a sink of the settings up to date; all of it where `whole`, or where changes can't be known.

        Raises UnknownNameError for a name that the settings lack, SinkError, SettingsError, MissingExtraError.
        """
        return self._export(name, self._sink(name), whole="requested" if whole else None)

    def export_to(self, uri: str, space: str) -> ExportReport:
        """Export what a space serves to a place of no settings, as a whole; its kind is by the suffix of the uri."""
        kind = next((kind for suffix, kind in _SUFFIXES.items() if uri.rstrip("/").endswith(suffix)), None)
        if kind is None:
            raise SettingsError(f"{shown(uri)!r} does not say what to write; it ends in {', '.join(_SUFFIXES)}.")
        return self._export("export", SinkSettings(space=space, kind=kind, uri=uri), whole="one export", keep=False)

    def export_is_due(self, name: str) -> bool:
        """Return whether a sink's space serves another release than was exported last; the sink is not opened."""
        settings = self._sink(name)
        live = self._store.serving.pointer(settings.space).live
        if live is None:
            return False
        ids = exports_kept(self._store, name)
        kept = read_export(self._store, name, ids[0], rows=False) if len(ids) == 1 else None
        if kept is None or kept.release != live.key:
            return True
        return kept.definition != _definition(settings, live, self._rows(name, settings, live))

    def _sink(self, name: str) -> SinkSettings:
        known = self._context.settings.sinks
        if name not in known:
            raise UnknownNameError("sink", name, known, hint="See sinks of the settings.")
        return known[name]

    def _rows(self, name: str, settings: SinkSettings, live: Release) -> ExportedRows:
        try:
            return ExportedRows(open_release(self._store, live), live, settings.columns)
        except SettingsError as error:
            raise SettingsError(f"sinks.{name}.{error}") from error

    def _export(self, name: str, settings: SinkSettings, *, whole: str | None, keep: bool = True) -> ExportReport:
        started = time.monotonic()
        sink = open_sink(name, settings)
        live = self._store.serving.pointer(settings.space).live
        if live is None:
            return _waiting(name, settings, time.monotonic() - started)
        with _disk_errors(name):
            rows = self._rows(name, settings, live)
            found = _OneExport(self._store, sink, live, rows, whole=whole, keep=keep).run()
        return replace(found, seconds=round(time.monotonic() - started, 3))


class _OneExport:
    """One export of one release to one sink."""

    def __init__(
        self, store: Store, sink: Sink, live: Release, rows: ExportedRows, *, whole: str | None, keep: bool
    ) -> None:
        self._store, self._name, self._sink, self._live, self._keep = store, sink.name, sink, live, keep
        self._rows, self._definition = rows, _definition(sink.settings, live, rows)
        held = self._held() if keep and not whole else None
        self._whole = whole or self._why_whole(held)
        self._known = None if self._whole else held

    def run(self) -> ExportReport:
        """Compare, and write what differs; nothing where the sink holds this release."""
        now = self._rows.fingerprints()
        empty = FINGERPRINTS.empty_table()
        changes = changed_rows(empty if self._known is None else self._known.rows, now)
        if self._known is not None and changes.any and self._sink.rebuilt:
            self._whole, changes = "its index is rebuilt with each change", changed_rows(empty, now)
        kept = KeptExport(
            id=uuid.uuid4().hex[:12],
            definition=self._definition,
            release=self._live.key,
            content=content_hash(now),
            rows=now,
        )
        changed = bool(self._whole or changes.any)
        if changed or (self._known is not None and self._known.release != kept.release):
            self._write(kept, changes)
        return ExportReport(
            name=self._name,
            space=self._live.space,
            kind=self._sink.KIND,
            uri=shown(self._sink.settings.uri),
            encoder=self._live.encoder,
            version=self._live.encoder_version,
            release=self._live.key,
            waits_for=None,
            whole=self._whole,
            changed=changed,
            written=len(changes.written),
            deleted=changes.deleted.num_rows,
            unchanged=changes.unchanged,
            rows=now.num_rows,
            content=f"{self._definition}-{kept.content}",
            seconds=0.0,
        )

    def _held(self) -> KeptExport | None:
        """Return what the sink holds; None where it does not say, or the store does not know that export."""
        held = self._sink.held()
        return None if held is None else read_export(self._store, self._name, held)

    def _why_whole(self, held: KeptExport | None) -> str | None:
        if held is None:
            known = self._keep and exports_kept(self._store, self._name)
            return "the sink is not as an export left it" if known else "the first export"
        return None if held.definition == self._definition else "another encoder version, other columns or settings"

    def _write(self, kept: KeptExport, changes: ChangedRows) -> None:
        whole = self._whole is not None
        self._sink.begin(_export_of(self._live, self._rows, kept), whole=whole)
        if changes.deleted.num_rows:
            self._sink.delete(changes.deleted)
        done, total = 0, len(changes.written)
        for batch in self._rows.batches(None if whole else changes.written) if total else ():
            self._sink.write(batch)
            done += batch.num_rows
            progress.report("export", self._name, done, total)
        if self._keep:
            keep_export(self._store, self._name, kept)  # before the sink names it: killed here, it names the older one
        self._sink.finish()
        if self._keep:
            forget_exports(self._store, self._name, but=kept.id)


def _export_of(live: Release, rows: ExportedRows, kept: KeptExport) -> Export:
    distance: Distance = live.distance  # pyright: ignore[reportAssignmentType]
    return Export(
        id=kept.id,
        space=live.space,
        encoder=live.encoder,
        encoder_version=live.encoder_version,
        release=live.key,
        distance=distance,
        rows=kept.rows.num_rows,
        schema=rows.schema,
    )


def _definition(settings: SinkSettings, live: Release, rows: ExportedRows) -> str:
    """Return a hash of all that a sink's content depends on beside the rows: 12 hex digits."""
    own = settings.model_dump(mode="json", exclude={"storage_options", "uri"})
    parts = [own, live.encoder, live.encoder_version, live.distance, str(rows.schema.remove_metadata())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _waiting(name: str, settings: SinkSettings, seconds: float) -> ExportReport:
    return ExportReport(
        name=name,
        space=settings.space,
        kind=settings.kind,
        uri=shown(settings.uri),
        encoder=None,
        version=None,
        release=None,
        waits_for=f"space {settings.space!r} serves nothing.",
        whole=None,
        changed=False,
        written=0,
        deleted=0,
        unchanged=0,
        rows=0,
        content=None,
        seconds=round(seconds, 3),
    )


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    """Raise SinkError in place of errors of a disk or a bucket."""
    try:
        yield
    except OSError as error:
        raise SinkError(f"Sink {name!r} can't be written: {in_one_line(error)}") from error
