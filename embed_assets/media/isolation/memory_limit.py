"""Room: memory that threads share for what is large, so that each has its turn rather than all at once."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SMALL = 2**20  # bytes that nobody waits for
_FILES = 256 * 2**20  # bytes


class Room:
    """Of `size` bytes. What is larger than that has it alone. A forked child has one of its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._clear()

    @contextmanager
    def taken(self, weight: int) -> Iterator[None]:
        """Waits until there is room, which is given back behind the block."""
        if weight < _SMALL:
            yield
            return
        if self._owner != os.getpid():  # another thread of the parent may have held the lock
            self._clear()
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + weight <= self._size)
            self._used += weight
        try:
            yield
        finally:
            with self._changed:
                self._used -= weight
                self._changed.notify_all()

    def _clear(self) -> None:
        self._used = 0
        self._owner = os.getpid()
        self._changed = threading.Condition()


FILES = Room(_FILES)  # of files that are read by threads of this process, to be looked at or decoded
