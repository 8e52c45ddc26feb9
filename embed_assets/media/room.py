"""Room: memory that threads share for what is large, so that each has its turn rather than all at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SMALL = 2**20  # bytes that nobody waits for


class Room:
    """Of `size` bytes. What is larger than that has it alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, weight: int) -> Iterator[None]:
        """Waits until there is room, which is given back behind the block."""
        if weight < _SMALL:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + weight <= self._size)
            self._used += weight
        try:
            yield
        finally:
            with self._changed:
                self._used -= weight
                self._changed.notify_all()
