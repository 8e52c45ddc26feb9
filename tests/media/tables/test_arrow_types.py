"""Every type of Arrow in every role of a column and every format: read, or its row quarantined and the others read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import SourceError
from embed_assets.media.cells.arrow_cells import UnreadableCell, to_python
from embed_assets.media.cells.cell_values import as_text, plain
from embed_assets.media.files.source import open_source
from embed_assets.media.hashing import text_hash
from embed_assets.media.limits import Limits
from embed_assets.media.tables.open_table import open_dataset
from embed_assets.media.tables.rows_as_items import Columns, TableRow, Tables
from embed_assets.media.tables.sidecar import load_sidecar
from embed_assets.store.manifest import annotated
from tests.media.arrow_types import columns
from tests.media.tables.test_text_files import write

TYPES = columns()
TEXTS = ["first", "second", "third"]

# What these engines write, but give to nobody again: the source then says so, and keeps what it had.
REFUSED = {
    ("struct with a name twice", "lance"),
    ("struct 80 deep", "lance"),
    ("not UTF-8 in a list", "lance"),
    ("not UTF-8 in a list", "delta"),
    ("not UTF-8", "delta"),
    ("uuid", "delta"),
    ("tensor", "delta"),
}

Opened = Callable[[Path, pa.Table], Tables]


def file(folder: Path, table: pa.Table) -> Tables:
    pq.write_table(table, folder / "t.parquet")
    return Tables(source=open_source(str(folder)), columns=Columns(text="text"), limits=Limits())


def parquet(folder: Path, table: pa.Table) -> Tables:
    pq.write_table(table, folder / "t.parquet")
    return dataset(folder, "parquet")


def lance(folder: Path, table: pa.Table) -> Tables:
    import lance

    lance.write_dataset(table, folder / "t.lance")
    return dataset(folder / "t.lance", "lance")


def delta(folder: Path, table: pa.Table) -> Tables:
    deltalake = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    deltalake.write_deltalake(str(folder / "t"), table)
    return dataset(folder / "t", "delta")


def dataset(path: Path, kind: Any) -> Tables:
    return Tables(dataset=open_dataset(str(path), kind, shown="t"), columns=Columns(text="text"), limits=Limits())


FORMATS: dict[str, Opened] = {"file": file, "parquet": parquet, "lance": lance, "delta": delta}
ROLES: dict[str, dict[str, Any]] = {
    "id": {"text": "text", "id": "c"},
    "text": {"text": "c"},
    "bytes": {"bytes": "c"},
    "caption": {"text": "text", "caption": "c"},
    "labels": {"text": "text", "labels": ("c",)},
    "extra": {"text": "text", "extra": ("c",)},
    "updated": {"text": "text", "id": "text", "updated": "c"},
}


def read(tables: Tables, role: str) -> list[TableRow]:
    chosen = replace(tables, columns=Columns(**ROLES[role]))
    return list(chosen.rows("t.parquet", is_unchanged=(lambda *_: False) if role == "updated" else None))


def says(row: TableRow, role: str) -> bool:
    """Whether the row has its value in that role."""
    annotation = row.annotation
    named = {"id": row.id != text_hash(row.text)[:16], "text": bool(row.text), "bytes": bool(row.data)}
    beside = {"caption": bool(annotation.caption), "labels": bool(annotation.labels), "extra": "c" in annotation.extra}
    return {**named, **beside, "updated": bool(row.updated)}[role]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_every_type_is_read_or_its_row_is_quarantined(tmp_path: Path, name: str, kind: str) -> None:
    table = pa.table({"text": TEXTS, "c": TYPES[name]})
    try:
        opened = FORMATS[kind](tmp_path, table)
    except Exception as error:
        pytest.skip(f"{kind} holds no {name}: {type(error).__name__}")
    if (name, kind) in REFUSED:
        with pytest.raises(SourceError, match="Can't read t: "):
            read(opened, "extra")
        return
    for role in ROLES if kind != "file" else set(ROLES) - {"bytes", "updated"}:
        rows = read(opened, role)
        assert len(rows) == 3, role
        for row, cell in zip(rows, table["c"], strict=True):
            assert not cell.is_valid or says(row, role) or "in column 'c'" in (row.reason or ""), (role, row)
            json.dumps(annotated(row.annotation), allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_every_type_in_a_sidecar_is_read_or_named(tmp_path: Path, name: str) -> None:
    column = TYPES[name]
    for role, field in (("extra", "c"), ("caption", "caption"), ("labels", "labels")):
        try:
            pq.write_table(pa.table({"file": TEXTS, field: column}), tmp_path / "s.parquet")
        except (pa.ArrowException, NotImplementedError) as error:
            pytest.skip(f"Parquet holds no {name}: {type(error).__name__}")
        try:
            found = load_sidecar(str(tmp_path / "s.parquet"))
        except SourceError as error:
            assert f"row 1: field {field!r}" in str(error), role
        else:
            assert list(found) == TEXTS
            for each in found.values():
                json.dumps(annotated(each), allow_nan=False)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_every_type_written_as_text_is_read_or_its_row_is_quarantined(
    tmp_path: Path, name: str, kind: str
) -> None:
    values = [None if isinstance(value, UnreadableCell) else plain(value) for value in to_python(TYPES[name])]
    given = [{"text": text, "c": value} for text, value in zip(TEXTS, values, strict=True)]
    write(tmp_path, kind, given)
    opened = Tables(source=open_source(str(tmp_path)), columns=Columns(text="text"), limits=Limits())
    for role in set(ROLES) - {"bytes", "updated"}:
        rows = list(replace(opened, columns=Columns(**ROLES[role])).rows(f"t.{kind}"))
        assert len(rows) == 3, role
        for row, value in zip(rows, values, strict=True):
            assert value is None or says(row, role) or "in column 'c'" in (row.reason or ""), (role, row)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("timestamp[ns]", ["1970-01-01 00:00:00", "1970-01-01 00:00:01", None]),
        ("timestamp[ns, Mars/Base]", ["1970-01-01 00:00:00+00:00", "1970-01-01 00:00:01+00:00", None]),
        ("timestamp[s, +05:30]", ["1970-01-01 05:30:01+05:30", "2001-09-09 07:16:41+05:30", None]),
        ("far dates", ["5881580-07-11", "-5877641-06-23", None]),
        ("far times[us]", ["148108-07-06T14:00:27.387904", "-144169-06-28T09:59:32.612096", None]),
        ("duration[ns]", ["PT0.000000001S", "PT1.000000001S", None]),
        ("duration[ms]", ["PT0.001S", "P11DT13H46M40.001S", None]),
        ("long durations", ["P53375995583650DT7H45M4S", "-P53375995583650DT7H45M4S", None]),
        ("interval", ["P1M2DT0.000000003S", "PT-0.000000005S", None]),
        ("time64[ns]", ["00:00:00", "00:00:00.000002", None]),
        ("struct with a name twice", ['[["a", 1], ["a", "x"]]', '[["a", 2], ["a", "y"]]', '[["a", 3], ["a", "z"]]']),
        ("map of duration", ['[["k", "PT0.000000001S"]]', '[["l", "PT0.000000002S"]]', None]),
        ("binary", ["one", "ff00", None]),
        ("uuid", ["30303030-3030-3030-3030-303030303030", "ffffffff-ffff-ffff-ffff-ffffffffffff", None]),
        ("wide decimals", ["9" * 76, "-1", None]),
        ("union", ["1", "b", None]),
    ],
)
def test_values_as_text(name: str, texts: list[str | None]) -> None:
    assert [as_text(value) for value in to_python(TYPES[name])] == texts


def test_an_unreadable_value_costs_itself_alone() -> None:
    assert to_python(TYPES["not UTF-8"]) == [UnreadableCell("not UTF-8"), "fine", None]
    assert to_python(TYPES["not UTF-8 in a list"]) == [UnreadableCell("not UTF-8"), ["fine"], None]
    assert to_python(TYPES["no time"])[0] == UnreadableCell("a value out of range")
    assert to_python(TYPES["struct 80 deep"])[0] == UnreadableCell("nested too deep")
