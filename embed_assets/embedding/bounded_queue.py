"""A queue between threads that is bounded by weight, so that memory is bounded whatever an item is."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The other side is gone."""


class Buffer(Generic[Item]):
    """First in, first out. `put` waits while the weights in the buffer are over the limit.

    One item heavier than the limit passes when the buffer is empty, so nothing waits for ever.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._items: deque[tuple[Item, int]] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, weight: int) -> None:
        """Add an item, waiting for room. Raises Closed after `close`."""
        with self._changed:
            while self._items and self._weight + weight > self._limit and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    def get(self) -> Item:
        """Return the next item, waiting for one. Raises Closed when closed and empty."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if not self._items:
                raise Closed
            item, weight = self._items.popleft()
            self._weight -= weight
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Refuse further items; those inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
