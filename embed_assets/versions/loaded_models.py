"""LoadedModels: models kept loaded in a process, a bounded number; each is loaded once, two side by side."""

import threading
from collections.abc import Callable, Hashable

from embed_assets.encoders.base import Encoder


class LoadedModels:
    """Encoders by key. Threads that want one key wait for its loading; other keys go on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._models: dict[Hashable, Encoder] = {}
        self._lock = threading.Lock()  # of the two dictionaries; held for moments
        self._locks: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, load: Callable[[], Encoder]) -> Encoder:
        """Return the encoder of a key, loaded if it is not there; of too many that used longest ago goes."""
        with self.loading(key):
            with self._lock:
                if key in self._models:
                    self._models[key] = self._models.pop(key)  # the latest used is last
                    return self._models[key]
            encoder = load()
            with self._lock:
                while len(self._models) >= self._most:
                    self._models.pop(next(iter(self._models)))
                self._models[key] = encoder
            return encoder

    def take(self, key: Hashable) -> Encoder | None:
        """Return the encoder of a key and keep it no longer; None where it is not there."""
        with self._lock:
            return self._models.pop(key, None)

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._models.clear()

    def loading(self, key: Hashable) -> threading.Lock:
        """Return the lock of a key, for `with`: held while its model is loaded, or used before others may have it."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())
