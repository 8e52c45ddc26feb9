"""Counts of user columns: what changes keep is what counting all rows gives."""

import json
import random
from typing import Any

import pyarrow as pa

from embed_assets.manifest.user_column_counts import column_kinds, counted_columns
from embed_assets.store.manifest_row import SCHEMA

VALUES = [1, 2, 0.5, "n/a", "12", "2024-05-01", True, None, "", [1, 2]]


def row(number: int, extra: dict[str, Any] | None, *, status: str = "ok", kind: str | None = None) -> Any:
    packed = None if extra is None else json.dumps(extra)
    return {
        **dict.fromkeys(SCHEMA.names),
        "media_id": f"m{number}",
        "status": status,
        "extra": packed,
        "table_kind": kind,
    }


def table(rows: dict[int, Any]) -> pa.Table:
    schema = pa.schema([SCHEMA.field(name) for name in ("media_id", "status", "extra", "table_kind")])
    return pa.Table.from_pylist(list(rows.values()), schema=schema)


def live(rows: dict[int, Any]) -> pa.Table:
    return table({number: each for number, each in rows.items() if each["status"] != "deleted"})


def test_counts_after_any_changes_are_those_of_all_rows() -> None:
    draw = random.Random(0)
    rows: dict[int, Any] = {}
    text = ""
    for _ in range(60):
        before, written = table(rows), {}
        for number in draw.sample(range(30), draw.randint(0, 6)):
            extra = {name: draw.choice(VALUES) for name in draw.sample("abc", draw.randint(0, 3))} or None
            status, kind = draw.choice(["ok", "ok", "quarantined", "deleted"]), draw.choice([None, "csv"])
            written[number] = row(number, extra, status=status, kind=kind)
        rows |= written
        text = counted_columns(text, stored=before, written=table(written), live=live(rows))
        assert text == counted_columns("", stored=table({}), written=table({}), live=live(rows))


def test_cells_of_csv_are_counted_as_what_they_say() -> None:
    rows = {1: row(1, {"year": "1998"}, kind="csv"), 2: row(2, {"year": "1998"}), 3: row(3, {"year": 1998})}
    text = counted_columns("", stored=table({}), written=table(rows), live=live(rows))
    assert column_kinds(text) == {"year": {"int": 2, "written int": 1}}


def test_a_source_without_columns_has_no_counts() -> None:
    rows = {1: row(1, None)}
    assert counted_columns("", stored=table({}), written=table(rows), live=live(rows)) == ""


def test_counts_of_other_rows_are_counted_again() -> None:
    rows = {number: row(number, {"price": number}) for number in range(4)}
    stale = counted_columns("", stored=table({}), written=table({0: rows[0]}), live=live({0: rows[0]}))
    text = counted_columns(stale, stored=table(rows), written=table({}), live=live(rows))
    assert column_kinds(text) == {"price": {"int": 4}}


def test_names_that_are_no_unicode_and_too_many_names_are_left_out() -> None:
    rows = {1: row(1, {"half \ud800": 1, **{f"c{number}": 1 for number in range(2000)}})}
    text = counted_columns("", stored=table({}), written=table(rows), live=live(rows))
    assert len(column_kinds(text)) == 1000
    gone = {1: row(1, None)}
    assert counted_columns(text, stored=table(rows), written=table(gone), live=live(gone)) == ""
