"""Inspect files: the items of a listing, its files and rows of tables, read where they changed."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

from embed_assets import progress
from embed_assets.errors import MediaError
from embed_assets.manifest.entry import Entry, FileProbe, stored_annotation
from embed_assets.manifest.stored_rows import StoredRows
from embed_assets.manifest.table_entries import TableEntries
from embed_assets.media.detect import look_at
from embed_assets.media.files.unreachable import KEPT, Away
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.isolation.memory_limit import FILES
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.media.media_types import Annotation, ListedFile
from embed_assets.media.tables.content_file import ContentFile
from embed_assets.media.tables.rows_as_items import Tables, row_key
from embed_assets.media.tables.sidecar import Annotations
from embed_assets.store.manifest import annotated
from embed_assets.store.manifest_row import ManifestRow

_OBJECTS = 1024  # items that are looked up together


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
    contents: ContentFile | None = None  # of rows that changed, for what reads them later in this run
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


class Items:
    """The items of changed files: entries of files, and of tables the rows that are not as the manifest has them."""

    def __init__(self, parts: Iterable[Sequence[Entry] | TableEntries]) -> None:
        self._parts = list(parts)

    def taken(self) -> Iterator[list[Entry]]:
        """Yield the entries, some at a time; what was yielded is held no longer."""
        left = self._taken()
        while some := list(islice(left, _OBJECTS)):
            yield some

    def _taken(self) -> Iterator[Entry]:
        self._parts.reverse()
        while self._parts:
            part = self._parts.pop()
            yield from part.taken() if isinstance(part, TableEntries) else part

    def keys_of_files(self) -> Iterator[list[str]]:
        """Yield the keys of the entries that are no rows of a table, some at a time."""
        keys = (entry.file.key for part in self._parts if not isinstance(part, TableEntries) for entry in part)
        while some := list(islice(keys, _OBJECTS)):
            yield some

    def unreachable(self) -> Iterator[Entry]:
        """Yield the entries whose state is unknown."""
        for part in self._parts:
            if isinstance(part, TableEntries):
                yield from part.with_reasons(KEPT)
            else:
                yield from (entry for entry in part if entry.probe is not None and entry.probe.reason in KEPT)


def inspected(
    listed: ListedSource, files: Sequence[ListedFile], *, to_read: Collection[str], stored: StoredRows
) -> Items:
    """Return the items of these files; those in `to_read` are read, on threads.

    `stored` are the manifest's rows; rows of tables that are as it has them are noted there, and are no entries.
    """

    def read(file: ListedFile) -> Sequence[Entry] | TableEntries:
        if listed.is_table(file):
            return _table_entries(listed, file, stored)
        return [_file_entry(listed, file, _probe(listed, file))]

    chosen = [file for file in files if file.key in to_read]
    by_key: dict[str, Sequence[Entry] | TableEntries] = {}
    with ThreadPoolExecutor(max_workers=max(2, listed.readers)) as pool:
        for file, items in zip(chosen, pool.map(read, chosen), strict=True):
            by_key[file.key] = items
            if len(by_key) % 200 == 0 or len(by_key) == len(chosen):
                progress.report("list", listed.name, len(by_key), len(chosen))
    return Items([by_key[file.key] if file.key in by_key else [_file_entry(listed, file, None)] for file in files])


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


def _table_entries(listed: ListedSource, file: ListedFile, stored: StoredRows) -> Sequence[Entry] | TableEntries:
    """Return a table's rows. An unreadable table is quarantined with all its rows in the manifest, or as a file."""
    tables = listed.tables
    if tables is None or (not file.size and tables.dataset is None):
        return _quarantined_table(listed, file, "empty file", [])
    stamp = hashlib.sha256(json.dumps(listed.fingerprints(file)).encode()).hexdigest()[:12]

    def is_unchanged(row_id: str, updated: str) -> bool:
        return stored.stamps.get(row_key(file.key, row_id)) == (updated, stamp)

    def annotate(key: str, own: Annotation) -> Annotation:
        return listed.annotations.of_row(file.key, key, own)

    hides_rows = False
    merged = None if listed.annotations.silent else annotate
    read = TableEntries(file=file, stamp=stamp, stored=stored, annotate=merged, contents=listed.contents)
    try:
        for chunk in tables.chunks(file.key, is_unchanged=is_unchanged):
            hides_rows |= chunk.hides
            read.add(chunk)
    except MediaError as error:
        return _quarantined_table(listed, file, error.reason, stored.of_table(file.key))
    if hides_rows:  # rows that may be in an unreadable part of the table stay unchanged
        stored.note_table(file.key)
    return read if read.rows else _quarantined_table(listed, file, "no rows in the table", [])


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
