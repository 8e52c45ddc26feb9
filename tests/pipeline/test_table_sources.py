"""Tables as sources, through the pipeline: Lance, Delta and Parquet; texts, bytes and URIs in a column."""

import json
import shutil
import string
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import SettingsError, SourceError
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.pipeline.quarantined_items import quarantined
from embed_assets.pipeline.steps import Steps
from tests.installing import install
from tests.s3_server import S3Server
from tests.support import (
    note,
    picture,
    pipeline,
    refresh_and_embed,
    rewrite,
    rows_by_key,
    run_all,
    table_versions,
    touch,
)

Rows = list[dict[str, Any]]
TEXT = {"text": "body", "id": "doc"}


def docs(count: int, **changed: str) -> Rows:
    """Rows d0, d1, … with a note each; `changed` are texts by id."""
    return [{"doc": f"d{number}", "body": changed.get(f"d{number}", note(number))} for number in range(count)]


def write_lance(folder: Path, rows: Rows) -> Path:
    import lance

    path = folder / "docs.lance"
    lance.write_dataset(pa.Table.from_pylist(rows), path, mode="overwrite" if path.exists() else "create")
    return path


def write_parquet(folder: Path, rows: Rows, *, parts: int = 2) -> Path:
    """The folder's files are others than before."""
    path = folder / "docs"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for part in range(parts):
        pq.write_table(pa.Table.from_pylist(rows[part::parts]), path / f"part-{part}-of-{parts}.parquet")
    (path / "_SUCCESS").write_text("")
    return path


def write_delta(folder: Path, rows: Rows) -> Path:
    deltalake = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    deltalake.write_deltalake(str(folder / "docs"), pa.Table.from_pylist(rows), mode="overwrite")
    return folder / "docs"


WRITERS = {"lance": write_lance, "parquet": write_parquet, "delta": write_delta}


def source(tmp_path: Path, uri: Path | str, table: dict[str, Any], **settings: Any) -> Steps:
    return pipeline(tmp_path, sources={"docs": {"uri": str(uri), "table": table, **settings}})


def rows(steps: Steps) -> dict[str, dict[str, Any]]:
    """Manifest rows by the part of their key behind the table's name."""
    found = (row for row in steps.manifest.rows("docs") if row["status"] != "deleted")
    return {row["key"].partition("#")[2]: dict(row) for row in found}


def found(report: RefreshReport) -> dict[str, int]:
    names = ("new", "edited", "renamed", "relabelled", "deleted", "restored")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def texts(steps: Steps) -> dict[str, str]:
    return {key.partition("#")[2]: row["text"] for key, row in rows_by_key(steps).items()}


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_of_a_table_are_items_and_an_edited_one_is_encoded_alone(tmp_path: Path, words: list, kind: str) -> None:
    write: Callable[[Path, Rows], Path] = WRITERS[kind]
    path = write(tmp_path, docs(12))
    steps = source(tmp_path, path, TEXT | {"format": kind})
    assert refresh_and_embed(steps).total("embedded") == 12
    row = rows(steps)["d3"]
    assert row["key"] == f"{path.name}#d3"
    assert row["uri"] == f"{path}#d3"
    assert row["mime"] == "text/plain"
    assert row["table_kind"] == kind
    assert row["modality"] == "text"
    assert row["size"] == len(note(3))
    words.clear()
    write(tmp_path, [{"doc": "first", "body": "put in front"}, *docs(11, d2="another text")])
    assert steps.listing_differs("docs")
    assert found(steps.refresh("docs")) == {"new": 1, "edited": 1, "deleted": 1}
    steps.embed(steps.resolve("words").record)
    assert sorted(words) == ["another text", "put in front"]
    assert texts(steps) == {f"d{n}": note(n) for n in range(11)} | {"d2": "another text", "first": "put in front"}


@pytest.mark.parametrize("kind", WRITERS)
def test_an_unchanged_table_is_not_read_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path, docs(5))
    steps = source(tmp_path, path, TEXT | {"format": kind})
    first = steps.refresh("docs")
    before = table_versions(steps.store)
    second = steps.refresh("docs")
    assert second.files_read == 0
    assert second.changed == 0
    assert second.data_version == first.data_version
    assert not steps.listing_differs("docs")
    assert table_versions(steps.store) == before


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_rows_in_other_files_are_read_once_and_encoded_never(tmp_path: Path, words: list, kind: str) -> None:
    path = WRITERS[kind](tmp_path, docs(9))
    steps = source(tmp_path, path, {"text": "body", "format": kind})
    refresh_and_embed(steps)
    words.clear()
    if kind == "parquet":
        write_parquet(tmp_path, docs(9)[::-1], parts=4)
    else:
        WRITERS[kind](tmp_path, docs(9)[::-1])
    report = steps.refresh("docs")
    assert report.files_read == 1
    assert report.changed == 0
    assert steps.refresh("docs").files_read == 0
    steps.embed(steps.resolve("words").record)
    assert words == []


def test_an_index_on_a_lance_dataset_is_no_change_of_its_rows(tmp_path: Path) -> None:
    import lance

    path = write_lance(tmp_path, docs(5))
    steps = source(tmp_path, path, TEXT)  # the format is shown by the name
    steps.refresh("docs")
    lance.dataset(path).create_scalar_index("doc", "BTREE")
    assert not steps.listing_differs("docs")
    lance.dataset(path).delete("doc = 'd1'")
    assert found(steps.refresh("docs")) == {"deleted": 1}


def test_a_delta_table_with_folders_of_a_column(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    given = [{**row, "topic": "ab"[n % 2]} for n, row in enumerate(docs(6))]
    deltalake.write_deltalake(str(tmp_path / "docs"), pa.Table.from_pylist(given), partition_by=["topic"])
    steps = source(tmp_path, tmp_path / "docs", TEXT | {"format": "delta", "labels": ["topic"]})
    steps.refresh("docs")
    assert rows(steps)["d1"]["labels"] == ["b"]
    deltalake.DeltaTable(str(tmp_path / "docs")).delete("doc = 'd1'")
    assert found(steps.refresh("docs")) == {"deleted": 1}


def test_rows_that_a_deletion_vector_marks_are_gone(tmp_path: Path) -> None:
    path = write_delta(tmp_path, docs(5))
    steps = source(tmp_path, path, TEXT | {"format": "delta"})
    steps.refresh("docs")
    delete_by_vector(path, [1, 3])
    assert found(steps.refresh("docs")) == {"deleted": 2}
    assert set(rows(steps)) == {"d0", "d2", "d4"}


def delete_by_vector(table: Path, places: list[int]) -> None:
    """As other writers delete rows of a Delta table's one file: a roaring bitmap in the log, in Z85."""
    digits = string.digits + string.ascii_letters + ".-:+=^!/*?&<>()[]{}@%$#"
    log = table / "_delta_log"
    add = next(entry["add"] for entry in map(json.loads, (log / f"{0:020}.json").open()) if "add" in entry)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(places) - 1, 16) + struct.pack(f"<{len(places)}H", *places)
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    words = struct.unpack(f">{len(data) // 4}I", data)
    coded = "".join(digits[word // 85**power % 85] for word in words for power in range(4, -1, -1))
    vector = {"storageType": "i", "pathOrInlineDv": coded, "sizeInBytes": len(data), "cardinality": len(places)}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    entries = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": {**add, "deletionVector": vector}},
    ]
    (log / f"{1:020}.json").write_text("\n".join(map(json.dumps, entries)))


def test_folders_of_a_parquet_table_may_name_a_column(tmp_path: Path) -> None:
    for topic in "ab":
        (tmp_path / "docs" / f"topic={topic}").mkdir(parents=True)
        given = pa.Table.from_pylist([{"doc": topic, "body": f"text {topic}"}])
        pq.write_table(given, tmp_path / "docs" / f"topic={topic}" / "0.parquet")
    steps = source(tmp_path, tmp_path / "docs", TEXT | {"format": "parquet", "labels": ["topic"]})
    steps.refresh("docs")
    assert {key: row["labels"] for key, row in rows(steps).items()} == {"a": ["a"], "b": ["b"]}


def test_columns_become_labels_caption_and_extra(tmp_path: Path) -> None:
    given = [{**row, "topic": ["a", "b"], "title": f"T{row['doc']}", "year": 2020} for row in docs(2)]
    table = TEXT | {"labels": ["topic"], "caption": "title", "extra": ["year"]}
    steps = source(tmp_path, write_lance(tmp_path, given), table)
    steps.refresh("docs")
    row = rows(steps)["d1"]
    assert row["labels"] == ["a", "b"]
    assert row["caption"] == "Td1"
    assert json.loads(row["extra"]) == {"year": 2020}
    given[1]["topic"] = ["c"]
    write_lance(tmp_path, given)
    assert found(steps.refresh("docs")) == {"relabelled": 1}


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_whose_updated_is_as_it_was_are_not_read_again(tmp_path: Path, words: list, kind: str) -> None:
    def at(day: int, given: Rows) -> Rows:
        return [{"day": 1, **row} if row["doc"] != "d2" else {"day": day, **row} for row in given]

    path = WRITERS[kind](tmp_path, at(1, docs(4)))
    steps = source(tmp_path, path, TEXT | {"format": kind, "updated": "day"})
    refresh_and_embed(steps)
    words.clear()
    WRITERS[kind](tmp_path, at(2, docs(4, d1="unseen, for its day is as it was", d2="seen")))
    assert found(steps.refresh("docs")) == {"edited": 1}
    steps.embed(steps.resolve("words").record)
    assert words == ["seen"]
    WRITERS[kind](tmp_path, at(3, docs(3, d2="seen")))  # a new day, the same text, and d3 is gone
    assert found(steps.refresh("docs")) == {"deleted": 1}
    assert rows(steps)["d1"]["etag"] == "1"
    assert rows(steps)["d2"]["etag"] == "3"
    assert rows(steps)["d1"]["row_stamp"] == rows(steps)["d2"]["row_stamp"] is not None
    steps = source(tmp_path, path, TEXT | {"format": kind, "updated": "day", "text": "doc"})
    assert found(steps.refresh("docs")) == {"edited": 3}  # other settings: all rows are read


def pictures(count: int, **changed: bytes) -> Rows:
    return [{"doc": f"d{n}", "png": changed.get(f"d{n}", picture(n))} for n in range(count)]


IMAGES: dict[str, Any] = {"encoders": {"words": {"model": "words", "media": ["image"]}}}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.slow
def test_bytes_in_a_column_are_media(tmp_path: Path, words: list, kind: str) -> None:
    path = WRITERS[kind](tmp_path, [*pictures(6), {"doc": "none", "png": None}, {"doc": "odd", "png": b"\0\1\2\3" * 9}])
    table = {"bytes": "png", "id": "doc", "format": kind}
    steps = pipeline(tmp_path, sources={"docs": {"uri": str(path), "table": table}}, **IMAGES)
    assert steps.refresh("docs").quarantined == {
        "no bytes in column 'png'": 1,
        unsupported("application/octet-stream"): 1,
    }
    run_all(steps)
    row = rows(steps)["d2"]
    assert row["mime"] == "image/png"
    assert row["table_kind"] == kind
    assert row["modality"] == "image"
    assert row["size"] == len(picture(2))
    assert len(rows_by_key(steps)) == 6
    words.clear()
    WRITERS[kind](tmp_path, pictures(6, d4=picture(99)))
    assert found(steps.refresh("docs")) == {"edited": 1, "deleted": 2}
    assert steps.embed(steps.resolve("words").record).total("embedded") == 1
    assert words == ["picture"]


def test_bytes_may_be_texts_in_their_own_encoding_and_documents(tmp_path: Path, words: list) -> None:
    page = b"<!doctype html><html><body><p>amber anchor</p></body></html>"
    given = [{"doc": "u", "raw": "größer birch".encode("utf-16")}, {"doc": "h", "raw": page}]
    steps = source(tmp_path, write_lance(tmp_path, given), {"bytes": "raw", "id": "doc"})
    refresh_and_embed(steps)
    assert texts(steps) == {"u": "größer birch", "h": "amber anchor"}


def test_bytes_in_a_structure_as_hugging_face_keeps_them(tmp_path: Path) -> None:
    given = [{"doc": "a", "image": {"bytes": picture(1), "path": "a.png"}}]
    steps = source(tmp_path, write_lance(tmp_path, given), {"bytes": "image", "id": "doc"})
    steps.refresh("docs")
    assert rows(steps)["a"]["mime"] == "image/png"
    assert rows(steps)["a"]["table_kind"] == "lance"


def test_a_row_that_changes_between_refresh_and_embedding_is_quarantined(tmp_path: Path, words: list) -> None:
    path = write_lance(tmp_path, docs(4))
    steps = source(tmp_path, path, TEXT)
    steps.refresh("docs")
    write_lance(tmp_path, docs(4, d2="other words"))
    report = steps.embed(steps.resolve("words").record)
    assert report.total("embedded") == 3
    assert report.total("quarantined") == 1
    refresh_and_embed(steps)
    assert texts(steps)["d2"] == "other words"


def files(folder: Path, count: int) -> Rows:
    """Text files, and rows that name them: by relative and by absolute path and by URI."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.txt").write_text(note(number))
    absolute = [f"{folder}/0.txt", f"file://{folder}/1.txt"]
    places = [*absolute, *(f"{number}.txt" for number in range(2, count))]
    return [{"doc": f"d{number}", "path": place, "topic": "a"} for number, place in enumerate(places)]


def named_files(tmp_path: Path, given: Rows, **table: Any) -> Steps:
    """A table of files that lie below it."""
    pq.write_table(pa.Table.from_pylist(given), tmp_path / "media" / "index.parquet")
    chosen = {"format": "parquet", "uri": "path", "id": "doc", "labels": ["topic"], **table}
    return source(tmp_path, tmp_path / "media", chosen)


def test_files_that_a_column_names_are_items_and_an_edited_one_is_read_again(tmp_path: Path, words: list) -> None:
    given = files(tmp_path / "media", 4)
    steps = named_files(tmp_path, given)
    report = steps.refresh("docs")
    assert found(report) == {"new": 4}
    assert report.files_read == 4
    refresh_and_embed(steps)
    row = rows(steps)["d3"]
    assert row["uri"] == f"{tmp_path}/media/3.txt"
    assert row["labels"] == ["a"]
    assert row["mime"] == "text/plain"
    again = steps.refresh("docs")
    assert (again.changed, again.files_read) == (0, 0) and not steps.listing_differs("docs")
    words.clear()
    rewrite(tmp_path / "media" / "3.txt", "other words")
    assert steps.listing_differs("docs")
    report = steps.refresh("docs")
    assert found(report) == {"edited": 1}
    assert report.files_read == 1
    steps.embed(steps.resolve("words").record)
    assert words == ["other words"]
    assert texts(steps) == {f"d{n}": note(n) for n in range(3)} | {"d3": "other words"}


def test_a_row_that_names_another_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    given = files(tmp_path / "media", 3)
    for name, text in (("2.txt", "cedar"), ("x.txt", "birch")):
        (tmp_path / "media" / name).write_text(text)
        touch(tmp_path / "media" / name, seconds=1e9 - (tmp_path / "media" / name).stat().st_mtime)
    steps = named_files(tmp_path, given)
    steps.refresh("docs")
    given[2]["path"] = "x.txt"
    steps = named_files(tmp_path, given)
    assert found(steps.refresh("docs")) == {"edited": 1}
    assert rows(steps)["d2"]["uri"].endswith("/x.txt")


@pytest.mark.parametrize("updated", [None, "day"])
def test_a_file_that_is_not_there_is_quarantined_until_it_is(tmp_path: Path, updated: str | None) -> None:
    given = [{**row, "day": 1} for row in files(tmp_path / "media", 4)]
    given += [{"doc": "up", "path": "../up.txt", "day": 1}, {"doc": "null", "path": None, "day": 1}]
    (tmp_path / "media" / "2.txt").unlink()
    steps = named_files(tmp_path, given, updated=updated)
    aside = {"vanished": 1, "outside the source": 1, "no text in column 'path'": 1}
    assert steps.refresh("docs").quarantined == aside
    (tmp_path / "media" / "2.txt").write_text("back again")
    assert steps.listing_differs("docs")
    report = steps.refresh("docs")
    assert found(report) == {"edited": 1}
    assert "vanished" not in report.quarantined


def test_rows_outside_of_the_source_are_listed_with_what_they_name_and_the_way_out(tmp_path: Path) -> None:
    outside = [
        "../up.txt",
        "bogus://x/y.txt",
        "ftp://127.0.0.1:1/x.txt",
        "s3://other/x.txt",
        "https://far.example/x.txt",
    ]
    given = [*files(tmp_path / "media", 2), *({"doc": name, "path": name} for name in outside)]
    steps = named_files(tmp_path, given)
    steps.refresh("docs")
    shown = [each.detail for each in quarantined(steps) if each.reason == "outside the source"]
    assert sorted(shown) == sorted(f"it names {name}; table.allow lists what rows may name" for name in outside)


def test_a_file_is_not_requested_while_its_updated_is_as_it_was(tmp_path: Path) -> None:
    given = [{**row, "day": 1} for row in files(tmp_path / "media", 3)]
    steps = named_files(tmp_path, given, updated="day")
    assert found(steps.refresh("docs")) == {"new": 3}
    rewrite(tmp_path / "media" / "1.txt", "other words")
    assert not steps.listing_differs("docs")
    given[1]["day"] = 2
    steps = named_files(tmp_path, given, updated="day")
    report = steps.refresh("docs")
    assert found(report) == {"edited": 1}
    assert report.files_read == 1


def test_tables_and_the_files_that_they_name_in_a_bucket(tmp_path: Path, s3: S3Server, bucket: str) -> None:
    client = s3.client()
    given = [{"doc": f"d{n}", "path": [f"s3://{bucket}/far/{n}.txt", f"{n}.txt"][n % 2]} for n in range(4)]
    for number in range(4):
        folder = ["far", "docs"][number % 2]
        client.put_object(Bucket=bucket, Key=f"{folder}/{number}.txt", Body=note(number).encode())
    pq.write_table(pa.Table.from_pylist(given), tmp_path / "index.parquet")
    client.put_object(Bucket=bucket, Key="docs/index.parquet", Body=(tmp_path / "index.parquet").read_bytes())
    table = {"format": "parquet", "uri": "path", "id": "doc", "allow": [f"s3://{bucket}/far/"]}
    steps = source(tmp_path, f"s3://{bucket}/docs", table, storage_options=s3.storage_options)
    assert found(steps.refresh("docs")) == {"new": 4}
    assert steps.refresh("docs").files_read == 0
    client.put_object(Bucket=bucket, Key="far/2.txt", Body=b"edited there")
    assert found(steps.refresh("docs")) == {"edited": 1}


@pytest.mark.parametrize("kind", ["lance", "delta"])
def test_a_dataset_in_a_bucket(tmp_path: Path, words: list, s3: S3Server, bucket: str, kind: str) -> None:
    path = WRITERS[kind](tmp_path, docs(5))
    for file in filter(Path.is_file, path.rglob("*")):
        key = str(file.relative_to(tmp_path))
        s3.client().put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    uri = f"s3://{bucket}/{path.name}"
    steps = source(tmp_path, uri, TEXT | {"format": kind}, storage_options=s3.storage_options)
    assert refresh_and_embed(steps).total("embedded") == 5
    assert steps.refresh("docs").files_read == 0
    assert rows(steps)["d1"]["uri"] == f"{uri}#d1"


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_no_table_is_reported_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path, docs(12))
    steps = source(tmp_path, path, TEXT | {"format": kind})
    steps.refresh("docs")
    path.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match=r"docs"):
        steps.refresh("docs")
    (tmp_path / "moved").rename(path)
    other = source(tmp_path, path, {"text": "text", "format": kind})
    with pytest.raises(SourceError, match=rf"source 'docs' \({path}\): no column 'text'; it has doc, body. Fix"):
        other.refresh("docs")
    assert len(rows(steps)) == 12


def test_most_rows_gone_stops_before_anything_is_written(tmp_path: Path) -> None:
    import lance

    steps = source(tmp_path, write_lance(tmp_path, docs(20)), TEXT)
    steps.refresh("docs")
    write_lance(tmp_path, docs(4))
    with pytest.raises(SourceError, match=r"lists 4 of 20 known items: 80% would be deleted"):
        steps.refresh("docs")
    lance.dataset(tmp_path / "docs.lance").delete("true")
    with pytest.raises(SourceError, match=r"would be deleted"):
        steps.refresh("docs")
    assert len(rows(steps)) == 20


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, "docs: names no place; add uri"),
        ({"asset": "a b", "uri": "x"}, "docs.asset: String should match pattern"),
        ({"asset": "a"}, "the value of the asset is its table, and no column of it is named; add table.text"),
        ({"asset": "a", "table": {"text": "t", "format": "lance"}}, "the value of an asset has none; remove it"),
        ({"asset": "a", "table": {"text": "t"}, "sidecar": "s.csv"}, "sidecar is a path below the uri"),
        ({"uri": "x", "table": {"format": "lance"}}, "table.format is lance, but no column is named"),
        ({"uri": "x", "table": {"text": "t", "bytes": "b"}}, "text and bytes are both set; keep the one"),
        ({"uri": "x", "table": {"bytes": "b"}}, "table.bytes needs a table that is read by columns; add table.format"),
        ({"uri": "x", "table": {"uri": "b"}}, "table.uri needs a table that is read by columns"),
        ({"uri": "x", "table": {"text": "t", "id": "i", "updated": "u"}}, "table.updated needs a table that is read"),
        ({"uri": "x.lance", "table": {"text": "t", "updated": "u"}}, "updated needs id: without it"),
        (
            {"uri": "x", "table": {"text": "t", "allow": ["/y"]}},
            "allow is of the files that a uri column names; add uri",
        ),
        (
            {"uri": "x.lance", "table": {"uri": "u", "allow": ["nowhere"]}},
            "allow names 'nowhere'; write an absolute path",
        ),
        ({"uri": "x", "table": {"id": "i"}}, "names columns but not the one that is embedded; add text, bytes or uri"),
        ({"uri": "x", "table": {"text": "t", "format": "iceberg"}}, "table.format: Input should be 'files', 'lance'"),
    ],
)
def test_mistakes_in_the_settings_are_reported(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said.replace("(", r"\(")):
        pipeline(tmp_path, sources={"docs": source})


def test_a_folder_source_may_name_the_asset_that_writes_it(tmp_path: Path) -> None:
    steps = pipeline(tmp_path, sources={"docs": {"uri": "media", "asset": "warehouse/photos"}})
    assert steps.settings.sources["docs"].kind == "files"


@pytest.mark.slow
def test_a_row_of_bytes_that_a_decoder_dies_of_is_quarantined_alone(
    tmp_path: Path, words: list, monkeypatch: Any
) -> None:
    code = (
        "import os, signal\n"
        "from embed_assets.media.kinds.decoder import Decoder\n"
        "def detect(head):\n"
        "    return head == b'crash' and os.kill(os.getpid(), signal.SIGSEGV)\n"
        "facts = dict(name='odd', version='1', mime='text/x-odd', modality='text')\n"
        "odd = Decoder(**facts, detect=detect, decode=lambda data, limits: '')\n"
    )
    install(tmp_path / "site", "odd-plugin", code, {"embed_assets.decoders": {"odd": "odd_plugin:odd"}}, monkeypatch)
    path = write_lance(tmp_path, [*pictures(2), {"doc": "bad", "png": b"crash"}])
    table = {"bytes": "png", "id": "doc", "format": "lance"}
    steps = pipeline(tmp_path, sources={"docs": {"uri": str(path), "table": table}}, **IMAGES)
    assert steps.refresh("docs").quarantined == {"decoder crashed": 1}
    run_all(steps)
    assert len(rows_by_key(steps)) == 2


def test_a_part_of_a_parquet_folder_that_is_broken_costs_no_other_part_and_no_known_row(
    tmp_path: Path, words: list
) -> None:
    path = write_parquet(tmp_path, docs(12), parts=3)
    steps = source(tmp_path, path, TEXT | {"format": "parquet"})
    refresh_and_embed(steps)
    part = path / "part-1-of-3.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:-40])
    words.clear()
    assert found(steps.refresh("docs")) == {"new": 1}
    assert rows(steps)[part.name]["reason"] == "broken parquet"
    steps.embed(steps.resolve("words").record)
    assert words == []
    assert len(texts(steps)) == 12
    part.write_bytes(data)
    assert found(steps.refresh("docs")) == {"deleted": 1}
    assert len(rows(steps)) == 12


def test_a_first_part_that_is_broken_is_reported_beside_the_others(tmp_path: Path, words: list) -> None:
    path = write_parquet(tmp_path, docs(12), parts=3)
    (path / "part-0-of-3.parquet").write_bytes(b"PAR1 no")
    steps = source(tmp_path, path, TEXT | {"format": "parquet"})
    report = refresh_and_embed(steps)
    assert report.total("embedded") == 8
    assert rows(steps)["part-0-of-3.parquet"]["reason"] == "broken parquet"


def test_rows_of_a_part_that_is_read_by_updated_stay_where_another_is_broken(tmp_path: Path, words: list) -> None:
    given = [row | {"at": f"2020-01-0{number % 9 + 1}"} for number, row in enumerate(docs(9))]
    path = write_parquet(tmp_path, given, parts=3)
    steps = source(tmp_path, path, TEXT | {"format": "parquet", "updated": "at"})
    refresh_and_embed(steps)
    words.clear()
    (path / "part-0-of-3.parquet").write_bytes(b"PAR1 no")
    pq.write_table(pa.Table.from_pylist([{**given[1], "at": "2021-01-01", "body": "changed"}, given[4], given[7]]),
                   path / "part-1-of-3.parquet")  # fmt: skip
    assert found(steps.refresh("docs")) == {"new": 1, "edited": 1}
    steps.embed(steps.resolve("words").record)
    assert words == ["changed"]
    assert len(texts(steps)) == 9


def test_folders_names_are_columns_of_a_parquet_folder(tmp_path: Path) -> None:
    for year, lang in (("2020", "de"), ("2021", "__HIVE_DEFAULT_PARTITION__"), ("2022", "a%20b")):
        folder = tmp_path / "docs" / f"year={year}" / f"lang={lang}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"doc": [year], "body": [f"text of {year}"]}), folder / "x.parquet")
    table = TEXT | {"format": "parquet", "labels": ["lang"], "extra": ["year"]}
    steps = source(tmp_path, tmp_path / "docs", table)
    steps.refresh("docs")
    shown = {key: (list(row["labels"]), json.loads(row["extra"])["year"]) for key, row in rows(steps).items()}
    assert shown == {"2020": (["de"], 2020), "2021": ([], 2021), "2022": (["a b"], 2022)}


def test_a_broken_part_is_reported_and_no_other_row(tmp_path: Path, words: list) -> None:
    path = write_parquet(tmp_path, [row | {"at": row["doc"]} for row in docs(9)], parts=3)
    part = path / "part-0-of-3.parquet"
    data = bytearray(part.read_bytes())
    start = pq.ParquetFile(part).metadata.row_group(0).column(1).dictionary_page_offset
    data[start : start + 30] = b"\xff" * 30
    part.write_bytes(data)
    steps = source(tmp_path, path, TEXT | {"format": "parquet", "updated": "at"})
    refresh_and_embed(steps)
    assert {key: row["status"] for key, row in rows(steps).items()} == {
        part.name: "quarantined",
        **{f"d{number}": "ok" for number in (1, 4, 7, 2, 5, 8)},
    }
    assert texts(steps) == {f"d{number}": note(number) for number in (1, 4, 7, 2, 5, 8)}
