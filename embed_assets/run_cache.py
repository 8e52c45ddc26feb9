"""Run cache: results of one run, reused while what they depend on is unchanged: listings, their diffs, plans."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Result = TypeVar("Result")

_cache: ContextVar[dict[Hashable, tuple[Hashable, object]] | None] = ContextVar("run_cache", default=None)


@contextmanager
def run_cache() -> Iterator[None]:
    """Cache results until the block ends.

    A source is listed once: a later change of its files is left to the next run, as after any listing.
    """
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def cached(key: Hashable, compute: Callable[[], Result], *, depends_on: Hashable = None) -> Result:
    """Return the cached result of `key`, computed first where there is none or `depends_on` has changed.

    `depends_on` (versions of tables, say) is read before `compute` reads the same tables: a cached result is never
    older than it. Only the latest result of a key is cached; outside of `run_cache` none is.
    """
    cache = _cache.get()
    if cache is None:
        return compute()
    entry = cache.get(key)
    if entry is None or entry[0] != depends_on:
        cache.pop(key, None)  # not beside its successor in memory
        entry = cache[key] = (depends_on, compute())
    return entry[1]  # pyright: ignore[reportReturnType]  # a key has one type


def in_run() -> bool:
    """Return whether this is inside of `run_cache`."""
    return _cache.get() is not None


def shared(key: Hashable, make: Callable[[], Result]) -> Result | None:
    """Return what a run has one of, made at its first use; None outside of `run_cache`."""
    return cached(key, make) if in_run() else None


def clear_run_cache() -> None:
    """Forget all results: another run may have changed the store while this one waited."""
    if (cache := _cache.get()) is not None:
        cache.clear()
