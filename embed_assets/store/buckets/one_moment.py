"""One moment: a block of reads that opens every table once, and sees it as it was then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancedb.table import Table


@dataclass
class _Moment:
    tables: dict[tuple[str, str], "Table | None"] = field(default_factory=dict)  # by store and name
    datasets: dict[tuple[int, int], tuple["Table", Any]] = field(default_factory=dict)  # by handle and version


_moment: ContextVar[_Moment | None] = ContextVar("one_moment", default=None)


@contextmanager
def one_moment() -> Iterator[None]:
    """Read all tables as they are when the block first opens each: for a status, or what a run finds to do.

    Opening takes a listing of the store, which is nothing on a disk and a request in a bucket. What this thread writes
    in the block it sees; what others write meanwhile it does not. Inside another such block nothing changes.
    """
    if _moment.get() is not None:
        yield
        return
    token = _moment.set(_Moment())
    try:
        yield
    finally:
        _moment.reset(token)


def in_one_moment() -> bool:
    """Return whether tables are opened once."""
    return _moment.get() is not None


def opened_once(store: str, name: str, open_table: Callable[[], "Table | None"]) -> "Table | None":
    """Return what `open_table` returns, in a block of one moment the first time."""
    moment = _moment.get()
    if moment is None:
        return open_table()
    if (store, name) not in moment.tables:
        moment.tables[store, name] = open_table()
    return moment.tables[store, name]


def forget(store: str, name: str) -> None:
    """Open a table again, which was made or removed."""
    if (moment := _moment.get()) is not None:
        moment.tables.pop((store, name), None)


def lance_dataset(table: "Table") -> Any:
    """Return a table as a `lance.LanceDataset` of its version, in a block of one moment the same one each time."""
    moment = _moment.get()
    if moment is None:
        return table.to_lance()
    key = (id(table), table.version)
    if key not in moment.datasets:
        moment.datasets[key] = (table, table.to_lance())  # the handle is kept, so that no other gets its id
    return moment.datasets[key][1]
