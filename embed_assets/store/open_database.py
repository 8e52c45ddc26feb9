"""Database: one LanceDB database in a folder or bucket; opens, creates and lists its tables."""

import os
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embed_assets.errors import StoreError
from embed_assets.store.buckets.conditional_writes import require_conditional_writes
from embed_assets.store.buckets.lance_options import lance_options
from embed_assets.store.buckets.one_moment import forget, in_one_moment, opened_once

if TYPE_CHECKING:
    from lancedb.db import DBConnection
    from lancedb.table import Table

# A table of vectors keeps its row ids through compaction; 2.2 is the newest format LanceDB reads.
_TABLE_OPTIONS = {"new_table_enable_stable_row_ids": "true", "new_table_data_storage_version": "2.2"}

_METADATA_BYTES = 64 * 2**20  # of tables' versions, of which every run makes some; Lance's own bound is a gibibyte
_OPEN = 8  # stores that a process has connections to; what a connection has read of indices is read once
# By store, options and whether its handles stay at the version that they were opened at.
_connections: dict[tuple[str, str, bool], "DBConnection"] = {}
_opened: dict[tuple[str, str, bool], dict[str, Any]] = {}  # the options of each
_lock = threading.Lock()


class Database:
    """Handles of one store. Cheap to construct: LanceDB is imported and opened on first use, once a process.

    Every access opens the table again, so that no handle is behind the store.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.uri = uri if "://" in uri else str(Path(uri).expanduser().absolute())
        self.storage_options = dict(storage_options or {})
        self._options = repr(sorted(self.storage_options.items()))

    @property
    def _connection(self) -> "DBConnection":
        key = (self.uri, self._options, in_one_moment())
        with _lock:
            if key not in _connections:
                while len(_connections) >= _OPEN:
                    _opened.pop(oldest := next(iter(_connections)), None)
                    _connections.pop(oldest)
                _connections[key] = self._connect()
                _opened[key] = self.storage_options
            return _connections[key]

    def _connect(self) -> "DBConnection":
        os.environ.setdefault("LANCE_LOG", "error")  # LanceDB warns on every query that selects columns
        import lancedb  # 1.1 s

        options = lance_options(self.storage_options)
        try:
            checked = (self.uri, self._options, not in_one_moment()) in _connections
            if "://" in self.uri and not checked:
                require_conditional_writes(self.uri, self.storage_options)
            session = lancedb.Session(metadata_cache_size_bytes=_METADATA_BYTES)
            interval = None if in_one_moment() else timedelta(0)
            return lancedb.connect(
                self.uri, storage_options=options, read_consistency_interval=interval, session=session
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise StoreError(f"Store {self.uri!r} can't be opened: {error}") from error

    def disconnect(self) -> None:
        """Forget this process's connections to the store, and what they hold of indices; the next access opens one.

        An ANN index that was searched stays in memory until then: 350 bytes a vector of 512 dims. Handles that
        somebody holds go on.
        """
        with _lock:
            for key in [key for key in _connections if key[:2] == (self.uri, self._options)]:
                _opened.pop(key, None)
                _connections.pop(key)

    def table_names(self) -> set[str]:
        """Return the names of all tables."""
        names, token = set[str](), None
        while True:
            page = self._connection.list_tables(page_token=token)
            names.update(page.tables)
            token = page.page_token
            if not token:
                return names

    def open(self, name: str) -> "Table":
        """Open the table at its latest version. Raises StoreError where there is none."""
        table = self.open_or_none(name)
        if table is None:
            raise StoreError(f"Store {self.uri!r} has no table {name!r}. Run the assets that write it first.")
        return table

    def open_or_none(self, name: str) -> "Table | None":
        """Open the table at its latest version; None where there is none."""
        return opened_once(self.uri, name, lambda: self._open_or_none(name))

    def open_at(self, name: str, version: int) -> "Table | None":
        """Open the table at one of its versions; None where there is none.

        Raises ValueError, RuntimeError or OSError where the table has no such version any more.
        """
        if in_one_moment() and ((shared := self.open_or_none(name)) is None or shared.version == version):
            return shared
        table = self._open_or_none(name)
        if table is not None:
            table.checkout(version)
        return table

    def _open_or_none(self, name: str) -> "Table | None":
        try:
            return self._connection.open_table(name)
        except ValueError as error:  # LanceDB's answer for a missing table
            if "not found" in str(error).lower():
                return _without_frames(error)
            raise StoreError(f"Table {name!r} of store {self.uri!r} can't be opened: {error}") from error
        except FileNotFoundError as error:
            return _without_frames(error)

    def version(self, name: str) -> int | None:
        """Return the latest version of a table; None where there is none."""
        table = self.open_or_none(name)
        return None if table is None else table.version

    def open_or_create(self, name: str, schema: pa.Schema) -> "Table":
        """Open the table, created empty where there is none; two creators at once get the same one."""
        table = self.open_or_none(name)
        if table is not None:
            return table
        forget(self.uri, name)
        try:
            return self._connection.create_table(name, schema=schema, storage_options=_TABLE_OPTIONS)
        except (OSError, ValueError, RuntimeError):
            table = self.open_or_none(name)
            if table is None:
                raise
            return table

    def drop(self, name: str) -> None:
        """Remove a table and its files."""
        forget(self.uri, name)
        if name in self.table_names():
            self._connection.drop_table(name)

    def dataset(self, name: str) -> Any:
        """Open the table as a `lance.LanceDataset`, for maintenance that LanceDB does not offer."""
        import lance

        options = lance_options(self.storage_options)
        return lance.dataset(f"{self.uri.rstrip('/')}/{name}.lance", storage_options=options or None)

    @property
    def writable(self) -> bool:
        """Whether a local store's folder may be written; True for buckets, whose writes fail by themselves."""
        folder = Path(self.uri)
        return "://" in self.uri or not folder.exists() or os.access(folder, os.W_OK, effective_ids=True)

    def files(self) -> tuple[Any, str]:
        """Return the fsspec file system of the store, and the store's path on it."""
        import fsspec

        try:
            return fsspec.core.url_to_fs(self.uri, **self.storage_options)
        except (ImportError, ValueError) as error:
            raise StoreError(f"Store {self.uri!r} can't be opened: {error}") from error

    def write_file(self, name: str, text: str) -> None:
        """Write a file beside the tables, by its path below the store: readers see the old text or the new one.

        Raises StoreError where it can't be written.
        """
        fs, folder = self.files()
        path = f"{folder.rstrip('/')}/{name}"
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if "://" in self.uri:  # an object appears when it is whole
            fs.pipe_file(path, text.encode())
            return
        part = Path(f"{path}.{os.getpid()}")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise StoreError(
                f"{name} of store {self.uri!r} can't be written: {error.strerror}. Nothing changed."
            ) from error
        finally:
            part.unlink(missing_ok=True)


def opened_databases() -> list[Database]:
    """Return the stores that this process has connections to, for a search for damage."""
    with _lock:
        return [Database(uri, options) for (uri, _, of_moment), options in _opened.items() if not of_moment]


def _without_frames(error: BaseException) -> None:
    """Drop the frames of an error that LanceDB's future keeps: in a circle, they hold all that their callers hold."""
    error.__traceback__ = None
    error.__context__ = None  # the link alone: another error that is handled at the moment keeps its frames
