"""Rows of changed tables, compared by columns: what is written is what a comparison row by row would write."""

import random
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.manifest.stored_rows import KeyPlaces
from embed_assets.media.files.source import open_source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.row_chunks import RowChunk, chunks_of
from embed_assets.media.tables.rows_as_items import Columns, Tables
from tests.support import pipeline

COLUMNS = Columns(text="text", id="id", caption="title", labels=("topic",), extra=("price", "added"))
IDS = ["a", "b", "c", "d", "ü", "a", "", None, "n\0l", "x" * 9000, "a~b"]
TEXTS = ["one", "two", "three words here", "", "  ", None, "n\0l", "\x1f", "ünïcode", "x" * 300]
KINDS = {
    "id": [pa.string(), pa.string(), pa.large_string(), pa.int64()],
    "price": [pa.float64(), pa.int64(), pa.string(), pa.bool_()],
    "topic": [pa.string(), pa.list_(pa.string()), pa.dictionary(pa.int32(), pa.string())],
}


def value(draw: random.Random, name: str, kind: pa.DataType) -> Any:
    """A cell, null now and then."""
    if draw.random() < 0.1:
        return None
    if name == "id":
        return draw.randrange(8) if kind == pa.int64() else draw.choice([*IDS, f"row-{draw.randrange(40)}"])
    if name == "text":
        return draw.choice([*TEXTS, f"text {draw.randrange(30)}"])
    if name == "topic":
        return draw.sample(["x", "y", "z"], 2) if pa.types.is_list(kind) else draw.choice(["x", "y", " ", '["x"]'])
    if name == "price":
        cells = {pa.float64(): [0.0, -0.0, 1.0, 1.5, float("nan")], pa.int64(): [0, 1], pa.bool_(): [True, False]}
        return draw.choice(cells.get(kind, ["1", "1.0", "true"]))
    return date(2024, 1, draw.randrange(1, 4)) if name == "added" else draw.choice(["a title", " ", "", None])


def table(draw: random.Random, rows: int) -> pa.Table:
    """Rows with doubled, missing and unusable cells, in columns of any of their types."""
    kinds = {name: draw.choice(kinds) for name, kinds in KINDS.items()}
    kinds |= {"text": pa.string(), "title": pa.string(), "added": pa.date32()}
    return pa.table(
        {name: pa.array([value(draw, name, kind) for _ in range(rows)], kind) for name, kind in kinds.items()}
    )


def changed(draw: random.Random, before: pa.Table) -> pa.Table:
    """The same rows in another order, some gone, some of another table in their place or behind them."""
    places = draw.sample(range(len(before)), draw.randint(len(before) // 2, len(before)))
    kept = before.take(pa.array(places if draw.random() < 0.5 else sorted(places), pa.int64()))
    other = table(draw, draw.randint(0, 4))
    return pa.concat_tables([kept, other.cast(before.schema)]) if other.schema == before.schema else kept


def tables(folder: Path) -> Tables:
    return Tables(columns=COLUMNS, limits=Limits(max_characters=200), source=open_source(str(folder), {}))


def lists(chunks: list[RowChunk]) -> dict[str, Any]:
    names = [each.name for each in fields(RowChunk) if each.name != "hides"]
    return {name: [cell for chunk in chunks for cell in getattr(chunk, name)] for name in names}


@pytest.mark.parametrize("seed", range(30))
def test_rows_by_columns_are_the_rows_one_by_one(tmp_path: Path, seed: int) -> None:
    pq.write_table(table(random.Random(seed), 60), tmp_path / "t.parquet")
    read = tables(tmp_path)
    by_columns, one_by_one = lists([*read.chunks("t.parquet")]), lists([*chunks_of(read.rows("t.parquet"))])
    assert repr(by_columns) == repr(one_by_one)  # 1, 1.0 and true are equal, and are not written alike
    assert by_columns["content_hashes"]


def stored(steps: Any) -> dict[str, dict[str, Any]]:
    """What the manifest says of each row that is not deleted, but for what it was called when it came."""
    own = ("media_id", "shard", "updated_at", "mtime", "size", "etag")
    rows = [row for row in steps.manifest.rows("notes") if row["status"] != "deleted"]
    return {row["key"]: {name: cell for name, cell in row.items() if name not in own} for row in rows}


def of_folder(tmp_path: Path, store: str) -> Any:
    columns = {"text": "text", "id": "id", "caption": "title", "labels": ["topic"], "extra": ["price", "added"]}
    source = {"uri": str(tmp_path / "notes"), "table": columns, "max_deleted_share": 1.0}
    (tmp_path / store).mkdir(exist_ok=True)
    return pipeline(tmp_path / store, sources={"notes": source}, limits={"max_characters": 200})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_changed_table_is_as_if_it_were_new(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    (tmp_path / "notes").mkdir()
    now = table(draw, 40)
    steps = of_folder(tmp_path, "kept")
    for edition in range(4):
        pq.write_table(now, tmp_path / "notes" / "t.parquet")
        before, written_before = stored(steps), datetime.now(UTC)
        report = steps.refresh("notes")
        fresh = of_folder(tmp_path, f"fresh-{edition}")
        fresh.refresh("notes")
        after = stored(steps)
        assert after == stored(fresh)
        other = {key for key, row in after.items() if before.get(key) != row}
        rows = [row for row in steps.manifest.rows("notes") if row["status"] != "deleted"]
        assert {row["key"] for row in rows if row["updated_at"] >= written_before} == other
        assert report.items == len(after)
        assert report.new + report.edited + report.renamed + report.relabelled + report.restored == len(other)
        now = changed(draw, now)


def test_equal_hashes_of_different_keys_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = pa.chunked_array([["a", "b", "c"], ["b", "d"]])
    assert [key in KeyPlaces(keys) for key in ("a", "b", "d", "x", "")] == [True, True, True, False, False]
    assert KeyPlaces(keys).of(pa.array(["d", "b", "x", "a"])).tolist() == [4, 3, -1, 0]
    monkeypatch.setattr("embed_assets.manifest.stored_rows.hash", lambda key: 7, raising=False)
    assert KeyPlaces(keys).of(pa.array(["d", "b", "x", "a"])).tolist() == [4, 3, -1, 0]
    assert [key in KeyPlaces(keys) for key in ("a", "d", "x")] == [True, True, False]
    assert KeyPlaces(keys.slice(0, 0)).of(pa.array(["d"])).tolist() == [-1]
    assert "d" not in KeyPlaces(keys.slice(0, 0))
