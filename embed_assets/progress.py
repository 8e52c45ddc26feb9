"""Progress: long work reports how far it is; whoever shows it (the command line) listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` items of a stage; total None: not known. `quarantined`: of those done."""

    stage: str  # "list", "load", "convert", "encode", "sample", "index", "check", "search", "export"
    name: str  # the source or encoder
    done: int
    total: int | None
    quarantined: int = 0


Listener = Callable[[Step], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("progress_listeners", default=())


def report(stage: str, name: str, done: int, total: int | None = None, *, quarantined: int = 0) -> None:
    """Report a step to all listeners; free where nobody listens."""
    for listener in _listeners.get():
        listener(Step(stage, name, done, total, quarantined))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` for every step that the block reports."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
