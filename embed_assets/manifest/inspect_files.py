"""Inspect files: the items of a listing, its files and rows of tables, read where they changed."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from embed_assets import progress
from embed_assets.errors import MediaError
from embed_assets.media.detect import look_at
from embed_assets.media.files.unreachable import Away
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.isolation.memory_limit import FILES
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.media.media_types import ListedFile
from embed_assets.media.tables.rows_as_items import TableRow, Tables, row_key
from embed_assets.media.tables.sidecar import Annotations
from embed_assets.store.manifest import annotated
from embed_assets.store.manifest_row import ManifestRow


@dataclass(frozen=True, kw_only=True)
class ListedSource:
    """A source at this moment: its files, their annotations, and a function that reads one."""

    name: str
    listed_at: int  # the manifest's table version as the listing began: later versions hold newer rows
    files: Sequence[ListedFile]
    annotations: Annotations
    read: Callable[[str], bytes]  # by key; raises MediaError
    tables: Tables | None = None  # None: tables are files like others
    max_deleted_share: float
    readers: int
    encoding: str | None = None  # of texts that are not UTF-8, by the settings
    decoders: str = ""  # installed decoder plugins
    workers: Decoders | None = None  # worker processes that inspect files; None: this process
    unread: Mapping[str, Away] = field(default_factory=dict)  # folders that could not be listed, by path
    away: Mapping[str, Away] = field(default_factory=dict)  # files whose stat could not be read, by key

    def is_table(self, file: ListedFile) -> bool:
        """Return whether the file's rows are the items."""
        return self.tables is not None and self.tables.kind(file.key) is not None

    def table_kind(self, key: str) -> str | None:
        """Return the kind of a table: csv, lance; None for a file."""
        return self.tables.kind(key) if self.tables is not None else None

    def fault(self, file: ListedFile) -> str | None:
        """Try to read a file, of a table its first byte; return the reason where that fails."""
        try:
            if self.is_table(file) and self.tables is not None and self.tables.source is not None:
                with self.tables.source.stream(file.key) as stream:
                    stream.read(1)
            else:
                with FILES.reserve(file.size):
                    self.read(file.key)
        except MediaError as error:
            return error.reason
        return None

    def faults(self, files: Sequence[ListedFile]) -> list[str | None]:
        """Return the `fault` of each file, tried on threads."""
        with ThreadPoolExecutor(max_workers=max(2, self.readers)) as pool:
            return list(pool.map(self.fault, files)) if files else []

    def mark(self, file: ListedFile) -> str:
        """Return a hash by which a table is known to be unchanged: of its stat, settings and annotations."""
        parts = [file.size, file.mtime, file.etag, file.uri, *self.fingerprints(file)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def fingerprints(self, file: ListedFile) -> list[str]:
        """Return the fingerprints of the settings, sidecar and plugins that decide on a table's items."""
        settings = self.tables.fingerprint() if self.tables else ""
        parts = [settings, self.annotations.fingerprint(file.key, row_key(file.key, ""))]
        return [*parts, self.decoders] if self.tables and self.tables.columns.bytes else parts


@dataclass(frozen=True, slots=True)
class FileProbe:
    """Facts from reading an item's bytes; `reason` is why the item can't be used."""

    content_hash: str
    mime: str | None
    modality: str | None
    reason: str | None
    decoder: str = ""  # as in Sniffed
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the listing. `probe` is None where it was not read."""

    file: ListedFile
    probe: FileProbe | None
    annotation: Mapping[str, Any]  # columns of the manifest
    table_key: str | None = None  # of a table's row
    row_stamp: str | None = None  # of a row with an etag of its own, in place of the table's


def entries(
    listed: ListedSource, files: Sequence[ListedFile], *, to_read: Collection[str], rows: Mapping[str, ManifestRow]
) -> list[Entry]:
    """Return the items of these files; those in `to_read` are read, on threads. `rows` are the manifest's by key."""

    def read(file: ListedFile) -> list[Entry]:
        if listed.is_table(file):
            return _table_entries(listed, file, rows)
        return [_file_entry(listed, file, _probe(listed, file))]

    chosen = [file for file in files if file.key in to_read]
    by_key: dict[str, list[Entry]] = {}
    with ThreadPoolExecutor(max_workers=max(2, listed.readers)) as pool:
        for file, items in zip(chosen, pool.map(read, chosen), strict=True):
            by_key[file.key] = items
            if len(by_key) % 200 == 0 or len(by_key) == len(chosen):
                progress.report("list", listed.name, len(by_key), len(chosen))
    result: list[Entry] = []
    for file in files:
        result.extend(by_key[file.key] if file.key in by_key else [_file_entry(listed, file, None)])
    return result


def _file_entry(listed: ListedSource, file: ListedFile, probe: FileProbe | None) -> Entry:
    return Entry(file, probe, annotated(listed.annotations.of(file.key)))


def _probe(listed: ListedSource, file: ListedFile) -> FileProbe:
    """Hash and sniff a file; an unusable one gets a reason."""
    with FILES.reserve(file.size):
        try:
            data = listed.read(file.key)
        except MediaError as error:
            return _unreadable(file, error.reason)
        return _probe_bytes(listed, data)


def _probe_bytes(listed: ListedSource, data: bytes) -> FileProbe:
    try:
        kind = look_at(data, listed.workers, encoding=listed.encoding)
    except MediaError as error:  # a decoder crashed on it, or timed out
        return FileProbe(content_hash(data), None, None, error.reason)
    reason = "empty file" if not data else None if kind.modality else unsupported(kind.mime)
    return FileProbe(media_hash(data, kind.read_as), kind.mime, kind.modality, reason, kind.decoder, kind.charset)


def _unreadable(file: ListedFile, reason: str) -> FileProbe:
    stand_in = hashlib.sha256(f"{file.size}/{file.mtime}/{file.etag}".encode()).hexdigest()
    return FileProbe(stand_in, None, None, reason)


def _table_entries(listed: ListedSource, file: ListedFile, rows: Mapping[str, ManifestRow]) -> list[Entry]:
    """Return a table's rows. An unreadable table is quarantined with all its rows in the manifest, or as a file."""
    tables = listed.tables
    if tables is None or (not file.size and tables.dataset is None):
        return _quarantined_table(listed, file, "empty file", [])
    stamp = hashlib.sha256(json.dumps(listed.fingerprints(file)).encode()).hexdigest()[:12]

    def is_unchanged(row_id: str, updated: str) -> bool:
        row = rows.get(row_key(file.key, row_id))
        return row is not None and (row["etag"], row["row_stamp"]) == (updated, stamp)

    hides_rows = False
    items: list[Entry] = []
    try:
        for row in tables.rows(file.key, is_unchanged=is_unchanged):
            hides_rows |= row.hides
            items.append(_row_entry(listed, file, row, stamp, rows))
    except MediaError as error:
        own_rows = [row for row in rows.values() if row["table_key"] == file.key]
        return _quarantined_table(listed, file, error.reason, own_rows)
    if hides_rows:
        items.extend(_hidden_entries(file, rows, {entry.file.key for entry in items}))
    return items or _quarantined_table(listed, file, "no rows in the table", [])


def _hidden_entries(file: ListedFile, rows: Mapping[str, ManifestRow], read: Collection[str]) -> list[Entry]:
    """Return rows that may be in an unreadable part of the table: they stay unchanged."""
    hidden = [row for row in rows.values() if row["table_key"] == file.key and row["key"] not in read]
    return [Entry(_stored_file(file, row), None, stored_annotation(row), file.key) for row in hidden]


def _row_entry(
    listed: ListedSource, file: ListedFile, row: TableRow, stamp: str, rows: Mapping[str, ManifestRow]
) -> Entry:
    key = row_key(file.key, row.id)
    item = replace(file, key=key, row_id=row.id, uri=f"{file.uri}#{row.id}", size=row.size)
    if row.updated:  # with its stamp: a row that was read with other settings, or another sidecar, is read again
        item = replace(item, etag=row.updated)
    if row.content_hash is None:
        stored = rows[key]
        return Entry(replace(item, size=stored["size"] or 0), None, stored_annotation(stored), file.key, stamp)
    probe = FileProbe(row.content_hash, row.mime, row.modality, row.reason, row.decoder, row.charset)
    annotation = annotated(listed.annotations.of_row(file.key, key, row.annotation))
    return Entry(item, probe, annotation, file.key, stamp if row.updated else None)


def _quarantined_table(listed: ListedSource, file: ListedFile, reason: str, rows: Iterable[ManifestRow]) -> list[Entry]:
    probe = _unreadable(file, reason)
    items = [
        Entry(
            _stored_file(file, row),
            replace(
                probe,
                mime=row["mime"],
                modality=row["modality"],
                decoder=row["decoder"] or "",
                charset=row["charset"],
            ),
            stored_annotation(row),
            file.key,
        )
        for row in rows
    ]
    return items or [_file_entry(listed, file, probe)]


def _stored_file(table: ListedFile, row: ManifestRow) -> ListedFile:
    """Return a table's row as the manifest has it, with the table's time and etag."""
    return replace(table, key=row["key"], row_id=row["row_id"], uri=row["uri"], size=row["size"] or 0)


def stored_annotation(row: ManifestRow) -> dict[str, Any]:
    """Return the annotation of an item in its manifest row."""
    return {name: row[name] for name in ("caption", "labels", "extra")}
