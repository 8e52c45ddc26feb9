"""The user's columns through the pipeline: typed columns of the vector table, added and changed without encoding."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.store.source_state import TABLE as SOURCE_STATE
from embed_assets.store.user_columns import user_columns
from tests.support import note, pipeline, refresh_and_embed, rewrite, rows_by_key, run_all, table_versions, write_notes

TABLE = {"text": "body", "id": "doc"}


def shop(folder: Path, rows: Mapping[str, str], *, header: str = "price", name: str = "t.csv") -> Path:
    """A csv of notes with more columns, whose cells are given by id."""
    file = folder / "docs" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"doc,body,{header}", *(f"{key},{note(place)},{cells}" for place, (key, cells) in enumerate(rows.items()))]
    content = "\n".join(lines) + "\n"
    if file.exists():
        rewrite(file, content)
    else:
        file.write_text(content)
    return file


def shopping(tmp_path: Path, *extra: str, **sources: Any) -> Steps:
    docs = {"uri": str(tmp_path / "docs"), "table": {**TABLE, "extra": list(extra)}}
    return pipeline(tmp_path, sources={"docs": docs, **sources})


def types(steps: Steps) -> dict[str, str]:
    table = steps.vectors(steps.resolve("words").record).open()
    assert table is not None
    return {name: str(field.type) for name, field in user_columns(table.schema).items()}


def column(steps: Steps, name: str) -> dict[str, Any]:
    return {key: row[name] for key, row in rows_by_key(steps).items()}


def test_prices_of_a_csv_are_numbers_in_the_vector_table(tmp_path, words):
    shop(tmp_path, {"a": "1.5,2020,01234", "b": "2,2021,99999", "c": ",2022,"}, header="price,year,zip")
    steps = shopping(tmp_path, "price", "year", "zip")
    refresh_and_embed(steps)
    assert types(steps) == {"price": "double", "year": "int64", "zip": "string"}
    assert column(steps, "extra_price") == {"t.csv#a": 1.5, "t.csv#b": 2.0, "t.csv#c": None}
    assert column(steps, "extra_year") == {"t.csv#a": 2020, "t.csv#b": 2021, "t.csv#c": 2022}
    assert column(steps, "extra_zip")["t.csv#a"] == "01234"


def test_a_sidecar_gives_types_and_every_chunk_of_an_item_has_them(tmp_path, words):
    (write_notes(tmp_path / "notes", 1) / "long.txt").write_text(" ".join(note(number) for number in range(40)))
    facts = {"file": "long.txt", "a.b": True, "taken": "2024-05-01T10:00:00+02:00", "day": "2024-05-01", "tags": ["x"]}
    (tmp_path / "notes" / "sidecar.jsonl").write_text(json.dumps(facts))
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "sidecar": "sidecar.jsonl"}})
    refresh_and_embed(steps)
    rows = steps.vectors(steps.resolve("words").record).read(
        ["key", "extra_a_b", "extra_taken", "extra_day", "extra_tags"]
    )
    assert rows is not None
    chunks = [row for row in rows.to_pylist() if row["key"] == "long.txt"]
    assert len(chunks) > 1
    taken = datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert {(*row.values(),) for row in chunks} == {("long.txt", True, taken, date(2024, 5, 1), '["x"]')}
    assert types(steps) == {"a.b": "bool", "taken": "timestamp[us, tz=UTC]", "day": "date32[day]", "tags": "string"}


def test_a_column_that_is_added_to_a_built_store_encodes_nothing(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    run_all(shopping(tmp_path))
    words.clear()
    steps = shopping(tmp_path, "price")
    report = refresh_and_embed(steps)
    assert words == []
    assert report.segments_encoded == 0
    assert column(steps, "extra_price") == {"t.csv#a": 1, "t.csv#b": 2}
    before = table_versions(steps.store)
    refresh_and_embed(steps)
    assert table_versions(steps.store) == before


def test_a_column_is_added_to_every_version_that_is_kept(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    first = shopping(tmp_path)
    run_all(first)
    old = first.resolve("words").record
    cut = {"words": {"model": "words", "segment": {"max_tokens": 8}}}
    sources = {"docs": {"uri": str(tmp_path / "docs"), "table": {**TABLE, "extra": ["price"]}}}
    steps = pipeline(tmp_path, encoders=cut, sources=sources)
    refresh_and_embed(steps)
    assert [record.id for record in steps.active_versions("words")][1:] == [old.id]
    steps.embed(old)
    table = steps.vectors(old).open()
    assert table is not None
    assert list(user_columns(table.schema)) == ["price"]


def test_whole_numbers_become_broken_ones_and_text_without_encoding(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    steps = shopping(tmp_path, "price")
    refresh_and_embed(steps)
    words.clear()
    shop(tmp_path, {"a": "1", "b": "2.5"})
    assert refresh_and_embed(steps).total("rewritten") == 1
    assert types(steps) == {"price": "double"}
    assert column(steps, "extra_price") == {"t.csv#a": 1.0, "t.csv#b": 2.5}
    shop(tmp_path, {"a": "1", "b": "unknown"})
    report = refresh_and_embed(steps)
    assert column(steps, "extra_price") == {"t.csv#a": "1", "t.csv#b": "unknown"}
    assert report.conflicts == ("price: numbers and text in docs: kept as text",)
    shop(tmp_path, {"a": "1", "b": "3"})  # the value is corrected
    refresh_and_embed(steps)
    assert column(steps, "extra_price") == {"t.csv#a": 1, "t.csv#b": 3}
    assert words == []


def test_a_column_that_two_sources_disagree_on_is_text_and_is_named(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    write_notes(tmp_path / "notes", 2)
    (tmp_path / "notes" / "s.jsonl").write_text('{"file": "note-000.txt", "price": "on request"}\n')
    catalog = {"uri": str(tmp_path / "notes"), "sidecar": "s.jsonl", "pattern": "*.txt"}
    steps = shopping(tmp_path, "price", catalog=catalog)
    report = refresh_and_embed(steps)
    expected = ("price: numbers in docs, text in catalog: kept as text",)
    assert report.conflicts == expected
    assert types(steps) == {"price": "string"}
    assert column(steps, "extra_price")["t.csv#a"] == "1"
    status = read_status(steps)
    assert status.column_conflicts == expected
    assert status.encoders[0].columns == {"price": "string"}


def test_a_value_that_changed_is_written_without_encoding(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    steps = shopping(tmp_path, "price")
    refresh_and_embed(steps)
    words.clear()
    shop(tmp_path, {"a": "1", "b": "7"})
    report = refresh_and_embed(steps)
    assert (report.total("rewritten"), words) == (1, [])
    assert column(steps, "extra_price")["t.csv#b"] == 7


def test_a_column_that_is_gone_from_all_sources_stays_empty(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    refresh_and_embed(shopping(tmp_path, "price"))
    steps = shopping(tmp_path)
    refresh_and_embed(steps)
    assert types(steps) == {"price": "int64"}
    assert set(column(steps, "extra_price").values()) == {None}


def test_a_store_of_before_gets_columns_and_times_once_and_stays_fresh(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    steps = shopping(tmp_path, "price")
    run_all(steps)
    record = steps.resolve("words").record
    table = steps.vectors(record).open()
    assert table is not None
    table.drop_columns(["extra_price", "modified"])
    steps.store.open(SOURCE_STATE).drop_columns(["columns"])
    words.clear()
    steps = shopping(tmp_path, "price")
    assert steps.plan(record).fresh
    assert read_status(steps).encoders[0].stale == 0
    run_all(steps)
    assert words == []
    assert column(steps, "extra_price") == {"t.csv#a": 1, "t.csv#b": 2}
    mtime = (tmp_path / "docs" / "t.csv").stat().st_mtime
    assert column(steps, "modified")["t.csv#a"] == datetime.fromtimestamp(mtime, UTC)
    before = table_versions(steps.store)
    refresh_and_embed(steps)
    assert table_versions(steps.store) == before


@pytest.mark.parametrize("shards", [("s00", "s01"), ("s02", "s03")])
def test_a_run_of_some_shards_fills_new_columns_of_all(tmp_path, words, shards):
    shop(tmp_path, {f"d{number}": str(number) for number in range(12)})
    refresh_and_embed(shopping(tmp_path))
    steps = shopping(tmp_path, "price")
    refresh_and_embed(steps, shards=shards)
    assert sorted(column(steps, "extra_price").values()) == list(range(12))


def test_columns_survive_compaction_and_stay_beside_an_index(tmp_path, words):
    shop(tmp_path, {"a": "1", "b": "2"})
    run_all(shopping(tmp_path))
    steps = shopping(tmp_path, "price")
    run_all(steps)
    record = steps.resolve("words").record
    steps.store.dataset(record.table).optimize.compact_files()
    assert column(steps, "extra_price") == {"t.csv#a": 1, "t.csv#b": 2}
    table = steps.store.open(record.table)
    assert table.index_stats("source_idx").num_unindexed_rows == 0  # pyright: ignore[reportOptionalMemberAccess]
    assert table.schema.field("extra_price").type == pa.int64()


def test_search_filters_by_user_columns_and_returns_them(tmp_path, words):
    shop(tmp_path, {"a": "1.5,red", "b": "20,red", "c": "30,blue"}, header="price,Colour")
    steps = shopping(tmp_path, "price", "Colour")
    run_all(steps)
    where = {"and": [{"price": {"gte": 2}}, {"Colour": "red"}, {"modified": {"lt": "2200-01-01"}}]}
    found = Searcher(steps.store).search("note", space="words", where=where)
    assert [(hit.key, hit.columns) for hit in found.hits] == [("t.csv#b", {"price": 20.0, "Colour": "red"})]
