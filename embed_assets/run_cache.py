"""Run cache: what a run has found out, kept until it ends: listings, what of them changed, what is to be done."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Found = TypeVar("Found")

_kept: list[dict[Hashable, tuple[Hashable, object]]] = []


@contextmanager
def once_a_run() -> Iterator[None]:
    """Meanwhile, in this process, nothing is found out twice while what it was found from stays.

    A source is listed once: what changes after it is found by the next run, as is what changes after any
    listing.
    """
    _kept.append({})
    try:
        yield
    finally:
        _kept.pop()


def once(name: Hashable, make: Callable[[], Found], *, of: Hashable = None) -> Found:
    """What `make` returns, or inside `once_a_run` what it returned before by this name and `of`.

    `of` is what it depends on, versions of tables say, asked for before `make` reads them: then what is
    kept is never older than it. Only the latest of a name is kept.
    """
    if not _kept:
        return make()
    known = _kept[-1]
    before = known.get(name)
    if before is None or before[0] != of:
        known.pop(name, None)  # not beside its successor in memory
        before = known[name] = (of, make())
    return before[1]  # pyright: ignore[reportReturnType]  # a name is of one type


def forget_once() -> None:
    """Find everything out anew: it may have changed while the run waited."""
    if _kept:
        _kept[-1].clear()
