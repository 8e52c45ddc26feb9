"""Write rows idempotently: an upsert by key that is one commit, and none where there is nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from lancedb.table import Table


def upsert(table: "Table", rows: pa.Table, *, key: str, delete_where: str | None = None) -> None:
    """Insert or replace whole rows by `key`; rows that match `delete_where` and are not given are removed.

    One commit, hence atomic: readers see all of it or nothing. `key` has to be unique within `rows`:
    LanceDB inserts doubles in silence.
    """
    if not rows.num_rows and delete_where is None:
        return
    merge = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
    if delete_where is not None:
        merge = merge.when_not_matched_by_source_delete(delete_where)
    merge.execute(rows)


def read(table: "Table", columns: Sequence[str], *, where: str | None = None) -> pa.Table:
    """Columns of all rows that match `where`, as Arrow."""
    query = table.search().select(list(columns)).limit(max(1, table.count_rows()))
    return (query.where(where) if where else query).to_arrow()


def first(table: "Table", *, where: str) -> Mapping[str, Any] | None:
    """The first row that matches, or None."""
    found = table.search().where(where).limit(1).to_list()
    return found[0] if found else None


def quoted(value: str) -> str:
    """`value` as a literal of the filter language; quotes inside are doubled, so it can't inject."""
    return "'" + value.replace("'", "''") + "'"


def one_of(column: str, values: Sequence[str]) -> str:
    """The filter `column IN (...)`."""
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"
