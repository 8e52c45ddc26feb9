"""What every report has in common: the sample that it was measured on, and its seconds."""

import time
from typing import Protocol


class Measured(Protocol):
    """A report that took time, on a sample."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...

    def sample(self) -> str:
        """Say what it was measured on."""
        ...


def seconds_since(started: float) -> float:
    """Return the seconds since a moment of `time.monotonic`, as reports have them."""
    return round(time.monotonic() - started, 2)
