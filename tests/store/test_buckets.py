"""Stores in buckets: their writes must be conditional; where keys, region and endpoint come from."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from embed_assets.errors import StoreError
from embed_assets.media.files.listing import list_source
from embed_assets.store.store import Store
from tests.faulty_s3 import FaultyS3, faulty_s3
from tests.s3_server import S3Server

SCHEMA = pa.schema([("key", pa.string())])


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[FaultyS3]:
    with faulty_s3(s3) as found:
        yield found


def keys_in(s3: S3Server, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.client().list_objects_v2(Bucket=bucket).get("Contents", ())]


def as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embed_assets.store.open_database._connections", {})


def test_the_check_leaves_its_mark_alone_and_is_not_made_again(
    proxy: FaultyS3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, options = f"s3://{bucket}/lake", proxy.storage_options
    assert Store(uri, options).table_names() == set()
    assert keys_in(proxy.behind, bucket) == ["lake/.conditional-writes"]
    as_another_process(monkeypatch)
    proxy.requests.clear()
    Store(uri, options).table_names()
    assert [line for line in proxy.requests if not line.startswith("GET")] == []


def test_another_endpoint_is_checked_again(proxy: FaultyS3, bucket: str) -> None:
    uri = f"s3://{bucket}/lake"
    Store(uri, proxy.storage_options).table_names()
    before = len(proxy.behind.requests())
    Store(uri, proxy.behind.storage_options).table_names()
    assert sum("PUT" in line for line in proxy.behind.requests()[before:]) == 3


def test_who_may_only_read_reads(proxy: FaultyS3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"s3://{bucket}/lake"
    Store(uri, proxy.behind.storage_options).open_or_create("t", SCHEMA).add([{"key": "a"}])
    proxy.fault = lambda method, *_: "deny" if method != "GET" else None
    assert Store(uri, proxy.storage_options).open("t").count_rows() == 1
    assert proxy.faults["deny"] == 1


class _TakesEveryPut(BaseHTTPRequestHandler):
    """An object store from before conditional writes: If-None-Match is a header like any other."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(200)

    def do_GET(self) -> None:
        self._answer(404)

    def do_DELETE(self) -> None:
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def old_endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TakesEveryPut)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_bucket_that_ignores_conditional_writes_is_refused(old_endpoint):
    client = {"endpoint_url": old_endpoint, "region_name": "us-east-1"}
    options = {"key": "testing", "secret": "testing-secret", "client_kwargs": client}
    with pytest.raises(StoreError, match="does not honour conditional writes"):
        Store("s3://bucket/lake", options).table_names()


def in_environment(monkeypatch: pytest.MonkeyPatch, folder: Path, **values: str) -> None:
    """Nothing but these variables says where S3 is; nothing is looked up on the network."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def used(uri: str, options: dict[str, str]) -> None:
    """A listing through s3fs and a commit through Lance."""
    assert [file.key for file in list_source(f"{uri}/media", storage_options=options)] == ["a.txt"]
    Store(f"{uri}/lake", options).open_or_create("t", SCHEMA).add([{"key": "a"}])
    assert Store(f"{uri}/lake", options).open("t").count_rows() == 1


def test_the_environment_alone_is_enough(
    proxy: FaultyS3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.behind.client().put_object(Bucket=bucket, Key="media/a.txt", Body=b"a")
    keys = {"AWS_ACCESS_KEY_ID": "from-environment", "AWS_SECRET_ACCESS_KEY": "secret"}
    in_environment(monkeypatch, tmp_path, AWS_ENDPOINT_URL=proxy.endpoint, AWS_REGION="us-east-1", **keys)
    used(f"s3://{bucket}", {})
    assert proxy.keys == {"from-environment"}


def test_the_files_of_a_profile_are_enough(
    proxy: FaultyS3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.behind.client().put_object(Bucket=bucket, Key="media/a.txt", Body=b"a")
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[media]\naws_access_key_id = of-profile\naws_secret_access_key = secret\n")
    (folder / "config").write_text(f"[profile media]\nregion = us-east-1\nendpoint_url = {proxy.endpoint}\n")
    in_environment(monkeypatch, tmp_path)
    used(f"s3://{bucket}", {"profile": "media"})
    assert proxy.keys == {"of-profile"}


def test_a_profile_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_environment(monkeypatch, tmp_path)
    with pytest.raises(StoreError, match="nowhere"):
        Store("s3://bucket/lake", {"profile": "nowhere"}).table_names()
