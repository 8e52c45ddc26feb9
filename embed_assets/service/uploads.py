"""Uploads: files that were sent for later queries, in memory, by the hash of their bytes."""

import hashlib
import threading
from collections import OrderedDict

from embed_assets.errors import SettingsError


class Uploads:
    """The latest uploads of all holders of keys, within so many bytes; nobody gets at those of another."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._files: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def put(self, owner: str, data: bytes) -> str:
        """Keep a file and return its hash, sha256 in hexadecimal. Raises SettingsError where it is too large."""
        if len(data) > self._max_bytes:
            raise SettingsError(f"The file has {len(data):,} bytes; uploads are kept up to {self._max_bytes:,} bytes.")
        key = owner, hashlib.sha256(data).hexdigest()
        with self._lock:
            if key not in self._files:
                self._size += len(data)
            self._files[key] = data
            self._files.move_to_end(key)
            while self._size > self._max_bytes:
                _, oldest = self._files.popitem(last=False)
                self._size -= len(oldest)
        return key[1]

    def get(self, owner: str, digest: str) -> bytes:
        """Return the file of a hash. Raises SettingsError where it is not there, or not any more."""
        with self._lock:
            data = self._files.get((owner, digest))
            if data is None:
                raise SettingsError(f"There is no upload {digest[:80]!r}, or not any more. Send the file again.")
            self._files.move_to_end((owner, digest))
            return data
