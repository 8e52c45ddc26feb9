"""Write rows idempotently: an upsert by key that is one commit, and none where there is nothing."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from embed_assets.lance_rows import rows_at
from embed_assets.store.buckets.one_moment import lance_dataset

if TYPE_CHECKING:
    from lancedb.table import Table

    from embed_assets.store.open_database import Database


Result = TypeVar("Result")

# Of a key's field: two inserts of the same key at once conflict, where they would make two rows without it.
KEY = {"lance-schema:unenforced-primary-key": "true"}

COMMITTED = "_row_last_updated_at_version"  # a column of Lance's: the table version that wrote a row last

_FIRST_WAIT, _LONGEST_WAIT = (
    0.01,
    0.5,
)  # seconds; a commit takes milliseconds on a disk

_SCANNED = 100  # rows in the time of a single one that is taken
ALL_ROWS = 2**31 - 1  # a limit counted first would leave out what others write meanwhile


@dataclass(frozen=True, slots=True)
class Contention:
    """What other writers cost a write. Its rows are there all the same."""

    conflicts: int = 0  # merges that Lance did again, since another's commit came first
    repeats: int = 0  # times that Lance gave up, after half a minute of conflicts, and was called again


def upsert(table: "Table", rows: pa.Table, *, key: str, delete_where: str | None = None) -> Contention:
    """Insert or replace whole rows by `key`; rows that match `delete_where` and are not given are removed.

    One commit, hence atomic: readers see all of it or nothing. `key` has to be unique within `rows`:
    LanceDB inserts doubles in silence. Two writers that insert one key at once make one row of it, if the
    column is declared with KEY: the second gets a conflict, and writes again on top of the first. Lance compares
    keys by Bloom filters: two writers that insert many rows at once conflict also where no key is the same.
    """
    if not rows.num_rows and delete_where is None:
        return Contention()
    calls = 0

    def write() -> int:
        nonlocal calls
        calls += 1
        merge = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
        if delete_where is not None:
            merge = merge.when_not_matched_by_source_delete(delete_where)
        return merge.execute(rows).num_attempts

    attempts = retried(write, attempts=10)
    return Contention(conflicts=attempts - 1, repeats=calls - 1)


def add_missing_columns(database: "Database", name: str, schema: pa.Schema) -> "Table":
    """Add the columns of the schema that a table of an older store lacks; their values are null."""
    table = database.open_or_create(name, schema)
    present = set(table.schema.names)  # once: each time it is read from the table
    missing = [field for field in schema if field.name not in present]
    if not missing:
        return table
    try:
        table.add_columns(missing)
    except (OSError, RuntimeError, ValueError):  # another process adds them at this moment
        table = database.open(name)
        if {field.name for field in missing} - set(table.schema.names):
            raise
    return database.open(name)


def is_conflict(error: Exception) -> bool:
    """Return whether Lance refused a commit because of another one, or gave up after so many of them."""
    message = str(error).lower()
    return "conflict" in message or "too many concurrent writers" in message


def retried(
    action: Callable[[], Result], *, when: Callable[[Exception], bool] = is_conflict, attempts: int = 5
) -> Result:
    """Repeat an action that another process's commit preempted, after a random wait that doubles each time."""
    for attempt in range(1, attempts):
        try:
            return action()
        except Exception as error:
            if not when(error):
                raise
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt)))
    return action()


def read(table: "Table", columns: Sequence[str], *, where: str | None = None) -> pa.Table:
    """Read columns of all rows that match `where`, as Arrow."""
    dataset = lance_dataset(table)  # a query of LanceDB's takes thrice the time
    return dataset.to_table(columns=list(columns), filter=where)


def evenly_spread(table: "Table", columns: Sequence[str], count: int) -> pa.Table:
    """Return up to `count` rows, evenly spread over the table, in its order.

    A scan takes a tenth of the time of as many single rows, until the table is a hundred times as large.
    """
    import numpy as np

    dataset: Any = table.to_lance()
    rows = dataset.count_rows()
    if rows <= count:
        return dataset.to_table(columns=list(columns))
    places = np.unique(np.linspace(0, rows - 1, count).astype(int))
    if rows > _SCANNED * count:
        return rows_at(dataset, places, columns)
    taken, start = [], 0
    for batch in dataset.to_batches(columns=list(columns)):
        inside = places[(places >= start) & (places < start + len(batch))] - start
        taken.append(batch.take(pa.array(inside)))
        start += len(batch)
    return pa.Table.from_batches(taken)


def first(table: "Table", *, where: str) -> Mapping[str, Any] | None:
    """Return the first row that matches, or None."""
    rows = table.search().where(where).limit(1).to_list()
    return rows[0] if rows else None


def quoted(value: str) -> str:
    """Return `value` as a literal of the filter language; quotes inside are doubled, so it can't inject."""
    return "'" + value.replace("'", "''") + "'"


def one_of(column: str, values: Sequence[str]) -> str:
    """Return the filter `column IN (...)`."""
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"
