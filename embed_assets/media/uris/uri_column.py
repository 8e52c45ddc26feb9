"""URI column: files that the rows of a table name by URI or path, listed and read as those of a folder are."""

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
from embed_assets.media.uris.uri_reader import Places

_THREADS = 16  # that wait for answers of a bucket


@dataclass(frozen=True, kw_only=True)
class AddressedFiles:
    """The files of one table: a listing, what its columns say of each, and how to read one by key."""

    files: Sequence[ListedFile]
    said: Mapping[str, Annotation]
    read: Callable[[str], bytes]
    away: Mapping[str, Away]  # keys of files that can't be reached now: nothing is known of them


def list_addressed(tables: Tables, table: str, places: Places) -> AddressedFiles:
    """The files that a table's rows name in the column of texts; each row is an item of its own.

    Files are asked for size, time and etag, but where the columns have `updated`, which then stands for them.
    What can't be found is listed as well: reading it raises why. Addresses are listed without their credentials.
    """
    rows = list(tables.rows(table))
    # Not in their order: some faulty rows side by side would look like a host that is down, and hide those behind.
    random.shuffle(rows)
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        try:
            found = list(pool.map(lambda row: _listed(row, row_key(table, row.id), places), rows))
        except BaseException:  # Ctrl-C: nobody goes on asking for the other rows
            places.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    faults = {file.key: fault for file, fault in found if fault is not None}
    texts = {file.key: row.text for (file, _), row in zip(found, rows, strict=True)}

    def read(key: str) -> bytes:
        if key in faults:
            raise faults[key]
        return places.read(places.absolute(texts[key]), tables.limits.max_bytes)

    return AddressedFiles(
        files=sorted((file for file, _ in found), key=lambda file: file.key),
        said={file.key: row.annotation for (file, _), row in zip(found, rows, strict=True)},
        read=read,
        away={file.key: _away(file, faults[file.key]) for file, _ in found if _is_away(faults.get(file.key))},
    )


class Addresses:
    """The whole addresses of rows of which the manifest has none with its credentials: read from their table.

    May be used from several threads.
    """

    def __init__(self, tables: Tables, table: str) -> None:
        self._tables = tables
        self._table = table
        self._found: dict[str, str] | None = None
        self._lock = threading.Lock()

    def of(self, key: str, uri: str) -> str:
        """The address to read an item by, which the manifest has as `uri`. Raises MediaError where it is another."""
        if not has_hidden(uri):
            return uri
        whole = self._whole().get(key, "")
        if identity(whole) != identity(uri) and shown(whole) != uri:
            raise MediaError(
                "vanished", f"{key} names another file by now; a refresh tells what became of it", again=True
            )
        return whole

    def _whole(self) -> dict[str, str]:
        """Addresses with credentials by key: the table is read once, whichever thread needs it first."""
        with self._lock:
            if self._found is None:
                rows = self._tables.rows(self._table)
                self._found = {row_key(self._table, row.id): row.text for row in rows if has_hidden(shown(row.text))}
            return self._found


def _listed(row: TableRow, key: str, places: Places) -> tuple[ListedFile, MediaError | None]:
    """A row's file under the row's key, and why it can't be read."""
    nothing = ListedFile(key=key, uri=brief(row.text), size=0, mtime=0.0, etag="", row_id=row.id)
    if row.reason is not None:
        return nothing, MediaError(row.reason)
    try:
        uri = places.absolute(row.text)
        nothing = replace(nothing, uri=shown(uri))
        named = text_hash(identity(uri))[:12]  # another file of the same size and time is another file
        if row.updated:
            return replace(nothing, etag=f"{row.updated} {named}"), None
        found = places.find(uri)
        return replace(found, key=key, row_id=row.id, uri=shown(uri), etag=f"{found.etag} {named}".strip()), None
    except MediaError as error:
        return nothing, error


def _is_away(fault: MediaError | None) -> bool:
    return fault is not None and fault.reason in KEPT


def _away(file: ListedFile, fault: MediaError) -> Away:
    why = str(fault).removeprefix(f"{fault.reason}: ") if "://" in file.uri else ""
    return Away(place=place_of(file.uri), reason=fault.reason, why=why)
