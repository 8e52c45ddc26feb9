"""Tape: samples that are decoded block by block, with only the requested part in memory."""

from collections.abc import Iterator

import numpy as np

_LEAST = 2**16  # samples: the first size of the buffer


class Tape:
    """A run of samples, whose parts are requested in the order of their starts. For one thread."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks = blocks
        self._held = np.empty(0, np.float32)
        self._from = self._to = 0  # samples in memory
        self._ended = False

    @property
    def end(self) -> int:
        """Number of samples that were read."""
        return self._to

    def reaches(self, sample: int) -> bool:
        """Return whether the run has that many samples; reads no further than needed."""
        while self._to < sample and not self._ended:
            self._append(next(self._blocks, None))
        return self._to >= sample

    def read_on(self) -> None:
        """Read the rest into memory."""
        while not self._ended:
            self._append(next(self._blocks, None))

    def run_out(self) -> None:
        """Read the rest for its errors, and drop it."""
        for _ in self._blocks:
            pass
        self._ended = True

    def between(self, first: int, last: int) -> np.ndarray:
        """Return the samples from `first` to `last`, fewer at the end of the run, and drop those before `first`."""
        self.reaches(last)
        first, last = max(first, self._from), min(last, self._to)
        if self._ended:  # nothing moves any more: a view is enough
            return self._held[first - self._from : max(first, last) - self._from]
        part = self._held[first - self._from : max(first, last) - self._from].copy()
        self._forget(first)
        return part

    def _append(self, block: np.ndarray | None) -> None:
        if block is None:
            self._ended = True
            return
        used = self._to - self._from
        if used + len(block) > len(self._held):  # the system moves pages where it can, rather than copying them
            self._held.resize(max(_LEAST, used + len(block), len(self._held) * 5 // 4), refcheck=False)
        self._held[used : used + len(block)] = block
        self._to += len(block)

    def _forget(self, before: int) -> None:
        """Move the samples that are still needed to the front, once they are less than half."""
        gone = min(before, self._to) - self._from
        if gone * 2 < self._to - self._from:
            return
        left = self._to - self._from - gone
        self._held[:left] = self._held[gone : gone + left].copy()
        self._from += gone
