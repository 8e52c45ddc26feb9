"""Sound and Clip: an encoder's input for an audio and for a video segment."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples: float32, (n,), nominally in [-1, 1], at `rate` Hz."""

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of a video segment and, where the file has one, its sound over the same seconds.

    `frames`: uint8, (t, height, width, 3), RGB, upright. `times`: float64, (t,), seconds from the
    start of the file: the time stamps of the frames themselves, not the requested times.
    """

    frames: np.ndarray
    times: np.ndarray
    sound: Sound | None = None
