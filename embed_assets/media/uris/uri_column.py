"""URI column: files that a table's rows name by URI or path, listed and read as those of a folder."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from embed_assets.errors import MediaError
from embed_assets.media.files.redacted_uri import brief, has_hidden, identity, place_of, shown
from embed_assets.media.files.unreachable import KEPT, Away
from embed_assets.media.hashing import text_hash
from embed_assets.media.media_types import Annotation, ListedFile
from embed_assets.media.tables.rows_as_items import TableRow, Tables, row_key
from embed_assets.media.uris.uri_reader import UriFiles

_THREADS = 16  # that wait for a bucket


@dataclass(frozen=True, kw_only=True)
class AddressedFiles:
    """The files of one table: a listing, their annotations by its columns, and a reader by key."""

    files: Sequence[ListedFile]
    annotations: Mapping[str, Annotation]
    read: Callable[[str], bytes]
    away: Mapping[str, Away]  # by keys of unreachable files, whose state is unknown


def list_addressed(tables: Tables, table: str, places: UriFiles) -> AddressedFiles:
    """Return the files that a table's rows name in the text column; each row is an item of its own.

    Size, time and etag of each file are requested, unless the columns have `updated`, which replaces them. Missing
    files are listed as well: reading them raises the reason. Addresses are listed without their credentials.
    """
    rows = list(tables.rows(table))
    # In random order: adjacent faulty rows would look like a host that is down, and hide those after them.
    random.shuffle(rows)
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        try:
            listed = list(pool.map(lambda row: _listed(row, row_key(table, row.id), places), rows))
        except BaseException:  # Ctrl-C: no further requests
            places.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    faults = {file.key: fault for file, fault in listed if fault is not None}
    texts = {file.key: row.text for (file, _), row in zip(listed, rows, strict=True)}

    def read(key: str) -> bytes:
        if key in faults:
            raise faults[key]
        return places.read(places.absolute(texts[key]), tables.limits.max_bytes)

    return AddressedFiles(
        files=sorted((file for file, _ in listed), key=lambda file: file.key),
        annotations={file.key: row.annotation for (file, _), row in zip(listed, rows, strict=True)},
        read=read,
        away={file.key: _away(file, faults[file.key]) for file, _ in listed if _is_away(faults.get(file.key))},
    )


class Addresses:
    """Full addresses of rows whose credentials are not in the manifest, read from their table.

    May be used from several threads.
    """

    def __init__(self, tables: Tables, table: str) -> None:
        self._tables = tables
        self._table = table
        self._found: dict[str, str] | None = None
        self._lock = threading.Lock()

    def of(self, key: str, uri: str) -> str:
        """Return the full address of an item, which the manifest has as `uri`. Raises MediaError where it changed."""
        if not has_hidden(uri):
            return uri
        whole = self._whole().get(key, "")
        if identity(whole) != identity(uri) and shown(whole) != uri:
            raise MediaError("vanished", f"{key} names another file by now: refresh the source", again=True)
        return whole

    def _whole(self) -> dict[str, str]:
        """Return addresses with credentials by key: the table is read once, by the first thread that needs it."""
        with self._lock:
            if self._found is None:
                rows = self._tables.rows(self._table)
                self._found = {row_key(self._table, row.id): row.text for row in rows if has_hidden(shown(row.text))}
            return self._found


def _listed(row: TableRow, key: str, places: UriFiles) -> tuple[ListedFile, MediaError | None]:
    """Return a row's file under the row's key, and the error where it is unreadable."""
    nothing = ListedFile(key=key, uri=brief(row.text), size=0, mtime=0.0, etag="", row_id=row.id)
    if row.reason is not None:
        return nothing, MediaError(row.reason)
    try:
        uri = places.absolute(row.text)
        nothing = replace(nothing, uri=shown(uri))
        address_hash = text_hash(identity(uri))[:12]  # files of equal size and time at other addresses are other files
        if row.updated:
            return replace(nothing, etag=f"{row.updated} {address_hash}"), None
        listed = places.find(uri)
        return replace(
            listed, key=key, row_id=row.id, uri=shown(uri), etag=f"{listed.etag} {address_hash}".strip()
        ), None
    except MediaError as error:
        return nothing, error


def _is_away(fault: MediaError | None) -> bool:
    return fault is not None and fault.reason in KEPT


def _away(file: ListedFile, fault: MediaError) -> Away:
    why = str(fault).removeprefix(f"{fault.reason}: ") if "://" in file.uri else ""
    return Away(place=place_of(file.uri), reason=fault.reason, why=why)
