"""MediaCache: remote media in a bounded local folder, by content hash: fetched once for all encoders."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from embed_assets.media.hashing import content_hash as hash_of

_RECENT = 3600.0  # seconds: files that were used since may be needed next by the same run, and stay
_PATIENCE = 60.0  # seconds before a full folder is scanned again


class MediaCache:
    """A folder of files named by content hash. May be shared by threads and by processes.

    A file that does not fit is not cached, rather than evicting files that a run has just cached: a source that is
    larger than the cache and read from end to end would otherwise never hit. Files that were not used for an hour
    are evicted, the oldest first. A folder that can't be written is an empty cache.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._used = 0  # bytes in the folder, as far as this process knows
        self._scanned_at = -_PATIENCE

    def get(self, content_hash: str) -> bytes | None:
        """Return the bytes, or None. Callers compare their hash: other programs may write to the folder."""
        path = self._path(content_hash)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, content_hash: str, data: bytes) -> None:
        """Cache the bytes, if there is room."""
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
        """Return the cached bytes of the `known_hash`, else those that `fetch` returns, and cache them."""
        cached = self.get(known_hash) if known_hash else None
        if cached is not None and hash_of(cached) == known_hash:
            return cached
        data = fetch()
        if len(data) <= max_bytes:
            self.put(hash_of(data), data)
        return data

    def _path(self, content_hash: str) -> Path:
        return self._folder / content_hash[:2] / content_hash

    def _has_room(self, size: int) -> bool:
        new = self._scanned_at < 0
        full = self._used + size > self._max_bytes
        if new or (full and time.monotonic() - self._scanned_at > _PATIENCE):
            self._make_room(size)
            self._scanned_at = time.monotonic()
        return self._used + size <= self._max_bytes

    def _make_room(self, size: int) -> None:
        """Count the bytes in the folder, and remove old files as far as needed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        by_age = sorted((stat.st_mtime, stat.st_size, path) for path, stat in _files(self._folder))
        self._used = sum(entry[1] for entry in by_age)
        for used_at, freed, path in by_age:
            if self._used + size <= self._max_bytes or used_at > time.time() - _RECENT:
                return
            path.unlink(missing_ok=True)
            self._used -= freed


@lru_cache(maxsize=8)
def shared_cache(folder: Path, *, max_bytes: int) -> MediaCache:
    """Return the cache of this process in a folder: its files are counted once."""
    return MediaCache(folder, max_bytes=max_bytes)


def cache_folder() -> Path:
    """Return the cache's folder: EMBED_ASSETS_CACHE, else embed-assets in the user's folder for caches."""
    if chosen := os.environ.get("EMBED_ASSETS_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "embed-assets" / "media"


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    files = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process removed it
            stat = path.stat()
            if path.is_file():
                files.append((path, stat))
    return files
