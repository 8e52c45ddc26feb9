"""Freshness: how much of the store waits for a run, worked out in the background and kept for a while."""

import threading
import time

from embed_assets.errors import EmbedAssetsError
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps

_SECONDS = 30.0


class Freshness:
    """Stale items by space, as of the latest look at the store."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._stale: dict[str, int] | None = None
        self._at = 0.0
        self._lock = threading.Lock()
        self._busy = False

    def stale(self) -> dict[str, int] | None:
        """Return items that a run would encode, rewrite or remove, by space; None before they were first counted."""
        with self._lock:
            wanted = not self._busy and (self._stale is None or time.monotonic() - self._at > _SECONDS)
            self._busy = self._busy or wanted
        if wanted:
            threading.Thread(target=self.count, name="freshness", daemon=True).start()
        return self._stale

    def count(self) -> None:
        """Count again now."""
        try:
            counted: dict[str, int] = {}
            for encoder in read_status(self._steps).encoders:
                kept = sum(each.stale for each in encoder.kept)
                counted[encoder.space] = counted.get(encoder.space, 0) + encoder.stale + kept
            self._stale = counted
        except EmbedAssetsError:  # the store is out of reach, or a run is just writing: the next look counts
            pass
        finally:
            with self._lock:
                self._at, self._busy = time.monotonic(), False
