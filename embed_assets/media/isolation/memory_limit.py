"""Room: a memory limit that threads share, so that large objects are processed in turn."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SMALL = 2**20  # bytes that need not wait
_FILES = 256 * 2**20  # bytes


class Room:
    """Memory of `size` bytes. A larger object takes all of it. A forked child has its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._clear()

    @contextmanager
    def reserve(self, weight: int) -> Iterator[None]:
        """Wait until there is room, which is released at the end of the block."""
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


FILES = Room(_FILES)  # of files that threads of this process read, to be inspected or decoded
