"""Track: a sound track's frames as one run of samples, with zeros where its time stamps leave a gap."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.media.limits import Limits
from embed_assets.media.recordings.container import check_length
from embed_assets.media.recordings.mono_mix import Mono

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_GAP = 0.02  # seconds between two packets; less is rounding
_PADDING = 0.1  # seconds of an encoder's last block beyond the end of the file


class Track:
    """A sound track as blocks of float32, (n,), in sequence, with zeros where a time stamp leaves a gap.

    `origin` is the time stamp of sample 0, None where that is the first frame's. `end` is the file's, None
    where it is unknown. Without `gaps` only the first time stamp is used. Raises MediaError "too long", and those of
    `Mono`.
    """

    def __init__(
        self, rate: int, limits: Limits, *, origin: float | None, end: float | None, gaps: bool = True
    ) -> None:
        self._rate = rate
        self._limits = limits
        self._origin = origin
        self._end = end
        self._gaps = gaps
        self._expected = origin  # the time stamp that follows without a gap
        self._mono = Mono(rate)
        self._length = 0
        self.decoded_until = 0.0  # a time stamp

    def blocks(self, frame: "AudioFrame") -> Iterator[np.ndarray]:
        """Yield the samples that a frame adds."""
        time = frame.time if frame.pts is not None else None
        if time is not None:
            yield from self._gap(time)
        yield from self._counted(self._mono.blocks(frame))
        begin = time if time is not None else self._expected or 0.0
        self._expected = begin + frame.samples / frame.sample_rate
        self.decoded_until = max(self.decoded_until, self._expected)

    def rest(self) -> Iterator[np.ndarray]:
        """Yield the samples after the last frame."""
        yield from self._counted(self._mono.rest())

    def whole(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield all blocks without the padding of an encoder's last block."""
        held: deque[np.ndarray] = deque()
        waiting = 0
        for block in blocks:
            held.append(block)
            waiting += len(block)
            while waiting - len(held[0]) > _PADDING * self._rate:
                waiting -= len(held[0])
                yield held.popleft()
        waiting -= self._padding()
        for block in held:
            yield block[: max(0, waiting)]
            waiting -= len(block)

    def _padding(self) -> int:
        """Return the number of samples beyond the end of the file, which an encoder added."""
        if self._end is None:
            return 0
        last = round((self._end - (self._origin or 0.0)) * self._rate)
        return self._length - last if last < self._length <= last + _PADDING * self._rate else 0

    def _gap(self, time: float) -> Iterator[np.ndarray]:
        """Yield zeros for a gap in the time stamps; a gap that ends beyond the end of the file is ignored."""
        if self._expected is None or self._origin is None:
            self._origin = self._expected = time
        elif not self._gaps and self._length:
            return
        elif time - self._expected > _GAP and (self._end is None or time <= self._end):
            yield from self._counted(self._mono.rest())
            yield from self._zeros(round((time - self._origin) * self._rate) - self._length)

    def _zeros(self, count: int) -> Iterator[np.ndarray]:
        while count > 0:
            block = np.zeros(min(count, self._rate), np.float32)
            count -= len(block)
            yield from self._counted(iter((block,)))

    def _counted(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            self._length += len(block)
            check_length(self._length / self._rate, "sound", self._limits.max_seconds)
            yield block
