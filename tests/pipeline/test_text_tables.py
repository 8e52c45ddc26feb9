"""Text tables through the pipeline: a row is an item; what changed in a table is found by content."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import SettingsError, SourceError
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.pipeline.steps import Steps
from tests.s3_server import S3Server
from tests.support import note, pipeline, refresh_and_embed, rows_by_key, touch, write_notes

TABLE = {"text": "body", "id": "doc"}


def jsonl(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Written at another time than before."""
    existed = file.stat().st_mtime if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if existed is not None:
        touch(file, seconds=existed - file.stat().st_mtime + 10)
    return file


def docs(count: int, **changed: str) -> list[dict[str, Any]]:
    """Rows d0, d1, … with a note each; `changed` are texts by id."""
    return [{"doc": f"d{number}", "body": changed.get(f"d{number}", note(number))} for number in range(count)]


def tables(tmp_path: Path, table: dict[str, Any] | None = None, **settings: Any) -> Steps:
    chosen = {"uri": str(tmp_path / "docs"), "table": TABLE if table is None else table, **settings}
    return pipeline(tmp_path, sources={"docs": chosen})


def rows(steps: Steps) -> dict[str, dict[str, Any]]:
    return {row["key"]: dict(row) for row in steps.manifest.rows("docs") if row["status"] != "deleted"}


def found(report: RefreshReport) -> dict[str, int]:
    names = ("new", "edited", "renamed", "relabelled", "deleted", "restored")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_every_row_is_an_item_beside_files_that_are_no_tables(tmp_path):
    write_notes(tmp_path / "docs", 1)
    jsonl(tmp_path / "docs" / "t.jsonl", docs(3))
    steps = tables(tmp_path)
    report = steps.refresh("docs")
    assert report.items == 4
    assert found(report) == {"new": 4}
    assert report.files_read == 2
    assert set(rows(steps)) == {"note-000.txt", "t.jsonl#d0", "t.jsonl#d1", "t.jsonl#d2"}
    row = rows(steps)["t.jsonl#d1"]
    assert row["status"] == "ok"
    assert row["modality"] == "text"
    assert row["size"] == len(note(1))
    assert row["uri"] == f"{tmp_path}/docs/t.jsonl#d1"


def test_without_the_setting_a_table_is_a_file(tmp_path):
    jsonl(tmp_path / "docs" / "t.jsonl", docs(3))
    steps = pipeline(tmp_path, sources={"docs": {"uri": str(tmp_path / "docs")}})
    steps.refresh("docs")
    assert set(rows(steps)) == {"t.jsonl"}


def test_an_unchanged_table_is_not_opened_and_nothing_is_written(tmp_path):
    file = jsonl(tmp_path / "docs" / "t.jsonl", docs(50))
    steps = tables(tmp_path)
    first = steps.refresh("docs")
    assert not steps.listing_differs("docs")
    version = steps.store.open("manifest").version
    file.chmod(0)
    seen = file.stat()
    file.write_bytes(b"\0" * seen.st_size)  # would be quarantined if it were read
    touch(file, seconds=seen.st_mtime - file.stat().st_mtime)
    report = steps.refresh("docs")
    assert report.changed == 0
    assert report.files_read == 0
    assert report.items == 50
    assert report.data_version == first.data_version
    assert steps.store.open("manifest").version == version


def test_a_touched_table_is_read_once_and_no_row_is_written(tmp_path):
    file = jsonl(tmp_path / "docs" / "t.jsonl", docs(5))
    steps = tables(tmp_path)
    steps.refresh("docs")
    version = steps.store.open("manifest").version
    touch(file)
    assert steps.listing_differs("docs")
    first, second = steps.refresh("docs"), steps.refresh("docs")
    assert first.changed == 0
    assert first.files_read == 1
    assert second.files_read == 0
    assert steps.store.open("manifest").version == version


def test_an_edited_table_has_edited_new_and_deleted_rows(tmp_path, words):
    file = tmp_path / "docs" / "t.jsonl"
    steps = tables(tmp_path)
    jsonl(file, docs(10))
    refresh_and_embed(steps)
    before = rows(steps)
    words.clear()
    jsonl(file, [{"doc": "first", "body": "put in front"}, *docs(10, d3="another text")[1:]])
    assert steps.listing_differs("docs")
    report = steps.refresh("docs")
    assert found(report) == {"new": 1, "edited": 1, "deleted": 1}
    assert rows(steps)["t.jsonl#d3"]["media_id"] == before["t.jsonl#d3"]["media_id"]
    steps.embed(steps.resolve("words").record)
    assert sorted(words) == ["another text", "put in front"]
    assert {key: row["text"] for key, row in rows_by_key(steps).items()} == {
        "t.jsonl#first": "put in front",
        **{f"t.jsonl#d{n}": note(n) for n in range(1, 10)},
        "t.jsonl#d3": "another text",
    }


def test_without_an_id_column_an_insertion_in_the_middle_encodes_one_row(tmp_path, words):
    file = tmp_path / "docs" / "t.jsonl"
    steps = tables(tmp_path, {"text": "body"})
    given = [*docs(10), *docs(2)]  # two texts occur twice
    jsonl(file, given)
    refresh_and_embed(steps)
    before = set(rows(steps))
    words.clear()
    jsonl(file, [*given[:5], {"body": "in the middle"}, *given[5:]])
    assert found(steps.refresh("docs")) == {"new": 1}
    steps.embed(steps.resolve("words").record)
    assert words == ["in the middle"]
    assert before < set(rows(steps)) and len(rows_by_key(steps)) == 13


def test_a_renamed_table_keeps_its_rows_media_ids_and_vectors(tmp_path, words):
    file = jsonl(tmp_path / "docs" / "t.jsonl", [*docs(20), {"doc": "twin", "body": note(0)}])
    steps = tables(tmp_path)
    refresh_and_embed(steps)
    before = {key.partition("#")[2]: row["media_id"] for key, row in rows(steps).items()}
    words.clear()
    file.rename(tmp_path / "docs" / "moved.jsonl")
    assert found(steps.refresh("docs")) == {"renamed": 21}
    assert {key.partition("#")[2]: row["media_id"] for key, row in rows(steps).items()} == before
    steps.embed(steps.resolve("words").record)
    assert words == []
    assert set(rows_by_key(steps)) == set(rows(steps))


def test_unusable_rows_are_quarantined_and_become_good_again(tmp_path, words):
    file = tmp_path / "docs" / "t.jsonl"
    jsonl(file, [*docs(3), {"doc": "null", "body": None}, {"doc": "blank", "body": " "}])
    file.write_text(file.read_text() + "{broken\n")
    steps = tables(tmp_path)
    report = steps.refresh("docs")
    assert report.quarantined == {
        "no text in column 'body'": 1,
        "empty text in column 'body'": 1,
        "not JSON": 1,
    }
    assert rows(steps)["t.jsonl#line-6"]["status"] == "quarantined"
    assert report.items == 6
    embedded = steps.embed(steps.resolve("words").record)
    assert embedded.total("embedded") == 3
    before = rows(steps)["t.jsonl#null"]["media_id"]
    jsonl(file, [*docs(3), {"doc": "null", "body": "found"}, {"doc": "blank", "body": " "}])
    report = steps.refresh("docs")
    assert found(report) == {"edited": 1, "deleted": 1}
    assert rows(steps)["t.jsonl#null"]["media_id"] == before
    steps.embed(steps.resolve("words").record)
    assert "t.jsonl#null" in rows_by_key(steps)


def test_a_row_that_was_too_long_is_read_again_when_the_limit_is_raised(tmp_path):
    jsonl(tmp_path / "docs" / "t.jsonl", docs(2, d1="x" * 100))
    source = {"docs": {"uri": str(tmp_path / "docs"), "table": TABLE}}
    steps = pipeline(tmp_path, sources=source, limits={"max_characters": 99})
    assert steps.refresh("docs").quarantined == {"too many characters in column 'body'": 1}
    report = pipeline(tmp_path, sources=source).refresh("docs")
    assert found(report) == {"edited": 1}
    assert report.quarantined == {}


def test_a_table_without_the_column_is_quarantined_and_others_go_on(tmp_path):
    folder = tmp_path / "docs"
    jsonl(folder / "a.jsonl", docs(2))
    (folder / "b.csv").write_text("name,value\nx,1\n")
    (folder / "c.parquet").write_bytes(b"PAR1 no")
    (folder / "d.csv").write_bytes(b"")
    (folder / "e.csv").write_text("doc,body\n")
    steps = tables(tmp_path)
    report = steps.refresh("docs")
    assert report.quarantined == {
        "no column 'body'; it has name, value": 1,
        "broken parquet": 1,
        "empty file": 1,
        "no rows in the table": 1,
    }
    assert rows(steps)["b.csv"]["status"] == "quarantined"
    again = steps.refresh("docs")
    assert again.changed == 0
    assert again.files_read == 0
    assert not steps.listing_differs("docs")
    (folder / "b.csv").write_text("doc,body\nx,a good text\n")
    touch(folder / "b.csv")
    assert found(steps.refresh("docs")) == {"new": 1, "deleted": 1}


def test_a_table_that_breaks_quarantines_its_rows_until_it_is_whole(tmp_path, words):
    file = tmp_path / "docs" / "t.parquet"
    file.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(docs(20)), file)
    steps = tables(tmp_path)
    refresh_and_embed(steps)
    before, data = rows(steps), file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    touch(file)
    with pytest.raises(SourceError, match=r"20 of them can.t be read or used any more: 100% would be"):
        steps.refresh("docs")
    steps = tables(tmp_path, max_deleted_share=1.0)
    report = steps.refresh("docs")
    assert report.items == 20
    assert report.quarantined == {"broken parquet": 20}
    file.write_bytes(data)
    touch(file, seconds=20)
    report = steps.refresh("docs")
    assert found(report) == {"edited": 20}
    assert report.quarantined == {}
    assert {key: row["media_id"] for key, row in rows(steps).items()} == {k: r["media_id"] for k, r in before.items()}


def test_columns_become_labels_caption_and_extra(tmp_path):
    given = [{**row, "topic": ["a", "b"], "title": f"T{row['doc']}", "year": 2020} for row in docs(2)]
    file = jsonl(tmp_path / "docs" / "t.jsonl", given)
    table = TABLE | {"labels": ["topic"], "caption": "title", "extra": ["year"]}
    steps = tables(tmp_path, table)
    steps.refresh("docs")
    row = rows(steps)["t.jsonl#d1"]
    assert row["labels"] == ["a", "b"]
    assert row["caption"] == "Td1"
    assert json.loads(row["extra"]) == {"year": 2020}
    given[1]["topic"] = ["c"]
    jsonl(file, given)
    assert found(steps.refresh("docs")) == {"relabelled": 1}
    assert rows(steps)["t.jsonl#d1"]["labels"] == ["c"]


def test_folder_and_sidecar_speak_of_rows_that_say_nothing_themselves(tmp_path):
    folder = tmp_path / "docs"
    jsonl(folder / "birds" / "t.jsonl", [{**row, "topic": "own" if row["doc"] == "d0" else None} for row in docs(4)])
    sidecar = jsonl(
        tmp_path / "said.jsonl",
        [{"file": "birds/t.jsonl", "caption": "all"}, {"file": "birds/t.jsonl#d1", "caption": "one", "label": "x"}],
    )
    steps = tables(tmp_path, TABLE | {"labels": ["topic"]}, labels="folder", sidecar=str(sidecar))
    steps.refresh("docs")
    shown = {key[-2:]: (row["caption"], row["labels"]) for key, row in rows(steps).items()}
    assert shown == {
        "d0": ("all", ["own"]), "d1": ("one", ["x"]), "d2": ("all", ["birds"]), "d3": ("all", ["birds"])
    }  # fmt: skip
    jsonl(sidecar, [{"file": "birds/t.jsonl", "caption": "all"}, {"file": "birds/t.jsonl#d2", "caption": "two"}])
    assert steps.listing_differs("docs")
    assert found(steps.refresh("docs")) == {"relabelled": 2}
    assert steps.refresh("docs").files_read == 0


def test_most_rows_gone_from_a_table_stops_before_anything_is_written(tmp_path):
    file = jsonl(tmp_path / "docs" / "t.jsonl", docs(20))
    steps = tables(tmp_path)
    steps.refresh("docs")
    jsonl(file, docs(5))
    with pytest.raises(SourceError, match=r"lists 5 of 20 known items: 75% would be deleted"):
        steps.refresh("docs")
    assert len(rows(steps)) == 20
    assert steps.listing_differs("docs")


def test_a_table_whose_texts_are_all_others_has_lost_none(tmp_path):
    file = jsonl(tmp_path / "docs" / "t.jsonl", docs(20))
    steps = tables(tmp_path, {"text": "body"})
    steps.refresh("docs")
    jsonl(file, [{"body": f"{row['body']} cleaned"} for row in docs(20)])
    assert found(steps.refresh("docs")) == {"new": 20, "deleted": 20}


def test_files_that_become_tables_and_back(tmp_path, words):
    folder = tmp_path / "docs"
    for number in range(12):
        jsonl(folder / f"{number}.jsonl", docs(2))
    plain = pipeline(tmp_path, sources={"docs": {"uri": str(folder), "max_deleted_share": 1.0}})
    refresh_and_embed(plain)
    steps = tables(tmp_path)
    assert found(refresh_and_embed_report(steps)) == {"new": 24, "deleted": 12}
    assert found(refresh_and_embed_report(plain)) == {"restored": 12, "deleted": 24}
    assert found(refresh_and_embed_report(steps)) == {"restored": 24, "deleted": 12}
    assert set(rows_by_key(steps)) == set(rows(steps))


def refresh_and_embed_report(steps: Steps) -> RefreshReport:
    report = steps.refresh("docs")
    steps.embed(steps.resolve("words").record)
    return report


def test_other_columns_in_the_settings_read_the_table_again(tmp_path):
    jsonl(tmp_path / "docs" / "t.jsonl", [{**row, "title": f"title {row['doc']}"} for row in docs(15)])
    tables(tmp_path).refresh("docs")
    assert found(tables(tmp_path, TABLE | {"text": "title"}).refresh("docs")) == {"edited": 15}
    assert found(tables(tmp_path, {"text": "title"}).refresh("docs")) == {"renamed": 15}


def test_a_row_that_changes_between_refresh_and_embedding_is_quarantined_and_found_by_the_next_refresh(tmp_path, words):
    file = jsonl(tmp_path / "docs" / "t.jsonl", docs(4))
    steps = tables(tmp_path)
    steps.refresh("docs")
    jsonl(file, docs(4, d2="other words"))
    report = steps.embed(steps.resolve("words").record)
    assert report.total("embedded") == 3
    assert report.total("quarantined") == 1
    refresh_and_embed(steps)
    assert rows_by_key(steps)["t.jsonl#d2"]["text"] == "other words"


def test_a_table_in_a_bucket(tmp_path, words, s3: S3Server, bucket: str):
    client = s3.client()
    file = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(docs(30)), file, row_group_size=7)
    client.put_object(Bucket=bucket, Key="docs/t.parquet", Body=file.read_bytes())
    steps = tables(tmp_path, uri=f"s3://{bucket}/docs", storage_options=s3.storage_options)
    assert refresh_and_embed(steps).total("embedded") == 30
    seen = len(s3.requests())
    assert steps.refresh("docs").files_read == 0
    assert not [line for line in s3.requests()[seen:] if "t.parquet" in line]
    pq.write_table(pa.Table.from_pylist(docs(30, d9="edited there")), file)
    client.put_object(Bucket=bucket, Key="docs/t.parquet", Body=file.read_bytes())
    words.clear()
    assert refresh_and_embed(steps).total("embedded") == 1
    assert words == ["edited there"]
    assert rows_by_key(steps)["t.parquet#d9"]["uri"] == f"s3://{bucket}/docs/t.parquet#d9"


def test_columns_without_the_text_are_a_mistake_in_the_settings(tmp_path):
    with pytest.raises(SettingsError, match=r"sources.docs.table: names columns but not the one .* add text"):
        tables(tmp_path, {"id": "doc"})


def test_a_table_that_is_none_costs_no_other(tmp_path, words):
    folder = tmp_path / "docs"
    jsonl(folder / "good.jsonl", docs(3))
    (folder / "header.csv").write_text(f"body{'a' * 2_000_000}\n1\n")
    (folder / "quote.csv").write_text('doc,body\n"' + '\n","' * 30_000)
    far = pa.array([2**31 - 1, 1], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"doc": far, "body": ["far", "near"]}), folder / "far.parquet")
    steps = tables(tmp_path)
    assert refresh_and_embed(steps).total("embedded") == 5
    reasons = {key: row["reason"] for key, row in rows(steps).items() if row["reason"]}
    assert reasons == {"header.csv": "header too long", "quote.csv#line-30002": "not CSV"}
    assert {"far.parquet#5881580-07-11", "far.parquet#1970-01-02"} < set(rows(steps))
