"""Look: what a listing's files and tables hold, read where they changed."""

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
    """A source at this moment: its files, what is said of them, and how to read one."""

    name: str
    at: int  # the manifest's table version as the listing began: what was written to it since is newer
    files: Sequence[ListedFile]
    annotations: Annotations
    read: Callable[[str], bytes]  # by key; raises MediaError
    tables: Tables | None = None  # None: tables are files like others
    max_deleted_share: float
    readers: int
    encoding: str | None = None  # of texts that are not UTF-8, by the settings
    decoders: str = ""  # plugins that media is shown to
    workers: Decoders | None = None  # in which decoders look at files; None: in this process
    unread: Mapping[str, Away] = field(default_factory=dict)  # folders that could not be listed, by their path
    away: Mapping[str, Away] = field(default_factory=dict)  # files that could not be asked for, by key

    def is_table(self, file: ListedFile) -> bool:
        """Whether the file's rows are the items."""
        return self.tables is not None and self.tables.kind(file.key) is not None

    def table_kind(self, key: str) -> str | None:
        """Return what kind of table a key is: csv, lance; None for a file."""
        return self.tables.kind(key) if self.tables is not None else None

    def fault(self, file: ListedFile) -> str | None:
        """Why a file can't be read, by a try; of a table its first byte."""
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
        """The same of several, on threads."""
        with ThreadPoolExecutor(max_workers=max(2, self.readers)) as pool:
            return list(pool.map(self.fault, files)) if files else []

    def mark(self, file: ListedFile) -> str:
        """What an unchanged table has unchanged: size, time, etag, and all that is said of it and its rows."""
        told = [file.size, file.mtime, file.etag, file.uri, *self.said_of(file)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def said_of(self, file: ListedFile) -> list[str]:
        """What settings, sidecar, folder and plugins say of a table, whatever is in it."""
        settings = self.tables.fingerprint() if self.tables else ""
        told = [settings, self.annotations.fingerprint(file.key, row_key(file.key, ""))]
        return [*told, self.decoders] if self.tables and self.tables.columns.bytes else told


@dataclass(frozen=True, slots=True)
class Look:
    """What reading an item told."""

    content_hash: str
    mime: str | None
    modality: str | None
    reason: str | None
    decoder: str = ""  # as of Sniffed
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the listing. `look` is None where its file was not read, `said` the manifest's columns of its kind."""

    file: ListedFile
    look: Look | None
    said: Mapping[str, Any]
    table: str | None = None  # the key of the table that it is a row of
    row_stamp: str | None = None  # its etag is the row's own, rather than that of its table, and the row was read so


def entries(
    listed: ListedSource, files: Sequence[ListedFile], *, fresh: Collection[str], live: Mapping[str, ManifestRow]
) -> list[Entry]:
    """The items of these files; those in `fresh` are read, on threads. `live` are the manifest's rows by key."""

    def read(file: ListedFile) -> list[Entry]:
        if listed.is_table(file):
            return _rows(listed, file, live)
        return [Entry(file, _look(listed, file), annotated(listed.annotations.of(file.key)))]

    chosen = [file for file in files if file.key in fresh]
    found: dict[str, list[Entry]] = {}
    with ThreadPoolExecutor(max_workers=max(2, listed.readers)) as pool:
        for file, seen in zip(chosen, pool.map(read, chosen), strict=True):
            found[file.key] = seen
            if len(found) % 200 == 0 or len(found) == len(chosen):
                progress.report("list", listed.name, len(found), len(chosen))
    made: list[Entry] = []
    for file in files:
        seen = found.get(file.key)
        made.extend([Entry(file, None, annotated(listed.annotations.of(file.key)))] if seen is None else seen)
    return made


def _look(listed: ListedSource, file: ListedFile) -> Look:
    """Hash and sniff a file; one that can't be used gets a reason."""
    with FILES.reserve(file.size):
        try:
            data = listed.read(file.key)
        except MediaError as error:
            return _unreadable(file, error.reason)
        return _look_at(listed, data)


def _look_at(listed: ListedSource, data: bytes) -> Look:
    try:
        kind = look_at(data, listed.workers, encoding=listed.encoding)
    except MediaError as error:  # a decoder died of it, or would have gone on for ever
        return Look(content_hash(data), None, None, error.reason)
    reason = "empty file" if not data else None if kind.modality else unsupported(kind.mime)
    return Look(media_hash(data, kind.read_as), kind.mime, kind.modality, reason, kind.decoder, kind.charset)


def _unreadable(file: ListedFile, reason: str) -> Look:
    stand_in = hashlib.sha256(f"{file.size}/{file.mtime}/{file.etag}".encode()).hexdigest()
    return Look(stand_in, None, None, reason)


def _rows(listed: ListedSource, file: ListedFile, live: Mapping[str, ManifestRow]) -> list[Entry]:
    """A table's rows. One that can't be read is set aside with all rows that are known of it, or as a file."""
    tables = listed.tables
    if tables is None or (not file.size and tables.dataset is None):
        return _set_aside(listed, file, "empty file", [])
    stamp = hashlib.sha256(json.dumps(listed.said_of(file)).encode()).hexdigest()[:12]

    def kept(name: str, updated: str) -> bool:
        row = live.get(row_key(file.key, name))
        return row is not None and (row["etag"], row["row_stamp"]) == (updated, stamp)

    hidden = False
    rows: list[Entry] = []
    try:
        for row in tables.rows(file.key, is_unchanged=kept):
            hidden |= row.hides
            rows.append(_row(listed, file, row, stamp, live))
    except MediaError as error:
        return _set_aside(listed, file, error.reason, [row for row in live.values() if row["table_key"] == file.key])
    if hidden:
        rows.extend(_unseen(file, live, {entry.file.key for entry in rows}))
    return rows or _set_aside(listed, file, "no rows in the table", [])


def _unseen(file: ListedFile, live: Mapping[str, ManifestRow], seen: Collection[str]) -> list[Entry]:
    """Rows that are known of a table and may be in a part that can't be read: they stay as they were."""
    known = [row for row in live.values() if row["table_key"] == file.key and row["key"] not in seen]
    return [Entry(_item_of(file, row), None, said_before(row), file.key) for row in known]


def _row(listed: ListedSource, file: ListedFile, row: TableRow, stamp: str, live: Mapping[str, ManifestRow]) -> Entry:
    key = row_key(file.key, row.id)
    item = replace(file, key=key, row_id=row.id, uri=f"{file.uri}#{row.id}", size=row.size)
    if row.updated:  # what was read with other settings, or another sidecar, is read again
        item = replace(item, etag=row.updated)
    if row.content_hash is None:
        return Entry(replace(item, size=live[key]["size"] or 0), None, said_before(live[key]), file.key, stamp)
    look = Look(row.content_hash, row.mime, row.modality, row.reason, row.decoder, row.charset)
    said = annotated(listed.annotations.of_row(file.key, key, row.annotation))
    return Entry(item, look, said, file.key, stamp if row.updated else None)


def _set_aside(listed: ListedSource, file: ListedFile, reason: str, known: Iterable[ManifestRow]) -> list[Entry]:
    look = _unreadable(file, reason)
    rows = [
        Entry(
            _item_of(file, row),
            replace(
                look,
                mime=row["mime"],
                modality=row["modality"],
                decoder=row["decoder"] or "",
                charset=row["charset"],
            ),
            said_before(row),
            file.key,
        )
        for row in known
    ]
    return rows or [Entry(file, look, annotated(listed.annotations.of(file.key)), None)]


def _item_of(table: ListedFile, row: ManifestRow) -> ListedFile:
    """A row of a table as the manifest has it, with the table's size and time."""
    return replace(table, key=row["key"], row_id=row["row_id"], uri=row["uri"], size=row["size"] or 0)


def said_before(row: ManifestRow) -> dict[str, Any]:
    """What is said of an item by its manifest row."""
    return {name: row[name] for name in ("caption", "labels", "extra")}
