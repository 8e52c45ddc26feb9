"""Rows of tables that are ordinary but for one cell, quote or name: the others are read as they are."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import MediaError
from embed_assets.media.files.source import open_source
from embed_assets.media.hashing import text_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.tables.parquet_file import ParquetFile
from embed_assets.media.tables.parquet_worker import answer
from embed_assets.media.tables.row_cache import RowCache
from tests.media import tasks
from tests.media.tables.test_text_files import reasons, rows, tables


def tsv(folder: Path, *lines: str) -> list[tuple[str, str]]:
    (folder / "t.tsv").write_text("".join(f"{line}\n" for line in ("doc\tbody", *lines)))
    return [(row.id, row.text or row.reason or "") for row in rows(folder, "t.tsv", id="doc")]


def jsonl(folder: Path, *given: dict[str, Any]) -> str:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    return "t.jsonl"


def test_a_quote_in_a_tsv_swallows_no_line_that_is_a_row(tmp_path: Path) -> None:
    found = tsv(tmp_path, "1\tplain", '2\t"So it begins', "3\tdogs", '4\tand so it ends"', "5\tbirds")
    assert found == [("1", "plain"), ("2", '"So it begins'), ("3", "dogs"), ("4", 'and so it ends"'), ("5", "birds")]


def test_a_quote_in_a_tsv_that_is_never_closed_is_a_character(tmp_path: Path) -> None:
    found = tsv(tmp_path, '1\ttab "quoted" inside', '2\t"opens', "3\tthird")
    assert found == [("1", 'tab "quoted" inside'), ("2", '"opens'), ("3", "third")]
    assert tsv(tmp_path, "1\ta", '2\t"opens') == [("1", "a"), ("2", '"opens')]


def test_a_field_of_a_tsv_that_is_quoted_as_in_csv_is_unquoted(tmp_path: Path) -> None:
    found = tsv(tmp_path, '1\t"with ""quotes"" and\na second line"', '2\t"alone"', '3\t"damaged"quote')
    assert found == [("1", 'with "quotes" and\na second line'), ("2", "alone"), ("3", '"damaged"quote')]


def test_the_line_of_a_broken_row_is_right_behind_quotes_that_were_read_again(tmp_path: Path) -> None:
    found = tsv(tmp_path, '1\t"opens', "2\tb", "no tab", "4\td")
    assert found == [("1", '"opens'), ("2", "b"), ("line-4", "not as many fields as the header has"), ("4", "d")]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_two_columns_of_one_name_are_an_error(tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, ["body", "x", "body"]), tmp_path / "t.parquet")
    else:
        (tmp_path / f"t.{kind}").write_text("body,x,body\na,b,c\n".replace(",", "\t" if kind == "tsv" else ","))
    with pytest.raises(MediaError, match=r"several columns 'body'"):
        rows(tmp_path, f"t.{kind}")
    assert [row.text for row in rows(tmp_path, f"t.{kind}", text="x")] == ["a" if kind == "parquet" else "b"]


def test_a_header_that_is_no_header_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"body{'a' * 12_000_000}\n2\n")
    with pytest.raises(MediaError, match="header too long"):
        rows(tmp_path, "t.csv")


def test_a_message_on_columns_is_short_whatever_their_names_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{'a' * 500_000},b\n1,2\n")
    with pytest.raises(MediaError, match="no column 'body'") as caught:
        rows(tmp_path, "t.csv")
    assert len(str(caught.value)) < 200


def test_a_file_most_of_whose_lines_are_broken_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"body": "a"}\n' * 100 + "broken\n" * 10_001)
    with pytest.raises(MediaError, match="no table: 10,001 of 10,101 rows are broken, line 10101: not JSON"):
        rows(tmp_path, "t.jsonl")
    (tmp_path / "t.jsonl").write_text('{"body": "a"}\nbroken\n' * 10_001)
    assert len(rows(tmp_path, "t.jsonl")) == 20_002


@pytest.mark.slow
def test_equal_rows_by_the_hundred_thousand_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("body\n" + "same\n" * 100_001)
    assert len({row.id for row in rows(tmp_path, "t.csv")}) == 100_001


@pytest.mark.parametrize("role", ["labels", "extra", "caption", "id"])
def test_a_cell_nested_too_deep_costs_its_row(tmp_path: Path, role: str) -> None:
    deep: Any = 1
    for _ in range(700):
        deep = {"a": deep}
    key = jsonl(tmp_path, {"body": "one", "c": deep}, {"body": "two", "c": "x"})
    chosen: dict[str, Any] = {role: ("c",) if role in ("labels", "extra") else "c"}
    found = rows(tmp_path, key, **chosen)
    assert reasons(found) == {"row-1": "nested too deep in column 'c'"}
    assert found[1].text == "two"


def test_brackets_in_a_label_cost_their_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"body,topic\none,{'[' * 100_000}\ntwo,water\nthree,[draft] x\n")
    found = rows(tmp_path, "t.csv", labels=("topic",))
    assert reasons(found) == {"row-2": "nested too deep in column 'topic'"}
    assert [row.annotation.labels for row in found[1:]] == [("water",), ("[draft] x",)]


def test_a_cell_beside_the_text_is_not_longer_than_memory_has_for_all(tmp_path: Path) -> None:
    key = jsonl(tmp_path, {"body": "one", "c": "x" * 1_100_000}, {"body": "two", "c": ["y" * 600_000] * 2})
    for role in ("labels", "extra"):
        found = rows(tmp_path, key, **{role: ("c",)})
        assert set(reasons(found).values()) == {"too many characters in column 'c'"}
    found = rows(tmp_path, jsonl(tmp_path, {"body": "one", "c": "x" * 9000}), id="c")
    assert reasons(found) == {"row-1": "too many characters in column 'c'"}


def test_an_id_of_any_type_is_text(tmp_path: Path) -> None:
    key = jsonl(tmp_path, {"body": "one", "c": {"$oid": "5f"}}, {"body": "two", "c": [1, "é"]})
    assert [row.id for row in rows(tmp_path, key, id="c")] == ['{"$oid": "5f"}', '[1, "é"]']
    table = pa.table({"body": ["x", "y"], "c": [b"\xff\x00", b"plain"]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert [row.id for row in rows(tmp_path, "t.parquet", id="c")] == ["ff00", "plain"]


def test_a_text_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"body": broken}), tmp_path / "t.parquet")
    found = rows(tmp_path, "t.parquet")
    assert reasons(found) == {"row-1": "not UTF-8 in column 'body'"}
    assert found[1].text == "fine"


def test_a_large_content_that_many_rows_have_is_spooled_once(tmp_path: Path) -> None:
    key = jsonl(tmp_path, *({"body": "x" * 100_000, "n": n} for n in range(50)), {"body": "y"})
    spool = RowCache(tables(tmp_path))
    assert spool.text(key, text_hash("x" * 100_000)) == "x" * 100_000
    assert spool.text(key, text_hash("y")) == "y"
    contents = spool._files[key]
    assert not isinstance(contents, MediaError)
    assert contents._file.seek(0, 2) == 100_001


def test_rows_of_many_row_groups_are_read_in_order_and_from_any_place(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": [f"t{n}" for n in range(1000)]}), tmp_path / "t.parquet", row_group_size=7)
    file = ParquetFile(source=open_source(str(tmp_path)), key="t.parquet", limits=Limits())
    read = list(file.rows(["body"], caps={}, rows=10))
    assert read == [(n, {"body": f"t{n}"}) for n in range(1000)]
    only = [0, 3, 4, 500, 501, 999]
    assert list(file.rows(["body", "gone"], caps={}, rows=10, only=only)) == [(n, {"body": f"t{n}"}) for n in only]
    assert [place for place, _ in file.rows([], caps={}, rows=10)] == list(range(1000))


def test_a_file_of_several_answers_is_read_by_one_process(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": [f"t{n}" for n in range(5000)]}), tmp_path / "t.parquet")
    at, found = 0, 0
    with Decoders(megabytes=2048) as decoders:
        while at is not None:
            part = decoders.run(answer, b"", at=at, only=None, **_reading(tmp_path))
            at, found = part.next, found + len(part.places)
        assert found == 5000
        assert decoders.restarts == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the platform does not tell what is open")
@pytest.mark.parametrize(("only", "until"), [(None, None), ([0, 2], 3)])
def test_a_file_that_was_read_to_its_end_is_closed(tmp_path: Path, only: list[int] | None, until: int | None) -> None:
    pq.write_table(pa.table({"body": ["a", "b", "c"]}), tmp_path / "t.parquet")
    with Decoders() as decoders:
        at = 0
        while at is not None and at != until:
            at = decoders.run(answer, b"", at=at, only=only, until=until, **_reading(tmp_path)).next
        assert [name for name in decoders.run(tasks.opened, b"") if name.endswith(".parquet")] == []


def test_a_reading_that_is_left_keeps_no_file_open(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": [f"t{n}" for n in range(5000)]}), tmp_path / "t.parquet")
    rows = ParquetFile(source=open_source(str(tmp_path)), key="t.parquet", limits=Limits()).rows(
        ["body"], caps={}, rows=10
    )
    next(rows)
    del rows
    running = [link for link in Path("/proc").glob("[0-9]*/fd/*") if _leads_to(link, tmp_path / "t.parquet")]
    assert running == []


def _reading(folder: Path) -> dict[str, Any]:
    chosen: dict[str, Any] = {"columns": ["body"], "required": [], "caps": {}, "rows": 1024, "read": "one"}
    return {"source": open_source(str(folder)), "key": "t.parquet", **chosen}


def _leads_to(link: Path, file: Path) -> bool:
    try:
        return link.readlink() == file
    except OSError:
        return False
