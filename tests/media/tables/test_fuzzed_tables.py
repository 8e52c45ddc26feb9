"""Tables and sidecars of made-up bytes: every row is accounted for, and nothing is raised but what is documented."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.source import open_source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.row_cache import RowCache
from embed_assets.media.tables.rows_as_items import Columns, TableRow, Tables
from embed_assets.media.tables.sidecar import load_sidecar
from embed_assets.store.manifest import annotated
from tests.fuzzing import fuzzed

COLUMNS = Columns(text="text", id="id", caption="head", labels=("topic", "text"), extra=("meta",))
PIECES = [
    *",;\t|\n\r\"'\\ []{}:\0", "\r\n", '""', "id", "text", "head", "topic", "meta", "word", "1", "null", "NaN", "1e999",
    '{"text": "a"}\n', '{"id": [1], "text": "b", "meta": {"a": [null]}}\n', '{"text": "c", "topic": "[1, [2]]"}\n',
    '"\\ud83d"', "\ud7ff", "é", "🙂", "\ufeff", "\u2028", "[" * 70, '{"a":' * 70, "9" * 5000,
]  # fmt: skip
HEADERS = [b"", b"id,text,head,topic,meta\n", b"id\ttext\thead\ttopic\tmeta\r\n", b"text\n", b"\xef\xbb\xbftext;id\n"]
mixed = st.lists(st.one_of(st.sampled_from(PIECES).map(str.encode), st.binary(max_size=5)), max_size=60).map(b"".join)
contents = st.tuples(st.sampled_from(HEADERS), mixed).map(b"".join) | st.binary(max_size=200)
limits = st.sampled_from([Limits(), Limits(max_characters=20)])
words = st.text(st.characters(exclude_characters="\n\r\t\0", exclude_categories=["Cs"]), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def rows(data: bytes, kind: str, bounds: Limits, columns: Columns = COLUMNS) -> list[TableRow]:
    """The rows of a table of these bytes; none where the file is quarantined."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"t.{kind}").write_bytes(data)
        tables = Tables(source=open_source(folder), columns=columns, limits=bounds)
        try:
            found = list(tables.rows(f"t.{kind}"))
        except MediaError:
            return []
        check(found)
        spool = RowCache(tables)
        for row in found:
            if row.reason is None and row.content_hash is not None:
                assert spool.text(f"t.{kind}", row.content_hash) == row.text
        return found


def check(found: list[TableRow]) -> None:
    """Rows that can be kept as items: a name of its own, a text or a reason, and annotations that a store takes."""
    assert len({row.id for row in found}) == len(found)
    for row in found:
        assert (row.reason is None) == bool(row.text.strip())
        assert all(part and "\0" not in part and part.encode() for part in (row.id, *row.annotation.labels))
        json.dumps(annotated(row.annotation), allow_nan=False).encode()
        row.text.encode()


@fuzzed()
@given(data=contents, kind=st.sampled_from(["csv", "tsv", "jsonl", "ndjson"]), bounds=limits)
def test_rows_of_any_bytes_are_read_or_quarantined(data: bytes, kind: str, bounds: Limits) -> None:
    rows(data, kind, bounds)


@fuzzed()
@given(lines=st.lists(st.tuples(words.filter(str.strip), words.filter(str.strip)), min_size=1, max_size=8))
def test_no_quote_in_a_tsv_costs_a_neighbour(lines: list[tuple[str, str]]) -> None:
    data = "id\ttext\n" + "".join(f"{id}\t{text}\n" for id, text in lines)
    found = rows(data.encode(), "tsv", Limits(), Columns(text="text", id="id"))
    assert len(found) == len(lines)


@fuzzed()
@given(values=st.lists(st.tuples(plain, plain, plain), min_size=1, max_size=5), broken=mixed)
@pytest.mark.slow
def test_a_broken_json_line_costs_no_neighbour(values: list[tuple[Any, Any, Any]], broken: bytes) -> None:
    line = broken.replace(b"\n", b"") + b"\n"
    good = [json.dumps({"text": "word", "id": id, "topic": topic, "meta": meta}) for id, topic, meta in values]
    data = line.join(f"{each}\n".encode() for each in good)
    found = rows(data, "jsonl", Limits())
    if found and b"\0" not in data:  # what has NULs in it may be read as UTF-16
        assert sum(row.reason is None for row in found) >= len(good)


@fuzzed()
@given(data=contents | mixed.map(lambda data: b"file,caption,labels\n" + data), kind=st.sampled_from(["csv", "jsonl"]))
def test_a_sidecar_of_any_bytes_is_read_or_a_source_error_that_names_it(data: bytes, kind: str) -> None:
    sidecar(data, kind)


@fuzzed()
@given(lines=st.lists(st.dictionaries(st.sampled_from(["file", "caption", "label", "labels", "x"]), plain), max_size=4))
@pytest.mark.slow
def test_a_sidecar_of_any_values_is_read_or_a_source_error_that_names_it(lines: list[dict[str, Any]]) -> None:
    sidecar("".join(json.dumps(line) + "\n" for line in lines).encode(), "jsonl")


@fuzzed(40)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_a_damaged_parquet_file_is_read_or_quarantined(seed: int, count: int) -> None:
    draw = random.Random(seed)
    data = bytearray(_PARQUET)
    for _ in range(count):
        data[draw.randrange(len(data))] = draw.randrange(256)
    rows(bytes(data), "parquet", Limits())
    sidecar(bytes(data), "parquet")


def sidecar(data: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"s.{kind}"
        file.write_bytes(data)
        try:
            found = load_sidecar(str(file))
        except SourceError as error:
            assert str(file) in str(error)
            return
    for each in found.values():
        json.dumps(annotated(each), allow_nan=False).encode()
        for text in (each.caption or "", *each.labels):
            assert "\0" not in text
            text.encode()


def _parquet() -> bytes:
    out = pa.BufferOutputStream()
    columns = {"file": ["a", "b", "c"], "id": ["1", "2", "3"], "text": ["x", "y", "z"], "head": ["h", None, "i"]}
    more = {"topic": [["a"], [], None], "meta": pa.array([1, 2, 3], pa.timestamp("ns"))}
    pq.write_table(pa.table({**columns, **more}), out)
    return out.getvalue().to_pybytes()


_PARQUET = _parquet()
