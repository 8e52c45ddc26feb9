"""Progress: long work reports how far it is; whoever shows it (the command line) listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` items of a stage; total None: not known."""

    stage: str  # "list", "load", "encode", "sample", "index", "check"
    name: str  # the source or encoder
    done: int
    total: int | None


Listener = Callable[[Step], None]
_listeners: list[Listener] = []


def report(stage: str, name: str, done: int, total: int | None = None) -> None:
    """Tell all listeners; free where nobody listens."""
    for listener in _listeners:
        listener(Step(stage, name, done, total))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` for every step reported in this process meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
