"""Store: folders and buckets, and a bucket that would lose rows is refused."""

import gc
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from embed_assets.errors import StoreError
from embed_assets.store.buckets.lance_options import lance_options
from embed_assets.store.store import Store
from embed_assets.store.upsert import read

SCHEMA = pa.schema([pa.field("key", pa.string())])


def test_a_new_store_is_empty_and_makes_no_folder_until_it_is_written(tmp_path):
    store = Store(str(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
    assert store.table_names() == set()
    assert store.open_or_none("anything") is None


def test_a_table_that_is_not_there_is_named_with_the_way_out(tmp_path):
    with pytest.raises(StoreError, match=r"has no table 'manifest'. Run the assets"):
        Store(str(tmp_path)).open("manifest")


def test_two_creators_at_once_get_the_same_table(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: Store(str(tmp_path)).open_or_create("t", SCHEMA), range(8)))
    assert {table.name for table in tables} == {"t"}
    assert Store(str(tmp_path)).table_names() == {"t"}


def test_more_tables_than_one_page_are_listed(tmp_path):
    store = Store(str(tmp_path))
    for number in range(25):
        store.open_or_create(f"t{number}", SCHEMA)
    assert len(store.table_names()) == 25


def test_a_handle_opened_later_sees_what_another_store_wrote(tmp_path):
    one, other = Store(str(tmp_path)), Store(str(tmp_path))
    one.open_or_create("t", SCHEMA)
    before = other.open("t")
    one.open("t").add([{"key": "a"}])
    assert other.open("t").count_rows() == 1
    assert before.count_rows() == 1


def test_dropping_a_table_that_is_not_there_is_no_error(tmp_path):
    store = Store(str(tmp_path))
    store.open_or_create("t", SCHEMA)
    for _ in range(2):
        store.drop("t")
    assert store.table_names() == set()


def test_a_table_that_was_dropped_and_made_again_is_not_taken_for_the_old_one(tmp_path):
    for text in ("old", "new"):
        store = Store(str(tmp_path))
        store.open_or_create("t", SCHEMA).add([{"key": text}])
        assert read(Store(str(tmp_path)).open("t"), ["key"]).to_pylist() == [{"key": text}]
        store.drop("t")


def test_a_bucket_holds_tables_like_a_folder(s3, bucket):
    store = Store(f"s3://{bucket}/lake", s3.storage_options)
    store.open_or_create("t", SCHEMA).add([{"key": "a"}])
    again = Store(f"s3://{bucket}/lake", s3.storage_options)
    assert again.table_names() == {"t"}
    assert again.open("t").count_rows() == 1
    assert len(again.dataset("t").get_fragments()) == 1


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(StoreError, match=r"s3://no-such-bucket-here/lake' can't be written"):
        Store("s3://no-such-bucket-here/lake", s3.storage_options).table_names()


def test_an_endpoint_that_does_not_answer_is_named():
    client = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    options = {"key": "testing", "secret": "testing-secret", "client_kwargs": client}
    options |= {"config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}
    with pytest.raises(StoreError, match=r"s3://bucket/lake' can't be written") as caught:
        Store("s3://bucket/lake", options).table_names()
    assert "endpoint" in str(caught.value)
    assert "testing-secret" not in str(caught.value)


def test_an_unknown_protocol_is_named():
    with pytest.raises(StoreError, match="nosuch://bucket/lake"):
        Store("nosuch://bucket/lake").table_names()


def test_options_of_fsspec_become_those_of_lance():
    options = {"key": "k", "secret": "s", "token": "t", "endpoint_url": "http://localhost:9000"}
    assert lance_options(options | {"client_kwargs": {"region_name": "eu-west-1"}}) == {
        "aws_access_key_id": "k",
        "aws_secret_access_key": "s",
        "aws_session_token": "t",
        "aws_region": "eu-west-1",
        "aws_endpoint": "http://localhost:9000",
        "allow_http": "true",
    }
    assert lance_options({}) == {}
    assert lance_options({"endpoint_url": "https://minio.example"}) == {"aws_endpoint": "https://minio.example"}


class Held:
    """What a caller holds."""


def test_a_table_that_is_not_there_keeps_nothing_of_its_caller(tmp_path: Path) -> None:
    def caller() -> weakref.ref[Held]:
        held = Held()
        assert Store(str(tmp_path)).open_or_none("anything") is None
        return weakref.ref(held)

    gc.disable()  # it frees circles, later
    try:
        assert caller()() is None
    finally:
        gc.enable()


def test_an_error_that_is_handled_meanwhile_keeps_its_frames(tmp_path: Path) -> None:
    def failing() -> None:
        raise KeyError("a")

    try:
        failing()
    except KeyError as error:
        assert Store(str(tmp_path)).open_or_none("anything") is None
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][1:] == ["failing"]


def test_a_store_that_was_disconnected_is_connected_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    held = store.open_or_create("t", SCHEMA)
    connection = weakref.ref(store._connection)
    store.disconnect()
    store.open("t").add([{"key": "a"}])
    assert store._connection is not connection()
    assert held.count_rows() == 1  # a handle that is held goes on
