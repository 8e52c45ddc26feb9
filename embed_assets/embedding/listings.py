"""Listings: within one run a source is listed once, however many encoders read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from embed_assets.embedding.look import ListedSource

_kept: list[dict[tuple[str, str], ListedSource]] = []


@contextmanager
def listing_once() -> Iterator[None]:
    """Meanwhile, in this process, the first listing of a source is what every later one gets.

    What changes after it is found by the next run, as is what changes after any listing.
    """
    _kept.append({})
    try:
        yield
    finally:
        _kept.pop()


def listing_of(store: str, source: str, make: Callable[[], ListedSource]) -> ListedSource:
    """What `make` lists, or inside `listing_once` what it listed before."""
    if not _kept:
        return make()
    known = _kept[-1]
    if (store, source) not in known:
        known[store, source] = make()
    return known[store, source]
