"""Columns that are joined to one text: a line each, empty ones left out, unreadable ones a reason."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed_assets.errors import SettingsError
from embed_assets.load_settings import make_settings
from embed_assets.media.limits import Limits
from embed_assets.media.tables.open_table import open_dataset
from embed_assets.media.tables.rows_as_items import Columns, Tables
from tests.media.tables.test_text_files import KINDS, rows, write
from tests.support import pipeline, run_all

JOINED: dict[str, Any] = {"text": "title", "joined": ("body", "notes"), "id": "doc"}
GIVEN = [
    {"doc": "whole", "title": "A title", "body": "a body\nof lines", "notes": "notes"},
    {"doc": "no title", "title": "", "body": "the body alone", "notes": " "},
    {"doc": "title only", "title": "the title alone", "body": "", "notes": ""},
    {"doc": "nothing", "title": " ", "body": "", "notes": ""},
]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_joined_in_the_order_of_the_columns(tmp_path: Path, kind: str) -> None:
    given = [{name: value.replace("\n", " ") for name, value in row.items()} for row in GIVEN]
    found = rows(tmp_path, write(tmp_path, kind, given), **JOINED)
    assert {row.id: row.text for row in found} == {
        "whole": "A title\na body of lines\nnotes",
        "no title": "the body alone",
        "title only": "the title alone",
        "nothing": "",
    }
    assert [row.reason for row in found] == [*[None] * 3, "no text in columns 'title', 'body', 'notes'"]


def test_of_datasets_too(tmp_path: Path) -> None:
    import lance

    lance.write_dataset(pa.Table.from_pylist(GIVEN), str(tmp_path / "t.lance"))
    dataset = open_dataset(str(tmp_path / "t.lance"), "lance", shown="t")
    found = list(Tables(columns=Columns(**JOINED), limits=Limits(), dataset=dataset).rows(""))
    assert found[0].text == "A title\na body\nof lines\nnotes"


@pytest.mark.parametrize(
    ("row", "text", "reason"),
    [
        ({"title": "t", "body": ["a", "list"]}, "", "not text in column 'body'"),
        ({"title": 7, "body": True}, "7\ntrue", None),
        ({"title": None, "body": "b"}, "b", None),
        ({"body": "b"}, "b", None),
        ({"title": "t" * 60, "body": "b" * 60}, "", "too many characters"),
        ({"title": {"a": 1}, "body": "b"}, "", "not text in column 'title'"),
    ],
)
def test_a_column_that_is_no_text_quarantines_its_row_alone(
    tmp_path: Path, row: dict[str, Any], text: str, reason: str | None
) -> None:
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(each) for each in [{"title": "x", "body": "y"}, row]))
    first, found = rows(tmp_path, "t.jsonl", text="title", joined=("body",), limits=Limits(max_characters=100))
    assert first.text == "x\ny"
    assert found.text == text
    assert found.reason == reason


def test_a_joined_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    from embed_assets.errors import MediaError

    (tmp_path / "t.csv").write_text("title,text\na,b\n")
    with pytest.raises(MediaError, match="no column 'body'; it has title, text"):
        rows(tmp_path, "t.csv", text="title", joined=("body",))


def test_rows_that_differ_in_a_joined_column_alone_are_two_items(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("title,body\nsame,one\nsame,two\n")
    first, second = rows(tmp_path, "t.csv", text="title", joined=("body",))
    assert first.id != second.id and first.content_hash != second.content_hash


@pytest.mark.slow
def test_an_edited_title_is_embedded_again_and_nothing_else(tmp_path: Path, words: list[str]) -> None:
    source = {"uri": str(tmp_path / "notes"), "table": {"text": ["title", "body"], "id": "doc"}}
    (tmp_path / "notes").mkdir()
    table = tmp_path / "notes" / "t.csv"
    table.write_text("doc,title,body\n1,Amber,a stone\n2,Birch,a tree\n")
    run_all(pipeline(tmp_path, sources={"notes": source}))
    assert sorted(words) == ["Amber\na stone", "Birch\na tree"]
    words.clear()
    table.write_text("doc,title,body\n1,Ambers,a stone\n2,Birch,a tree\n")
    run_all(pipeline(tmp_path, sources={"notes": source}))
    assert words == ["Ambers\na stone"]


@pytest.mark.parametrize("text", [["title", "title"], ["title", ""]])
def test_a_column_is_named_once(text: list[str]) -> None:
    values = {"store": "s", "encoders": {"a": {"model": "m"}}, "sources": {"n": {"uri": "n", "table": {"text": text}}}}
    with pytest.raises(SettingsError, match=r"sources\.n\.table: text names a column twice"):
        make_settings(values)


def test_one_column_in_a_list_is_that_column(tmp_path: Path) -> None:
    source = {"uri": str(tmp_path), "table": {"text": ["body"]}}
    from embed_assets.manifest.open_sources import columns_of

    settings = make_settings({"store": "s", "encoders": {"a": {"model": "m"}}, "sources": {"n": source}})
    assert columns_of(settings.sources["n"]) == Columns(text="body")
