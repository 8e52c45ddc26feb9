"""Addressed: files that the rows of a table name by URI or path, listed and read as those of a folder are."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.cache import MediaCache
from embed_assets.media.hashing import text_hash
from embed_assets.media.item import Annotation, ListedFile
from embed_assets.media.listing import look_up
from embed_assets.media.source import Source, is_local, open_source, unopened
from embed_assets.media.tables import TableRow, Tables, row_key

_THREADS = 16  # that wait for answers of a bucket


class Places:
    """Files by URI or path: a relative path is below `below`. May be used from several threads."""

    def __init__(
        self, below: str | None, storage_options: Mapping[str, Any] | None, *, cache: MediaCache | None = None
    ) -> None:
        self._below = below
        self._shown = unopened(below).uri if below else ""  # what goes into the manifest has no credentials
        self._options = storage_options
        self._cache = cache
        self._opened: dict[str, Source] = {}
        self._lock = threading.Lock()

    def absolute(self, place: str) -> str:
        """The URI of what a row names. Raises MediaError for a relative path that leads nowhere."""
        if "://" in place:
            return place
        if place.startswith("/"):
            return os.path.normpath(place)
        if self._below is None:
            raise MediaError("relative path", f"{place}: the source has no uri that it could be below")
        if ".." in place.split("/"):
            raise MediaError("vanished", f"{place} leads out of the source", again=True)
        return f"{self._shown}/{place.removeprefix('./')}"

    def find(self, uri: str) -> ListedFile:
        """Size, time and etag of a file. Raises MediaError where it is not there."""
        return look_up(*self._source(uri))

    def read(self, uri: str, max_bytes: int, *, known_hash: str = "") -> bytes:
        """Its bytes. Raises as `Source.read`."""
        source, key = self._source(uri)
        return source.read(key, max_bytes, known_hash=known_hash)

    def _source(self, uri: str) -> tuple[Source, str]:
        """The bucket or file system that a URI is in, opened once, and the key in it."""
        if self._below is not None and uri.startswith(f"{self._shown}/"):
            root, key = self._below, uri.removeprefix(f"{self._shown}/")
        elif is_local(uri):
            root, key = "/", uri.removeprefix("file://").lstrip("/")
        else:
            scheme, _, rest = uri.partition("://")
            bucket, _, key = rest.partition("/")
            root = f"{scheme}://{bucket}"
        with self._lock:
            if root not in self._opened:
                self._opened[root] = open_source(root, self._options, cache=self._cache)
            return self._opened[root], key


@dataclass(frozen=True, kw_only=True)
class AddressedFiles:
    """The files of one table: a listing, what its columns say of each, and how to read one by key."""

    files: Sequence[ListedFile]
    said: Mapping[str, Annotation]
    read: Callable[[str], bytes]


def list_addressed(tables: Tables, table: str, places: Places) -> AddressedFiles:
    """The files that a table's rows name in the column of texts; each row is an item of its own.

    Files are asked for size, time and etag, but where the columns have `updated`, which then stands for them.
    What can't be found is listed as well: reading it raises why.
    """
    rows = list(tables.rows(table))
    faults: dict[str, MediaError] = {}
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        found = list(pool.map(lambda row: _listed(row, row_key(table, row.id), places), rows))
    for file, fault in found:
        if fault is not None:
            faults[file.key] = fault
    uris = {file.key: file.uri for file, _ in found}

    def read(key: str) -> bytes:
        if key in faults:
            raise faults[key]
        return places.read(uris[key], tables.limits.max_bytes)

    files = [file for file, _ in found]
    said = {file.key: row.annotation for file, row in zip(files, rows, strict=True)}
    return AddressedFiles(files=sorted(files, key=lambda file: file.key), said=said, read=read)


def _listed(row: TableRow, key: str, places: Places) -> tuple[ListedFile, MediaError | None]:
    """A row's file under the row's key, and why it can't be read."""
    nothing = ListedFile(key=key, uri=row.text, size=0, mtime=0.0, etag="")
    if row.reason is not None:
        return nothing, MediaError(row.reason)
    try:
        uri = places.absolute(row.text)
        nothing = replace(nothing, uri=uri)
        named = text_hash(uri)[:12]  # another file of the same size and time is another file
        if row.updated:
            return replace(nothing, etag=f"{row.updated} {named}"), None
        found = places.find(uri)
        return replace(found, key=key, uri=uri, etag=f"{found.etag} {named}".strip()), None
    except MediaError as error:
        return nothing, error
