"""Tape: samples that come block by block, of which the part that is asked for is kept and no more."""

from collections.abc import Iterator

import numpy as np

_LEAST = 2**16  # samples: what is set aside at first


class Tape:
    """Parts of a run of samples, asked for in the order of their starts. For one thread."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks = blocks
        self._held = np.empty(0, np.float32)
        self._from = self._to = 0  # samples that are held
        self._ended = False

    @property
    def end(self) -> int:
        """How many samples there are, as far as they were read."""
        return self._to

    def reaches(self, sample: int) -> bool:
        """Whether there are as many samples; reads no further than it has to."""
        while self._to < sample and not self._ended:
            self._append(next(self._blocks, None))
        return self._to >= sample

    def read_on(self) -> None:
        """Reads all that is left, and keeps it."""
        while not self._ended:
            self._append(next(self._blocks, None))

    def run_out(self) -> None:
        """Reads all that is left for what may be wrong with it; keeps nothing."""
        for _ in self._blocks:
            pass
        self._ended = True

    def between(self, first: int, last: int) -> np.ndarray:
        """Samples from `first` to `last`, fewer where the run ends; what is before `first` is gone then."""
        self.reaches(last)
        first, last = max(first, self._from), min(last, self._to)
        if self._ended:  # nothing moves any more: a view will do
            return self._held[first - self._from : max(first, last) - self._from]
        part = self._held[first - self._from : max(first, last) - self._from].copy()
        self._forget(first)
        return part

    def _append(self, block: np.ndarray | None) -> None:
        if block is None:
            self._ended = True
            return
        used = self._to - self._from
        if used + len(block) > len(self._held):  # where it can, the system moves pages rather than copying them
            self._held.resize(max(_LEAST, used + len(block), len(self._held) * 5 // 4), refcheck=False)
        self._held[used : used + len(block)] = block
        self._to += len(block)

    def _forget(self, before: int) -> None:
        """Moves what is still wanted to the front, once that is less than half."""
        gone = min(before, self._to) - self._from
        if gone * 2 < self._to - self._from:
            return
        left = self._to - self._from - gone
        self._held[:left] = self._held[gone : gone + left].copy()
        self._from += gone
