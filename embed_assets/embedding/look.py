"""Look: what a listing's files and tables hold, read where they changed."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from embed_assets.embedding import progress
from embed_assets.errors import MediaError
from embed_assets.media.added import media_hash
from embed_assets.media.item import ListedFile
from embed_assets.media.sidecar import Annotations
from embed_assets.media.sniff import refine, sniff
from embed_assets.media.table_files import table_kind
from embed_assets.media.tables import TableRow, Tables, row_key, table_of
from embed_assets.store.manifest import annotated


@dataclass(frozen=True, kw_only=True)
class ListedSource:
    """A source at this moment: its files, what is said of them, and how to read one."""

    name: str
    files: Sequence[ListedFile]
    annotations: Annotations
    read: Callable[[str], bytes]  # by key; raises MediaError
    tables: Tables | None = None  # None: tables are files like others
    max_deleted_share: float
    readers: int

    def is_table(self, file: ListedFile) -> bool:
        """Whether the file's rows are the items."""
        return self.tables is not None and table_kind(file.key) is not None

    def mark(self, file: ListedFile) -> str:
        """What an unchanged table has unchanged: size, time, etag, and all that is said of it and its rows."""
        settings = self.tables.fingerprint() if self.tables else ""
        said = self.annotations.fingerprint(file.key, row_key(file.key, ""))
        told = [file.size, file.mtime, file.etag, file.uri, settings, said]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Look:
    """What reading an item told."""

    content_hash: str
    mime: str | None
    modality: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the listing. `look` is None where its file was not read, `said` the manifest's columns of its kind."""

    file: ListedFile
    look: Look | None
    said: Mapping[str, Any]
    table: str | None = None  # the key of the table that it is a row of


def owner(row: Mapping[str, Any]) -> str:
    """The key of the file that a manifest row is, or is in."""
    return table_of(row) or row["key"]


def entries(
    listed: ListedSource, files: Sequence[ListedFile], *, fresh: Collection[str], live: Mapping[str, Mapping[str, Any]]
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
    try:
        data = listed.read(file.key)
    except MediaError as error:
        return _unreadable(file, error.reason)
    kind = refine(data, sniff(data))
    reason = "empty file" if not data else None if kind.modality else f"unsupported type: {kind.mime}"
    return Look(media_hash(data, kind.mime), kind.mime, kind.modality, reason)


def _unreadable(file: ListedFile, reason: str) -> Look:
    stand_in = hashlib.sha256(f"{file.size}/{file.mtime}/{file.etag}".encode()).hexdigest()
    return Look(stand_in, None, None, reason)


def _rows(listed: ListedSource, file: ListedFile, live: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """A table's rows. One that can't be read is set aside with all rows that are known of it, or as a file."""
    tables = listed.tables
    if tables is None or not file.size:
        return _set_aside(listed, file, "empty file", [])
    try:
        rows = [_row(listed, file, row) for row in tables.rows(file.key)]
    except MediaError as error:
        return _set_aside(listed, file, error.reason, [row for row in live.values() if table_of(row) == file.key])
    return rows or _set_aside(listed, file, "no rows in the table", [])


def _row(listed: ListedSource, file: ListedFile, row: TableRow) -> Entry:
    key = row_key(file.key, row.id)
    item = replace(file, key=key, uri=f"{file.uri}#{row.id}", size=len(row.text.encode()))
    look = Look(row.content_hash, table_kind(file.key), "text", row.reason)
    return Entry(item, look, annotated(listed.annotations.of_row(file.key, key, row.annotation)), file.key)


def _set_aside(listed: ListedSource, file: ListedFile, reason: str, known: Iterable[Mapping[str, Any]]) -> list[Entry]:
    look = _unreadable(file, reason)
    rows = [
        Entry(
            replace(file, key=row["key"], uri=row["uri"], size=row["size"]),
            replace(look, mime=row["mime"], modality=row["modality"]),
            {name: row[name] for name in ("caption", "labels", "extra")},
            file.key,
        )
        for row in known
    ]
    return rows or [Entry(file, look, annotated(listed.annotations.of(file.key)), None)]
