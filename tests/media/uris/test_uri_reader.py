"""Files that rows name: where they may lie, what each place answers, and that no row stops another."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed_assets.errors import MediaError
from embed_assets.media.files.download_cache import MediaCache
from embed_assets.media.files.source import open_source
from embed_assets.media.hashing import content_hash
from embed_assets.media.limits import Limits
from embed_assets.media.tables.open_table import open_dataset
from embed_assets.media.tables.rows_as_items import Columns, TableRow, Tables
from embed_assets.media.uris.host_health import Hosts
from embed_assets.media.uris.uri_column import AddressedFiles, Addresses, list_addressed
from embed_assets.media.uris.uri_reader import UriFiles
from tests.s3_server import S3Server
from tests.web_server import Answer, WebServer, web_server


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as made:
        yield made


def refused(places: UriFiles, place: str) -> str:
    """The reason for which a row's file is quarantined."""
    with pytest.raises(MediaError) as caught:
        places.read(places.absolute(place), 100)
    return caught.value.reason


def test_a_row_reads_below_its_source_and_where_it_is_allowed_alone(tmp_path: Path) -> None:
    for folder in ("in", "far", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(folder)
    places = UriFiles(f"{tmp_path}/in", allow=[f"{tmp_path}/far"])
    assert places.read(places.absolute("a.txt"), 10) == b"in"
    assert places.read(places.absolute(f"file://{tmp_path}/far/a.txt"), 10) == b"far"
    for place in (f"{tmp_path}/out/a.txt", "../out/a.txt", f"{tmp_path}/in/../out/a.txt", "/etc/hostname"):
        assert refused(places, place) == "outside the source"


def test_a_link_out_of_the_source_is_read_where_links_are_followed_alone(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "out" / "b.txt").write_text("b")
    (tmp_path / "in" / "file.txt").symlink_to(tmp_path / "out" / "b.txt")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "out")
    places, following = UriFiles(f"{tmp_path}/in"), UriFiles(f"{tmp_path}/in", follow_links=True)
    for place in ("file.txt", "sub/b.txt"):
        assert refused(places, place) == "link out of the source"
        assert following.read(following.absolute(place), 10) == b"b"


def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = UriFiles(str(tmp_path), allow=["/dev"])
    for place in ("pipe", "/dev/zero"):
        with pytest.raises(MediaError, match="vanished"):
            places.find(places.absolute(place))


def test_a_chain_is_read_where_it_is_named_and_follows_no_redirect(tmp_path: Path, server: WebServer) -> None:
    uri = f"simplecache::{server.put('/a.txt', 'amber')}"
    assert refused(UriFiles(str(tmp_path), allow=[server.url]), uri) == "outside the source"
    places = UriFiles(str(tmp_path), allow=[f"simplecache::{server.url}/"])
    assert places.read(places.absolute(uri), 10) == b"amber"
    server.put("/b.txt", status=302, headers={"Location": "/a.txt"})
    with pytest.raises(MediaError):
        places.read(places.absolute(f"simplecache::{server.url}/b.txt"), 10)
    with pytest.raises(MediaError, match="unreachable"):  # fsspec says "not found"
        places.read(f"simplecache::{server.put('/c.txt', status=500)}", 10)


def test_rows_of_a_protocol_that_is_allowed_and_not_installed_are_quarantined(tmp_path: Path) -> None:
    places = UriFiles(str(tmp_path), allow=["nosuchproto://x/", "gs://bucket/"])
    for place, message in (("nosuchproto://x/y", "Protocol not known"), ("gs://bucket/y", "gcsfs")):
        with pytest.raises(MediaError, match=message) as caught:
            places.find(places.absolute(place))
        assert caught.value.reason == "unreachable"


def test_the_password_of_the_source_reads_its_rows_and_is_in_no_address(server: WebServer) -> None:
    server.put("/in/a.txt", "amber")
    places = UriFiles(f"http://joe:PASSWORD@127.0.0.1:{server.port}/in", allow=["127.0.0.1"])
    uri = places.absolute("a.txt")
    assert uri == f"{server.url}/in/a.txt"
    assert places.read(uri, 10) == b"amber"
    assert server.headers["/in/a.txt"]["Authorization"].startswith("Basic ")


def test_secrets_of_one_protocol_reach_no_other(server: WebServer, s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="docs/a.txt", Body=b"amber")
    places = UriFiles(f"s3://{bucket}/docs", s3.storage_options, allow=[server.url])
    assert places.read(places.absolute("a.txt"), 10) == b"amber"
    uri = server.put("/b.txt", "birch")
    assert places.read(uri, 10) == b"birch"
    options = {"headers": {"X-Key": "k"}}
    for below, sent in (("memory://x", False), ("/data", True), (None, True)):
        assert UriFiles(below, options, allow=[server.url]).read(uri, 10) == b"birch"
        assert ("X-Key" in server.headers["/b.txt"]) == sent


def test_no_credential_of_a_row_is_in_a_message(tmp_path: Path, server: WebServer) -> None:
    server.put("/x?sig=SIGNED", status=500)
    port = server.port
    places = UriFiles(str(tmp_path), allow=[server.url, f"simplecache::{server.url}", "memory://"])
    for uri in (
        f"http://joe:PASSWORD@127.0.0.1:{port}/x?sig=SIGNED",
        f"simplecache::http://joe:PASSWORD@127.0.0.1:{port}/x?sig=SIGNED",
        "memory://b/x?sig=SIGNED",
        "x?sig=SIGNED",
        "https://joe:PASSWORD@elsewhere/x?sig=SIGNED",
    ):
        with pytest.raises(MediaError) as caught:
            places.read(places.absolute(uri), 100)
        assert "SIGNED" not in str(caught.value) and "PASSWORD" not in str(caught.value), uri


def test_a_file_of_the_web_is_fetched_once_where_there_is_a_cache(tmp_path: Path, server: WebServer) -> None:
    uri = server.put("/a.txt", "amber")
    places = UriFiles(None, allow=[server.url], cache=MediaCache(tmp_path, max_bytes=1000))
    for _ in range(3):
        assert places.read(uri, 10, known_hash=content_hash(b"amber")) == b"amber"
    assert server.asked["/a.txt"] == 1


def listed(folder: Path, rows: Sequence[str | None], *allow: str) -> AddressedFiles:
    table = folder / "table"
    table.mkdir(exist_ok=True)
    pq.write_table(pa.table({"doc": [f"d{n:02d}" for n in range(len(rows))], "path": rows}), table / "rows.parquet")
    dataset = open_dataset(str(table), "parquet", shown="the table")
    tables = Tables(columns=Columns(text="path", id="doc"), limits=Limits(), dataset=dataset)
    return list_addressed(tables, "t", UriFiles(str(folder), allow=allow, hosts=Hosts(pause=0.01)))


def read(found: AddressedFiles) -> dict[str, bytes | str]:
    """Each row's bytes, or the reason for which it is quarantined."""
    outcome: dict[str, bytes | str] = {}
    for file in found.files:
        try:
            outcome[file.key.removeprefix("t#")] = found.read(file.key)
        except MediaError as error:
            outcome[file.key.removeprefix("t#")] = error.reason
    return outcome


def test_rows_that_name_nothing_to_be_read_leave_the_others_alone(tmp_path: Path, server: WebServer) -> None:
    (tmp_path / "ok.txt").write_text("amber")
    outside = ["nosuchproto://x/y", "data://text/plain,x", "git://x", "github://a:b@c/d", "ftp://127.0.0.1:1/x"]
    outside += ["zip://a::file:///etc/hostname", "/etc/hostname", "file:///etc/hostname", "//etc/hostname"]
    outside += [f"simplecache::{server.url}/x", f"{server.url}/x", "../t.py", "/dev/zero", "s3://bucket/x"]
    unusable = ["x" * 5000, "a\tb", "http://[", "https://h:99999/"]
    found = read(listed(tmp_path, ["ok.txt", None, "", *outside, *unusable, "gone.txt"]))
    reasons = list(found.values())
    assert reasons[0] == b"amber" and reasons[-1] == "vanished"
    assert reasons[3 : 3 + len(outside)] == ["outside the source"] * len(outside)
    assert reasons[-1 - len(unusable) : -1] == ["no usable address"] * len(unusable)
    assert not server.asked


def test_a_signed_address_is_listed_without_its_signature_and_signed_again_it_is_unchanged(
    tmp_path: Path, server: WebServer
) -> None:
    for mark in ("aa", "bb"):
        server.put(f"/a.txt?id=1&X-Amz-Signature={mark}", "amber", headers={"ETag": "e"})
    first, second = (
        listed(tmp_path, [f"{server.url}/a.txt?id=1&X-Amz-Signature={mark}"], server.url) for mark in ("aa", "bb")
    )
    assert first.files[0].uri == f"{server.url}/a.txt?id=1&X-Amz-Signature=***"
    assert first.files == second.files
    assert read(second) == {"d00": b"amber"}


def test_unreachable_files_are_distinguished_from_deleted_ones(tmp_path: Path, server: WebServer) -> None:
    with web_server() as gone:
        down = gone.url
    for status in (403, 404, 410, 500):
        server.put(f"/{status}", status=status)
    rows = [f"{down}/a", *(f"{server.url}/{status}" for status in (403, 404, 410, 500))]
    found = listed(tmp_path, rows, down, server.url)
    assert {key.removeprefix("t#"): (away.reason, away.why) for key, away in found.away.items()} == {
        "d00": ("unreachable", "connection refused"),
        "d01": ("access denied", "HTTP 403"),
        "d04": ("unreachable", "HTTP 500"),
    }


@pytest.mark.slow
def test_faulty_rows_side_by_side_do_not_hide_those_behind_them(tmp_path: Path, server: WebServer) -> None:
    server.answers = {f"/{number}": Answer(status=500) for number in range(150)}
    server.answers |= {f"/{number}": Answer(b"amber") for number in range(150, 400)}
    found = listed(tmp_path, [f"{server.url}/{number}" for number in range(400)], server.url)
    assert len(found.away) == 150


_PIECES = [
    "..",
    "/",
    "a.txt",
    "ok.txt",
    "file://",
    "http://127.0.0.1:1/",
    "::",
    "%2e%2e",
    "\\",
    "~",
    ".",
    "s3://",
    "zip",
    "é",
]


@given(st.lists(st.one_of(st.none(), st.text(max_size=30), st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)),
    max_size=6))  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_rows_name_the_good_one_is_read_and_nothing_outside(tmp_path: Path, rows: list[str | None]) -> None:
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "ok.txt").write_text("amber")
    (tmp_path / "a.txt").write_text("secret")
    found = read(listed(tmp_path / "in", [*rows, "ok.txt"]))
    assert len(found) == len(rows) + 1
    assert found[f"d{len(rows):02d}"] == b"amber"
    assert b"secret" not in found.values()


def test_a_table_is_read_once_for_whole_addresses_however_many_threads_ask(tmp_path: Path) -> None:
    reads = []

    class Counted(Tables):
        def rows(self, key: str, **given: object) -> Iterator[TableRow]:
            reads.append(key)
            time.sleep(0.2)  # a table that is slow to read
            yield from super().rows(key)

    uris = [f"https://joe:{n}{n}{n}{n}@host/{n}.txt" for n in range(4)]
    rows = [{"doc": str(n), "uri": uri} for n, uri in enumerate(uris)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    tables = Counted(source=open_source(str(tmp_path)), columns=Columns(text="uri", id="doc"), limits=Limits())
    addresses = Addresses(tables, "t.parquet")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: addresses.of(f"t.parquet#{n}", f"https://***@host/{n}.txt"), range(4)))
    assert found == uris
    assert reads == ["t.parquet"]
