"""RowCache: the contents of tables by content hash; each table is read once into a temporary file."""

import os
import tempfile
import threading
from array import array
from collections import OrderedDict
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.tables.rows_as_items import Tables

_LARGE = 4096  # bytes of a content that is written once, however many rows have it
_OPEN = 4  # tables cached at one time; the least recently used is dropped


class RowCache:
    """Contents by table and content hash, in any order, with each table parsed once.

    Takes 20 bytes of memory a row, and the contents' size in the folder for temporary files (TMPDIR). May be used from
    several threads.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._files: OrderedDict[str, _Contents | MediaError] = OrderedDict()
        self._lock = threading.Lock()

    def text(self, key: str, content_hash: str) -> str:
        """Return the text of this hash. Raises MediaError "vanished", or the table's own error."""
        return self.data(key, content_hash).decode()

    def data(self, key: str, content_hash: str, *, read_as: str = "") -> bytes:
        """Return the bytes of this hash, that `read_as` is part of (`media_hash`). Raises as `text`."""
        contents = self._opened(key)
        if isinstance(contents, MediaError):
            raise MediaError(contents.reason, f"{key}: {contents}")
        data = contents.get(content_hash, read_as)
        if data is None:
            raise MediaError("vanished", f"{key} has no row of that content any more: refresh the source")
        return data

    def _opened(self, key: str) -> "_Contents | MediaError":
        with self._lock:
            if key not in self._files:
                try:
                    self._files[key] = _Contents(self._tables, key)
                except MediaError as error:  # cached as well: every row of the table would get it
                    self._files[key] = error
            self._files.move_to_end(key)
            while len(self._files) > _OPEN:
                self._files.popitem(last=False)
            return self._files[key]


class _Contents:
    """One table's contents; the file is deleted with the last reference."""

    def __init__(self, tables: Tables, key: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it stays open as long as this object
        shorts, starts, sizes = array("Q"), array("Q"), array("I")
        at, large = 0, set[int]()
        for content_hash, data in tables.contents(key):
            short = _short(content_hash)
            if short in large:
                continue
            if len(data) >= _LARGE:
                large.add(short)
            self._file.write(data)
            shorts.append(short)
            starts.append(at)
            sizes.append(len(data))
            at += len(data)
        self._file.flush()
        self._sort(shorts, starts, sizes)

    def _sort(self, shorts: Any, starts: Any, sizes: Any) -> None:
        import numpy as np

        numbers = np.frombuffer(shorts, np.uint64) if shorts else np.empty(0, np.uint64)
        order = np.argsort(numbers, kind="stable")
        self._shorts = numbers[order]
        self._starts = np.array(starts, np.uint64)[order]
        self._sizes = np.array(sizes, np.uint32)[order]

    def get(self, content_hash: str, read_as: str) -> bytes | None:
        """Return the content, or None; compares the whole hash, because two may share the stored part."""
        import numpy as np

        short = np.uint64(_short(content_hash))
        place = int(np.searchsorted(self._shorts, short))
        while place < len(self._shorts) and self._shorts[place] == short:
            data = os.pread(self._file.fileno(), int(self._sizes[place]), int(self._starts[place]))
            if media_hash(data, read_as) == content_hash:
                return data
            place += 1
        return None


def _short(content_hash: str) -> int:
    return int(content_hash[:16], 16)
