"""Text tables: rows of real files as media items, with ids that stay and reasons that name the column."""

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import MediaError
from embed_assets.media.files.source import open_source
from embed_assets.media.hashing import text_hash
from embed_assets.media.limits import Limits
from embed_assets.media.tables.row_cache import RowCache
from embed_assets.media.tables.rows_as_items import Columns, TableRow, Tables
from tests.s3_server import S3Server

KINDS = ("jsonl", "csv", "tsv", "parquet")


def write(folder: Path, kind: str, rows: Sequence[dict[str, Any]]) -> str:
    """A table of these rows, as other tools write it; the key."""
    import csv

    file = folder / f"t.{kind}"
    if kind == "jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    else:
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return file.name


def tables(folder: Path | str, limits: Limits | None = None, **columns: Any) -> Tables:
    names: dict[str, Any] = {"text": "body"} | columns
    chosen = Columns(**names)
    return Tables(source=open_source(str(folder)), columns=chosen, limits=limits or Limits())


def rows(folder: Path, key: str, **given: Any) -> list[TableRow]:
    return list(tables(folder, **given).rows(key))


def reasons(found: Sequence[TableRow]) -> dict[str, str]:
    return {row.id: row.reason for row in found if row.reason is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    given = [
        {"doc": "a1", "body": 'first, with "quotes"\nand a line', "topic": "cats", "head": "One", "year": "1999"},
        {"doc": "a2", "body": "zweiter Text, größer 🙂", "topic": "dogs", "head": "Two", "year": "2000"},
    ]
    key = write(tmp_path, kind, given)
    found = rows(tmp_path, key, id="doc", labels=("topic",), caption="head", extra=("year",))
    assert [(row.id, row.text) for row in found] == [("a1", given[0]["body"]), ("a2", given[1]["body"])]
    assert [row.content_hash for row in found] == [text_hash(row["body"]) for row in given]
    first = found[0].annotation
    assert first.caption == "One"
    assert first.labels == ("cats",)
    assert first.extra == {"year": "1999"}


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_id_column_a_row_put_in_between_changes_no_other_id(tmp_path: Path, kind: str) -> None:
    given = [{"body": f"text {number}"} for number in range(5)]
    before = [row.id for row in rows(tmp_path, write(tmp_path, kind, given))]
    after = [row.id for row in rows(tmp_path, write(tmp_path, kind, [*given[:2], {"body": "new"}, *given[2:]]))]
    assert [*after[:2], *after[3:]] == before
    assert len(set(after)) == 6


def test_equal_texts_get_distinct_ids_that_stay(tmp_path: Path) -> None:
    given = [{"body": "same"}, {"body": "other"}, {"body": "same"}, {"body": "same"}]
    first = [row.id for row in rows(tmp_path, write(tmp_path, "jsonl", given))]
    assert first == [row.id for row in rows(tmp_path, write(tmp_path, "jsonl", given))]
    assert len(set(first)) == 4
    assert [row.id for row in rows(tmp_path, write(tmp_path, "jsonl", [{"body": "zero"}, *given]))][1:] == first


def test_an_id_that_is_used_twice_is_made_distinct_and_none_is_lost(tmp_path: Path) -> None:
    given = [{"doc": 7, "body": "a"}, {"doc": 7, "body": "b"}, {"doc": None, "body": "c"}, {"doc": 7, "body": "b"}]
    found = [row.id for row in rows(tmp_path, write(tmp_path, "parquet", given), id="doc")]
    assert found[0] == "7"
    assert found[1] == f"7~{text_hash('b')[:8]}"
    assert found[2] == text_hash("c")[:16]
    assert len(set(found)) == 4


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_row_without_a_text_has_a_reason_that_names_the_column(tmp_path: Path, kind: str) -> None:
    given = [
        {"doc": "null", "body": None},
        {"doc": "blank", "body": " \n"},
        {"doc": "long", "body": "x" * 101},
        {"doc": "good", "body": "fine"},
    ]
    found = rows(tmp_path, write(tmp_path, kind, given), id="doc", limits=Limits(max_characters=100))
    assert reasons(found) == {
        "null": "no text in column 'body'",
        "blank": "empty text in column 'body'",
        "long": "too many characters in column 'body'",
    }


def test_numbers_and_dates_are_texts_and_lists_are_not(tmp_path: Path) -> None:
    values = [12, 1.5, True, [1, 2], {"a": 1}, float("nan"), "half \ud83d pair, NUL \0"]
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps({"body": value}) + "\n" for value in values))
    found = rows(tmp_path, "t.jsonl")
    assert [row.text for row in found if row.reason is None] == ["12", "1.5", "true", "half ? pair, NUL "]
    assert sorted(reasons(found).items()) == [
        ("row-4", "not text in column 'body'"),
        ("row-5", "not text in column 'body'"),
        ("row-6", "no text in column 'body'"),
    ]


def test_parquet_columns_of_other_types_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "body": pa.array([b"bytes of a text", b"\xff\xfe", None], pa.binary()),
            "doc": pa.array([1, 2, None], pa.int32()),
            "tags": pa.array([["a", "b"], [], None], pa.list_(pa.string())),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = rows(tmp_path, "t.parquet", id="doc", labels=("tags", "kind"))
    assert found[0].id == "1"
    assert found[0].text == "bytes of a text"
    assert found[0].annotation.labels == ("a", "b", "x")
    assert reasons(found) == {"2": "not text in column 'body'", "row-3": "no text in column 'body'"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_column_names_those_that_there_are(tmp_path: Path, kind: str) -> None:
    key = write(tmp_path, kind, [{"doc": "1", "content": "x"}])
    with pytest.raises(MediaError, match=r"no column 'body'; it has doc, content"):
        rows(tmp_path, key)
    with pytest.raises(MediaError, match=r"no column 'name'; it has doc, content"):
        rows(tmp_path, key, text="content", id="name")


def test_a_broken_line_is_one_item_with_its_number_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [b'{"body": "one"}', b'{"body": "two"', b"", b"[1]", b'{"body": "caf\xe9"}', '{"body": "größer"}'.encode()]
    (tmp_path / "t.jsonl").write_bytes(b"\n".join([*lines, *[b'{"body": "\xc3\xa4"}'] * 3]))
    found = rows(tmp_path, "t.jsonl")
    assert reasons(found) == {"line-2": "not JSON", "line-4": "not a JSON object", "line-5": "not UTF-8"}
    assert [row.text for row in found if row.reason is None] == ["one", "größer", "ä", "ä", "ä"]


def test_a_broken_csv_row_is_one_item_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    text = 'doc,body\n1,"two\nlines"\n2\n3,"damaged"quote\n4,a,b\n\n5,good\n'
    (tmp_path / "t.csv").write_text(text)
    found = rows(tmp_path, "t.csv", id="doc")
    assert reasons(found) == {
        "line-4": "not as many fields as the header has",
        "line-5": "not CSV",
        "line-6": "not as many fields as the header has",
    }
    assert [(row.id, row.text) for row in found if row.reason is None] == [("1", "two\nlines"), ("5", "good")]


def test_a_quote_that_is_never_closed_ends_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('body\ngood\n"open\nnever closed\n')
    found = rows(tmp_path, "t.csv")
    assert [row.text for row in found if row.reason is None] == ["good"]
    assert list(reasons(found).values()) == ["not CSV"]


def test_a_field_longer_than_the_csv_modules_own_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"body\n{'x' * 300_000}\n")
    assert len(rows(tmp_path, "t.csv")[0].text) == 300_000


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_the_header_hold_the_columns(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "t.csv").write_text(delimiter.join(["doc", "body"]) + "\n" + delimiter.join(["1", "text"]) + "\n")
    (found,) = rows(tmp_path, "t.csv", id="doc")
    assert found.id == "1"
    assert found.text == "text"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_is_detected_as_of_a_text(tmp_path: Path, codec: str) -> None:
    text = "Die Größe des Käfigs ist für Vögel nicht ausreichend und sagte die Prüferin später."
    (tmp_path / "t.csv").write_bytes(f"doc,body\r\n1,{text}\r\n".encode(codec))
    (tmp_path / "t.jsonl").write_bytes((json.dumps({"body": text}, ensure_ascii=False) + "\n").encode(codec))
    assert [row.text for row in rows(tmp_path, "t.csv")] == [text]
    assert [row.text for row in rows(tmp_path, "t.jsonl")] == [text]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.parquet", b"PAR1" + b"\x00" * 50, "broken parquet"),
        ("t.parquet", b"", "broken parquet"),
        ("t.csv", b"\xff\xfe\x00", "no column"),
        ("t.csv", bytes(range(256)) * 8, "no column"),
    ],
)
def test_a_broken_file_is_a_media_error(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaError) as caught:
        rows(tmp_path, name)
    assert caught.value.reason.startswith((reason, "unknown encoding"))


def test_a_truncated_or_damaged_parquet_file_is_a_media_error(tmp_path: Path) -> None:
    draw = random.Random(0)
    given = [{"body": "".join(draw.choices(string.printable, k=200))} for _ in range(500)]
    data = (tmp_path / write(tmp_path, "parquet", given)).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    damaged = bytearray(data)
    damaged[100:4000] = bytes(3900)
    (tmp_path / "damaged.parquet").write_bytes(damaged)
    for name in ("cut.parquet", "damaged.parquet"):
        with pytest.raises(MediaError, match="broken parquet"):
            rows(tmp_path, name)


def test_a_table_that_is_not_there_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="vanished"):
        rows(tmp_path, "t.csv")


def test_a_text_that_is_gone_and_a_table_that_is_broken_are_media_errors(tmp_path: Path) -> None:
    key = write(tmp_path, "csv", [{"body": "x"}])
    (tmp_path / "b.parquet").write_bytes(b"no")
    spool = RowCache(tables(tmp_path))
    with pytest.raises(MediaError, match="vanished"):
        spool.text(key, text_hash("y"))
    for _ in range(2):
        with pytest.raises(MediaError, match="broken parquet"):
            spool.text("b.parquet", text_hash("y"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_in_a_bucket_is_streamed(s3: S3Server, bucket: str, tmp_path: Path, kind: str) -> None:
    given = [{"body": f"text {number}", "doc": str(number)} for number in range(2000)]
    key = write(tmp_path, kind, given)
    s3.client().put_object(Bucket=bucket, Key=f"in/{key}", Body=(tmp_path / key).read_bytes())
    source = open_source(f"s3://{bucket}/in", s3.storage_options)
    found = list(Tables(source=source, columns=Columns(text="body", id="doc"), limits=Limits()).rows(key))
    assert [(row.id, row.text) for row in found] == [(row["doc"], row["body"]) for row in given]
    with pytest.raises(MediaError, match="vanished"):
        list(Tables(source=source, columns=Columns(text="body"), limits=Limits()).rows("gone.parquet"))
