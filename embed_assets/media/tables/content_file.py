"""ContentFile: contents by content hash in a temporary file, of which memory holds 20 bytes each."""

import os
import tempfile
import threading
from array import array
from typing import Any

import numpy as np

from embed_assets.media.kinds.decoder_plugins import media_hash

_LARGE = 4096  # bytes of a content that is written once, however many rows have it


class ContentFile:
    """Contents, added and read in any order by several threads. The file is deleted with the last reference."""

    def __init__(self, most_bytes: int | None = None) -> None:
        """`most_bytes`: what would make the file larger is not kept; None: no limit."""
        self._most_bytes = most_bytes
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it stays open as long as this object
        self._shorts, self._starts, self._sizes = array("Q"), array("Q"), array("I")
        self._end = 0
        self._large = set[int]()
        self._sorted: tuple[Any, Any, Any] | None = None
        self._lock = threading.Lock()

    def add(self, content_hash: str, data: bytes) -> None:
        """Keep a content."""
        short = _short(content_hash)
        with self._lock:
            full = self._most_bytes is not None and self._end + len(data) > self._most_bytes
            if full or short in self._large:
                return
            if len(data) >= _LARGE:
                self._large.add(short)
            self._file.write(data)
            self._shorts.append(short)
            self._starts.append(self._end)
            self._sizes.append(len(data))
            self._end += len(data)
            self._sorted = None

    def get(self, content_hash: str, read_as: str = "") -> bytes | None:
        """Return the content of this hash, that `read_as` is part of (`media_hash`), or None.

        Compares the whole hash, because two may share the part that is kept in memory.
        """
        with self._lock:
            shorts, starts, sizes = self._sorted or self._sort()
        short = np.uint64(_short(content_hash))
        place = int(np.searchsorted(shorts, short))
        while place < len(shorts) and shorts[place] == short:
            data = os.pread(self._file.fileno(), int(sizes[place]), int(starts[place]))
            if media_hash(data, read_as) == content_hash:
                return data
            place += 1
        return None

    def _sort(self) -> tuple[Any, Any, Any]:
        self._file.flush()
        order = np.argsort(np.asarray(self._shorts), kind="stable")
        shorts, starts, sizes = (np.asarray(column)[order] for column in (self._shorts, self._starts, self._sizes))
        self._sorted = shorts, starts, sizes
        return self._sorted


def _short(content_hash: str) -> int:
    return int(content_hash[:16], 16)
