import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.listing import list_source
from embed_assets.media.files.source import open_source
from tests.s3_server import S3Server


@contextmanager
def s3_that_answers(code: str, status: int = 403) -> Iterator[dict[str, Any]]:
    """An endpoint that refuses every request with one of S3's error codes."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>refused for topsecretvalue</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refusal)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    client = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region_name": "us-east-1"}
    try:
        yield {"key": "AKIAEXAMPLE", "secret": "topsecretvalue", "client_kwargs": client}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_file_is_read_by_key_and_by_uri(tmp_path: Path) -> None:
    (tmp_path / "a b#%.txt").write_bytes(b"abc")
    source = open_source(str(tmp_path))
    (listed,) = list_source(str(tmp_path))
    assert source.read(listed.key, 10) == source.read(listed.uri, 10) == b"abc"


def test_a_file_at_the_limit_is_read_and_one_over_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    source = open_source(str(tmp_path))
    assert source.read("a.txt", 3) == b"abc"
    with pytest.raises(MediaError, match=r"a\.txt has more than 2 bytes") as caught:
        source.read("a.txt", 2)
    assert caught.value.reason == "too large"


def test_a_file_that_vanished_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        open_source(str(tmp_path)).read("gone.txt", 10)
    assert caught.value.reason == "vanished"


def test_a_key_does_not_lead_out_of_a_local_source(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("no")
    (tmp_path / "media").mkdir()
    with pytest.raises(MediaError):
        open_source(f"{tmp_path}/media").read("../secret.txt", 10)


def test_a_name_that_is_not_utf8_is_listed_and_read(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).write_bytes(b"abc")
    (listed,) = list_source(str(tmp_path))
    assert listed.key == "caf\\xe9.txt"
    assert open_source(str(tmp_path)).read(listed.key, 10) == b"abc"


def test_an_s3_object_is_read_in_one_request(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="m/a.txt", Body=b"abc")
    source = open_source(f"s3://{bucket}/m", s3.storage_options)
    before = len(s3.requests())
    assert source.read("a.txt", 3) == source.read(f"s3://{bucket}/m/a.txt", 3) == b"abc"
    assert len(s3.requests()) - before == 2


def test_an_empty_s3_object_is_empty_bytes(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="a.txt", Body=b"")
    assert open_source(f"s3://{bucket}", s3.storage_options).read("a.txt", 10) == b""


def test_an_s3_object_over_the_limit_is_not_fetched_whole(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="a.txt", Body=b"x" * 1000)
    with pytest.raises(MediaError) as caught:
        open_source(f"s3://{bucket}", s3.storage_options).read("a.txt", 999)
    assert caught.value.reason == "too large"


def test_an_s3_object_that_vanished_is_a_media_error(s3: S3Server, bucket: str) -> None:
    with pytest.raises(MediaError) as caught:
        open_source(f"s3://{bucket}", s3.storage_options).read("gone.txt", 10)
    assert caught.value.reason == "vanished"


def test_a_bucket_that_vanished_is_no_fault_of_the_item(s3: S3Server) -> None:
    with pytest.raises(SourceError):
        open_source("s3://no-such-bucket", s3.storage_options).read("a.txt", 10)


@pytest.mark.slow
def test_one_source_reads_from_several_threads(s3: S3Server, bucket: str) -> None:
    for n in range(40):
        s3.client().put_object(Bucket=bucket, Key=f"{n}.txt", Body=str(n).encode())
    source = open_source(f"s3://{bucket}", s3.storage_options)
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda n: source.read(f"{n}.txt", 10), range(40)))
    assert read == [str(n).encode() for n in range(40)]


def test_a_source_can_be_sent_to_another_process(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="a.txt", Body=b"abc")
    source = pickle.loads(pickle.dumps(open_source(f"s3://{bucket}", s3.storage_options)))
    assert source.read("a.txt", 10) == b"abc"


def test_an_object_that_may_not_be_read_is_a_media_error() -> None:
    with s3_that_answers("AccessDenied") as options, pytest.raises(MediaError) as caught:
        open_source("s3://bucket", options).read("a.txt", 10)
    assert caught.value.reason == "access denied"


def test_an_expired_token_is_no_fault_of_the_item() -> None:
    with (
        s3_that_answers("ExpiredToken") as options,
        pytest.raises(SourceError, match="Check the credentials"),
    ):
        open_source("s3://bucket", options).read("a.txt", 10)


def test_a_listing_that_is_denied_says_so() -> None:
    with (
        s3_that_answers("AccessDenied") as options,
        pytest.raises(SourceError, match="Check the credentials"),
    ):
        list_source("s3://bucket/x", storage_options=options)


def test_credentials_show_in_no_message_and_no_traceback() -> None:
    import traceback

    with s3_that_answers("AccessDenied") as options, pytest.raises(SourceError) as caught:
        list_source("s3://bucket/x", storage_options=options)
    assert "refused for ***" in str(caught.value)
    assert "topsecretvalue" not in "".join(traceback.format_exception(caught.value))


def test_credentials_show_in_no_repr() -> None:
    options = {"key": "AKIAEXAMPLE", "secret": "topsecretvalue", "token": "sessiontoken"}
    shown = repr(open_source("s3://bucket/x", options))
    assert shown == "Source(uri='s3://bucket/x')"


def test_a_password_in_the_uri_is_left_out() -> None:
    assert repr(open_source("http://me:password@host/x")) == "Source(uri='http://host/x')"
