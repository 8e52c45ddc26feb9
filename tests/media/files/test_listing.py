import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.listing import list_readable, list_source, look_up
from embed_assets.media.files.source import open_source
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
    assert first.key == "a/c.txt"
    assert first.uri == f"{uri}/a/c.txt"
    assert first.size == 7
    assert second.key == "b.txt"
    assert second.mtime == 1000.5
    assert second.etag == ""


def test_a_file_uri_lists_like_a_plain_path(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    (file,) = list_source(f"file://{tmp_path}")
    assert file.key == "a.txt"
    assert file.uri == f"file://{tmp_path}/a.txt"


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
    uri = make(tmp_path, "a.txt", "sub/b.txt")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "linked.txt").symlink_to("sub/b.txt")
    (tmp_path / "again.txt").symlink_to("linked.txt")
    assert keys(uri) == ["a.txt", "again.txt", "linked.txt", "sub/b.txt"]
    assert open_source(uri).read("again.txt", 100) == b"sub/b.txt"


@pytest.mark.parametrize("target", ["itself.txt", "nowhere", "a.txt/below", "x" * 300, "y" * 4000, "pair.txt", "."])
def test_a_link_to_nothing_ends_no_listing(tmp_path: Path, target: str) -> None:
    uri = make(tmp_path, "a.txt")
    (tmp_path / "itself.txt").symlink_to(target)
    (tmp_path / "pair.txt").symlink_to("itself.txt")
    assert keys(uri) == ["a.txt"]


def test_a_link_out_of_the_source_is_listed_by_itself_and_read_where_links_are_followed(tmp_path: Path) -> None:
    uri = make(tmp_path / "in", "a.txt")
    make(tmp_path / "out", "b.txt")
    link = tmp_path / "in" / "linked.txt"
    link.symlink_to(tmp_path / "out" / "b.txt")
    (file,) = (file for file in list_source(uri) if file.key == "linked.txt")
    assert file.size == link.lstat().st_size
    with pytest.raises(MediaError) as caught:
        open_source(uri).read("linked.txt", 100)
    assert caught.value.reason == "link out of the source"
    (file,) = (file for file in list_source(uri, follow_links=True) if file.key == "linked.txt")
    assert file.size == len("b.txt")
    assert open_source(uri, follow_links=True).read("linked.txt", 100) == b"b.txt"


def test_a_folder_within_that_is_swapped_for_a_link_out_is_not_read(tmp_path: Path) -> None:
    uri = make(tmp_path / "in", "sub/b.txt")
    make(tmp_path / "out", "b.txt")
    assert keys(uri) == ["sub/b.txt"]
    (tmp_path / "in" / "sub").rename(tmp_path / "in" / "old")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "out")
    for ask in (lambda: open_source(uri).read("sub/b.txt", 100), lambda: look_up(open_source(uri), "sub/b.txt")):
        with pytest.raises(MediaError, match="link out of the source"):
            ask()


def test_a_source_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    make(tmp_path / "disk", "a.txt")
    (tmp_path / "media").symlink_to("disk")
    (file,) = list_source(f"{tmp_path}/media")
    assert open_source(f"{tmp_path}/media").read(file.key, 100) == b"a.txt"


def test_an_unreadable_folder_is_named_and_its_neighbours_are_listed(unprivileged: Path) -> None:
    uri = make(unprivileged, "a.txt", "b/c.txt", "locked/d.txt", "locked/deep/e.txt")
    (unprivileged / "locked").chmod(0)
    listing = list_readable(uri)
    assert [file.key for file in listing.files] == ["a.txt", "b/c.txt"]
    assert listing.unread == {"locked/": "permission denied"}
    with pytest.raises(SourceError, match=r"Can't list folder '.*/locked/': permission denied.*exclude"):
        list_source(uri)


@pytest.mark.parametrize(
    "chosen",
    [{"pattern": "b/**"}, {"pattern": "*"}, {"pattern": "[ab]/*.txt"}, {"exclude": ["locked"]},
     {"exclude": ["**/locked/**"]}, {"exclude": ["lock*"]}],
)  # fmt: skip
def test_a_folder_that_is_not_selected_is_not_entered(unprivileged: Path, chosen: dict[str, Any]) -> None:
    uri = make(unprivileged, "a.txt", "b/c.txt", "locked/d.txt")
    (unprivileged / "locked").chmod(0)
    assert list_readable(uri, **chosen).unread == {}


def test_a_folder_whose_files_have_no_stat_lists_them_and_reading_fails(unprivileged: Path) -> None:
    uri = make(unprivileged, "named/a.txt")
    (unprivileged / "named").chmod(0o600)
    (file,) = list_source(uri)
    assert file.key == "named/a.txt"
    with pytest.raises(MediaError, match="access denied"):
        open_source(uri).read(file.key, 100)


def test_a_source_that_may_not_be_entered_is_no_empty_one(unprivileged: Path) -> None:
    uri = make(unprivileged / "in", "a.txt")
    (unprivileged / "in").chmod(0)
    with pytest.raises(SourceError, match=r"Can't list source folder .*Check the credentials"):
        list_readable(uri)


def test_folders_deeper_than_a_path_may_be_long_do_not_end_the_listing(tmp_path: Path) -> None:
    uri = make(tmp_path, "a.txt")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    listing = list_readable(uri)
    assert [file.key for file in listing.files] == ["a.txt"]
    assert list(listing.unread.values()) == ["file name too long"]


def test_a_file_system_that_lists_folder_by_folder_leaves_nothing_out_in_silence() -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Locked(MemoryFileSystem):
        protocol = "locked"
        cachable = False
        find = fsspec.AbstractFileSystem.find

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return MemoryFileSystem._strip_protocol(path.replace("locked://", "memory://"))

        def ls(self, path: str, detail: bool = True, **more: Any) -> Any:
            if path.rstrip("/").endswith("closed"):
                raise PermissionError(13, "Permission denied")
            return super().ls(path, detail=detail, **more)

    fsspec.register_implementation("locked", Locked, clobber=True)
    fs = fsspec.filesystem("memory")
    for key in ("a.txt", "closed/b.txt", "sub/c.txt"):
        fs.pipe_file(f"/reach/{key}", b"x")
    listing = list_readable("locked://reach")
    assert [file.key for file in listing.files] == ["a.txt", "sub/c.txt"]
    assert listing.unread == {"closed/": "permission denied"}
    assert list_readable("locked://reach", exclude=["closed"]).unread == {}


def test_two_names_never_make_one_key(tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", rb"caf\xe9.txt", rb"caf\x5cxe9.txt", rb"\x5c.txt"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(name)
    source, files = open_source(str(tmp_path)), list_source(str(tmp_path))
    assert len({file.key for file in files}) == 4
    assert len({source.read(file.key, 100) for file in files}) == 4


_NAME = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name[:1] != b".")
_ENDS = st.sampled_from([b".", b"..", b"/etc/hostname", b"nowhere", b"x" * 300, b"a", b"../a", b"a/b", b"//", b"\xff"])


@given(st.dictionaries(_NAME, st.one_of(st.just(None), _NAME, _ENDS), max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_names_and_links_are_listed_and_each_is_read_or_quarantined(tmp_path: Path, entries: Any) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for name, target in entries.items():
        path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118
        if target is None:
            Path(os.fsdecode(path)).write_bytes(name)
        else:
            Path(os.fsdecode(path)).symlink_to(os.fsdecode(target))
    files = list_readable(str(folder)).files
    source = open_source(str(folder))
    assert len({file.key for file in files}) == len(files)
    own = {name for name, target in entries.items() if target is None}
    read = set()
    for file in files:
        with contextlib.suppress(MediaError):
            read.add(source.read(file.key, 100))
    assert read == own


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
    assert file.key == "a/b.txt"
    assert file.uri == "memory://listing/a/b.txt"
    assert file.size == 3
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
    assert file.key == "a/b.txt"
    assert file.uri == f"s3://{bucket}/media/a/b.txt"
    assert file.size == 3
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
