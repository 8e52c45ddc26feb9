"""Datasets: tables that are read by columns, and the files that their rows name."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import MediaError, MissingExtraError, SourceError
from embed_assets.media.hashing import content_hash
from embed_assets.media.limits import Limits
from embed_assets.media.tables.lance_and_delta import DatasetKind, Unread
from embed_assets.media.tables.lance_row_lookup import RowLookup
from embed_assets.media.tables.open_table import Rows, open_dataset
from embed_assets.media.tables.row_cache import RowCache
from embed_assets.media.tables.rows_as_items import Columns, Tables
from embed_assets.media.uris.uri_reader import UriFiles
from tests.support import picture

KINDS: list[DatasetKind] = ["lance", "parquet", "delta"]


def dataset(folder: Path, table: pa.Table, kind: DatasetKind) -> Rows:
    path = folder / f"t.{kind}"
    if kind == "lance":
        import lance

        lance.write_dataset(table, path, mode="overwrite" if path.exists() else "create", max_rows_per_file=7)
    elif kind == "parquet":
        path.mkdir(exist_ok=True)
        pq.write_table(table, path / "0.parquet", row_group_size=5)
    else:
        deltalake = pytest.importorskip("deltalake", reason="the extra delta is not installed")
        deltalake.write_deltalake(str(path), table, mode="overwrite")
    return open_dataset(str(path), kind, shown=f"t.{kind}")


def numbers(count: int) -> pa.Table:
    return pa.table({"n": list(range(count)), "text": [f"text {n}" for n in range(count)], "unread": [0.5] * count})


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_rows_in_order_with_the_named_columns(tmp_path: Path, kind: DatasetKind) -> None:
    found = list(dataset(tmp_path, numbers(20), kind).records(["text", "n"], rows=3))
    assert found == [(n + 1, {"text": f"text {n}", "n": n}) for n in range(20)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_wanted_are_picked_by_few_columns(tmp_path: Path, kind: DatasetKind) -> None:
    filtered: list[dict[str, Any]] = []

    def wanted(record: Any) -> bool:
        filtered.append(record)
        return record["n"] % 8 == 1

    scan_where = list(dataset(tmp_path, numbers(20), kind).scan_where(["n"], ["n", "text"], wanted, rows=2))
    assert scan_where == [(place + 1, {"n": n, "text": f"text {n}"}) for place, n in enumerate((1, 9, 17))]
    assert filtered == [{"n": n} for n in range(20)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_is_another_when_the_rows_are(tmp_path: Path, kind: DatasetKind) -> None:
    first = dataset(tmp_path, numbers(3), kind).version()
    assert open_dataset(str(tmp_path / f"t.{kind}"), kind, shown="t").version() == first
    assert dataset(tmp_path, numbers(4), kind).version() != first


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_not_be_opened_is_a_source_error_with_a_way_out(tmp_path: Path, kind: DatasetKind) -> None:
    with pytest.raises(SourceError, match=r"gone"):
        open_dataset(str(tmp_path / "gone"), kind, shown="gone").version()
    with pytest.raises(SourceError, match=rf"t.{kind}: no column 'x'; it has n, text, unread. Fix the columns"):
        dataset(tmp_path, numbers(1), kind).require(["text", "x"])


def test_a_folder_without_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    with pytest.raises(SourceError, match=r"has no .parquet file"):
        open_dataset(str(tmp_path), "parquet", shown="t").version()


def test_without_the_extra_delta_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'delta': pip install 'embed-assets\[delta\]'"):
        open_dataset(str(tmp_path), "delta", shown="t").version()


@pytest.mark.slow
def test_secrets_of_the_storage_options_are_in_no_message() -> None:
    options = {"key": "AKIAEXAMPLE", "secret": "not-to-be-seen"}
    opened = open_dataset(
        "s3://x/t.lance?secret=not-to-be-seen", "lance", shown="t", storage_options=options,
        store_options={"aws_endpoint": "http://127.0.0.1:9", "allow_http": "true", "aws_region": "not-to-be-seen"},
    )  # fmt: skip
    with pytest.raises(SourceError) as caught:
        opened.version()
    assert "not-to-be-seen" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lance", "parquet"])
def test_times_finer_than_python_knows_are_read(tmp_path: Path, kind: DatasetKind) -> None:
    table = pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    ((_, record),) = dataset(tmp_path, table, kind).records(["at"])
    assert not isinstance(record, Unread)
    assert record["at"] == datetime(2023, 11, 14, 22, 13, 20, 123456)


def pictures() -> pa.Table:
    """Two rows share an id, and one has none."""
    given = [picture(n) for n in range(6)]
    return pa.table({"doc": ["a", "b", "c", "twin", "twin", None], "png": given})


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_single_rows_are_found_by_hash_in_any_order(tmp_path: Path, kind: DatasetKind) -> None:
    tables = Tables(
        columns=Columns(bytes="png", id="doc"), limits=Limits(), dataset=dataset(tmp_path, pictures(), kind)
    )
    found = list(tables.rows("t"))
    assert [row.id for row in found[:4]] == ["a", "b", "c", "twin"]
    spool = RowCache(tables)
    for row in found[::-1]:
        assert row.content_hash is not None
        assert spool.data("t", row.content_hash, read_as=row.decoder) == row.data


def test_a_row_of_a_lance_dataset_is_taken_where_it_is(tmp_path: Path) -> None:
    rows = dataset(tmp_path, pictures(), "lance")
    taken = RowLookup(rows, id="doc", content="png")
    assert taken.data("b", content_hash(picture(1)), read_as="") == picture(1)
    assert taken.data("twin", content_hash(picture(3)), read_as="") == picture(3)
    for name, number in (("twin~12345678", 4), (content_hash(picture(5))[:16], 5)):
        assert taken.data(name, content_hash(picture(number)), read_as="") is None
    for name, number in (("b", 9), ("gone", 1)):
        with pytest.raises(MediaError, match="vanished"):
            taken.data(name, content_hash(picture(number)), read_as="")


def test_a_place_is_a_path_a_uri_or_below_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    places = UriFiles(str(tmp_path), None)
    for written in ("a.txt", "./a.txt", f"{tmp_path}/a.txt", f"file://{tmp_path}/a.txt"):
        uri = places.absolute(written)
        assert places.read(uri, 10) == b"x" and places.find(uri).size == 1, written
    for written, reason in (("../a.txt", "outside the source"), ("b.txt", "vanished"), (".", "vanished")):
        with pytest.raises(MediaError, match=reason):
            places.find(places.absolute(written))
    with pytest.raises(MediaError, match="relative path"):
        UriFiles(None, None).absolute("a.txt")


def bodies(rows: Rows) -> list[Any]:
    return [row["body"] for _, row in rows.records(["body"]) if not isinstance(row, Unread)]


def test_a_part_that_a_link_takes_from_elsewhere_stops_the_table_unless_links_are_followed(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"body": [folder]}), tmp_path / folder / f"{folder}.parquet")
    (tmp_path / "in" / "linked.parquet").symlink_to(tmp_path / "out" / "out.parquet")
    with pytest.raises(SourceError, match=r"linked\.parquet is a link out of the source"):
        open_dataset(f"{tmp_path}/in", "parquet", shown="t").version()
    followed = open_dataset(f"{tmp_path}/in", "parquet", shown="t", follow_links=True)
    assert bodies(followed) == ["in", "out"]
    without = open_dataset(f"{tmp_path}/in", "parquet", shown="t", exclude=["linked*"])
    assert bodies(without) == ["in"]
