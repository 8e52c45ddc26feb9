import os
import time
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SourceError
from embed_assets.media.listing import list_source
from tests.s3_server import S3Server


def make(folder: Path, *keys: str) -> str:
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(key.encode())
    return str(folder)


def keys(uri: str, **options: Any) -> list[str]:
    return [file.key for file in list_source(uri, **options)]


def test_files_are_listed_by_key_in_order_with_size_and_time(tmp_path: Path) -> None:
    uri = make(tmp_path, "b.txt", "a/c.txt")
    os.utime(tmp_path / "b.txt", (1000.5, 1000.5))
    first, second = list_source(uri)
    assert (first.key, first.uri, first.size) == ("a/c.txt", f"{uri}/a/c.txt", 7)
    assert (second.key, second.mtime, second.etag) == ("b.txt", 1000.5, "")


def test_a_file_uri_lists_like_a_plain_path(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    (file,) = list_source(f"file://{tmp_path}")
    assert (file.key, file.uri) == ("a.txt", f"file://{tmp_path}/a.txt")


def test_a_relative_path_gives_absolute_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "media/a.txt")
    monkeypatch.chdir(tmp_path)
    assert list_source("media/")[0].uri == f"{tmp_path}/media/a.txt"


def test_double_star_matches_files_at_the_top_too(tmp_path: Path) -> None:
    uri = make(tmp_path, "a.txt", "x/b.txt", "x/y/c.txt", "x/d.jpg")
    assert keys(uri, pattern="**/*.txt") == ["a.txt", "x/b.txt", "x/y/c.txt"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    uri = make(tmp_path, "a.txt", ".hidden", ".git/config", "x/.cache/b.txt", "x/.DS_Store")
    assert keys(uri) == ["a.txt"]


def test_excluded_keys_and_patterns_are_left_out(tmp_path: Path) -> None:
    uri = make(tmp_path, "a.txt", "captions.jsonl", "thumbs/a.png", "x/b.txt")
    assert keys(uri, exclude=["captions.jsonl", "thumbs/**"]) == ["a.txt", "x/b.txt"]


def test_links_to_folders_are_not_followed_and_links_to_files_are(tmp_path: Path) -> None:
    uri = make(tmp_path / "in", "a.txt")
    make(tmp_path / "out", "b.txt")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "linked.txt").symlink_to(tmp_path / "out" / "b.txt")
    (tmp_path / "in" / "dangling.txt").symlink_to(tmp_path / "nothing")
    assert keys(uri) == ["a.txt", "linked.txt"]


def test_pipes_are_not_listed(tmp_path: Path) -> None:
    uri = make(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe")
    assert keys(uri) == ["a.txt"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"Source folder '{tmp_path}/x' does not exist; "):
        list_source(f"{tmp_path}/x")


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    with pytest.raises(SourceError, match="is a file, where a folder was expected"):
        list_source(f"{tmp_path}/a.txt")


def test_an_empty_folder_lists_nothing(tmp_path: Path) -> None:
    assert list_source(str(tmp_path)) == []


def test_an_unknown_protocol_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="Can't open source 'nosuch://x'"):
        list_source("nosuch://x")


def test_a_missing_protocol_package_is_named() -> None:
    with pytest.raises(SourceError, match=r"ImportError.*gcsfs.*Install the package"):
        list_source("gs://bucket/x")


def test_memory_sources_are_listed() -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/listing/a/b.txt", b"abc")
    fs.pipe_file("/listing/.hidden", b"abc")
    (file,) = list_source("memory://listing")
    assert (file.key, file.uri, file.size) == ("a/b.txt", "memory://listing/a/b.txt", 3)
    assert abs(file.mtime - time.time()) < 60


def test_a_memory_folder_that_does_not_exist_is_named() -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list_source("memory://nothing-here")


def test_5000_local_files_are_listed_in_half_a_second(tmp_path: Path) -> None:
    uri = make(tmp_path, *(f"{n % 50}/{n}.txt" for n in range(5000)))
    list_source(uri)
    start = time.perf_counter()
    assert len(list_source(uri)) == 5000
    assert time.perf_counter() - start < 0.5


def test_s3_objects_have_the_time_and_etag_of_the_listing(s3: S3Server, bucket: str) -> None:
    put = s3.client().put_object(Bucket=bucket, Key="media/a/b.txt", Body=b"abc")
    (file,) = list_source(f"s3://{bucket}/media", storage_options=s3.storage_options)
    assert (file.key, file.uri, file.size) == ("a/b.txt", f"s3://{bucket}/media/a/b.txt", 3)
    assert file.etag == put["ETag"].strip('"')
    assert abs(file.mtime - time.time()) < 60


def test_s3_folder_markers_and_neighbours_of_the_prefix_are_left_out(s3: S3Server, bucket: str) -> None:
    for key in ("media/", "media/a.txt", "media/sub/", "media2/b.txt", "media.txt"):
        s3.client().put_object(Bucket=bucket, Key=key, Body=b"")
    assert keys(f"s3://{bucket}/media/", storage_options=s3.storage_options) == ["a.txt"]


def test_an_s3_listing_sees_what_was_added_since_the_last_one(s3: S3Server, bucket: str) -> None:
    uri, options = f"s3://{bucket}", s3.storage_options
    s3.client().put_object(Bucket=bucket, Key="a.txt", Body=b"")
    assert keys(uri, storage_options=options) == ["a.txt"]
    s3.client().put_object(Bucket=bucket, Key="b.txt", Body=b"")
    assert keys(uri, storage_options=options) == ["a.txt", "b.txt"]


def test_an_s3_listing_takes_one_request_per_thousand_keys(s3: S3Server, bucket: str) -> None:
    for n in range(30):
        s3.client().put_object(Bucket=bucket, Key=f"{n % 3}/{n}.txt", Body=b"x")
    before = len(s3.requests())
    assert len(keys(f"s3://{bucket}", storage_options=s3.storage_options)) == 30
    assert len(s3.requests()) - before == 1


def test_an_empty_bucket_lists_nothing(s3: S3Server, bucket: str) -> None:
    assert keys(f"s3://{bucket}", storage_options=s3.storage_options) == []


@pytest.mark.parametrize("path", ["no-such-bucket-here", "no-such-bucket-here/x"])
def test_a_missing_bucket_is_named(s3: S3Server, path: str) -> None:
    with pytest.raises(SourceError, match=f"Source folder 's3://{path}' does not exist"):
        list_source(f"s3://{path}", storage_options=s3.storage_options)


def test_a_missing_prefix_is_an_error_and_not_an_empty_source(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="media/a.txt", Body=b"")
    with pytest.raises(SourceError, match=f"Source folder 's3://{bucket}/mediia' does not exist"):
        list_source(f"s3://{bucket}/mediia", storage_options=s3.storage_options)


def test_an_s3_object_in_place_of_a_folder_is_refused(s3: S3Server, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="a.txt", Body=b"")
    with pytest.raises(SourceError, match="is a file, where a folder was expected"):
        list_source(f"s3://{bucket}/a.txt", storage_options=s3.storage_options)


def test_an_unreachable_endpoint_is_named_without_the_credentials(s3: S3Server) -> None:
    options = s3.storage_options
    options["client_kwargs"] = {"endpoint_url": "http://127.0.0.1:9"}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}}
    with pytest.raises(SourceError, match=r"Can't list .*Check the endpoint and the network") as caught:
        list_source("s3://bucket/x", storage_options=options)
    assert "testing-secret" not in str(caught.value)
