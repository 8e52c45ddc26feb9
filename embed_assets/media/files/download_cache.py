"""MediaCache: bytes of remote media in a bounded local folder, by content hash: fetched once for all encoders."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from embed_assets.media.hashing import content_hash as hash_of

_RECENT = 3600.0  # seconds: what was used since may be what the same run asks for next, and stays
_PATIENCE = 60.0  # seconds before a full folder is looked at again


class MediaCache:
    """A folder of files named by content hash. May be shared by threads and by processes.

    What does not fit is not kept, rather than pushing out what a run has just put there: a source that is
    larger than the cache and read from end to end would otherwise find nothing. Entries that nobody used
    for an hour make room, the oldest first. A folder that can't be written is a cache that keeps nothing.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._used = 0  # bytes in the folder, as far as this process knows
        self._looked_at = -_PATIENCE

    def get(self, content_hash: str) -> bytes | None:
        """The bytes, or None. Whoever asks compares their hash: the folder is not ours alone."""
        path = self._path(content_hash)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, content_hash: str, data: bytes) -> None:
        """Keep the bytes, if there is room."""
        with self._lock, contextlib.suppress(OSError):
            path = self._path(content_hash)
            if path.exists() or not self._has_room(len(data)):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=self._folder, prefix="part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(part).replace(path)
            except OSError:
                Path(part).unlink(missing_ok=True)
                raise
            self._used += len(data)

    def through(self, fetch: Callable[[], bytes], known_hash: str, *, max_bytes: int) -> bytes:
        """The bytes of the `known_hash` where they are kept, else those that `fetch` returns, to be kept."""
        kept = self.get(known_hash) if known_hash else None
        if kept is not None and hash_of(kept) == known_hash:
            return kept
        data = fetch()
        if len(data) <= max_bytes:
            self.put(hash_of(data), data)
        return data

    def _path(self, content_hash: str) -> Path:
        return self._folder / content_hash[:2] / content_hash

    def _has_room(self, size: int) -> bool:
        new = self._looked_at < 0
        full = self._used + size > self._max_bytes
        if new or (full and time.monotonic() - self._looked_at > _PATIENCE):
            self._make_room(size)
            self._looked_at = time.monotonic()
        return self._used + size <= self._max_bytes

    def _make_room(self, size: int) -> None:
        """Count what is there, and remove what is old as far as that is needed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted((stat.st_mtime, stat.st_size, path) for path, stat in _files(self._folder))
        self._used = sum(entry[1] for entry in found)
        for used_at, freed, path in found:
            if self._used + size <= self._max_bytes or used_at > time.time() - _RECENT:
                return
            path.unlink(missing_ok=True)
            self._used -= freed


@lru_cache(maxsize=8)
def shared_cache(folder: Path, *, max_bytes: int) -> MediaCache:
    """The cache of this process in a folder: its files are counted once."""
    return MediaCache(folder, max_bytes=max_bytes)


def cache_folder() -> Path:
    """Where media is kept: EMBED_ASSETS_CACHE, else embed-assets in the user's folder for caches."""
    if chosen := os.environ.get("EMBED_ASSETS_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "embed-assets" / "media"


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process removed it
            stat = path.stat()
            if path.is_file():
                found.append((path, stat))
    return found
