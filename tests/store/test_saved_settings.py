"""Saved settings: a store can be shown alone, and no credential is kept in it."""

import resource

import pytest

from embed_assets.errors import SourceError, StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings, saved_settings, sources_stand
from embed_assets.store.store import Store
from tests.support import settings


def test_a_store_gives_back_the_settings_it_was_built_with(tmp_path):
    made = settings(tmp_path, shards=7)
    store = Store(made.store)
    save_settings(store, made)
    assert saved_settings(Store(made.store)) == made


def test_a_store_of_nobody_has_none(tmp_path):
    assert saved_settings(Store(str(tmp_path / "nothing"))) is None


def test_equal_settings_are_not_written_again(tmp_path):
    made = settings(tmp_path)
    file = tmp_path / "store" / "pipeline.yaml"
    save_settings(Store(made.store), made)
    before = file.stat().st_mtime_ns
    save_settings(Store(made.store), made)
    assert file.stat().st_mtime_ns == before


def test_no_storage_option_is_kept_and_the_stores_own_are_used(tmp_path, s3, bucket):
    options = s3.storage_options
    sources = {"notes": {"uri": f"s3://{bucket}/media", "storage_options": options}}
    made = settings(tmp_path, store=f"s3://{bucket}/lake", storage_options=options, sources=sources)
    save_settings(Store(made.store, options), made)
    body = s3.client().get_object(Bucket=bucket, Key="lake/pipeline.yaml")["Body"].read().decode()
    assert "storage_options" not in body
    assert "testing" not in body
    found = saved_settings(Store(made.store, options))
    assert found is not None
    assert found.storage_options == options
    assert found.sources["notes"].storage_options == {}


def test_an_endpoint_that_does_not_answer_is_a_store_error():
    client = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    retries = {"config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}
    options = {"key": "testing", "secret": "testing-secret", "client_kwargs": client, **retries}
    with pytest.raises(StoreError, match="can't be read"):
        saved_settings(Store("s3://bucket/lake", options))


def test_a_source_whose_address_was_refused_keeps_the_one_that_was_kept(tmp_path):
    store = Store(str(tmp_path / "store"))
    before = settings(tmp_path, sources={"notes": {"uri": "/old/notes"}, "sounds": {"uri": "/old/sounds"}})
    after = settings(tmp_path, sources={"notes": {"uri": "/new/notes"}, "sounds": {"uri": "/new/sounds"}}, shards=9)
    save_settings(store, before)
    save_settings(store, after, refreshed=["sounds"])
    found = saved_settings(store)
    assert found is not None
    assert {name: source.uri for name, source in found.sources.items()} == {
        "notes": "/old/notes",
        "sounds": "/new/sounds",
    }
    assert found.shards == 9


@pytest.mark.parametrize("content", [b"", b"store: [", b"shards: {4", b"- a\n", b"\xff\xfe\x00"])
def test_a_damaged_file_is_reported_with_the_way_out(content, tmp_path):
    store = Store(str(tmp_path / "store"))
    save_settings(store, settings(tmp_path))
    (tmp_path / "store" / "pipeline.yaml").write_bytes(content)
    with pytest.raises(StoreError, match=r"pipeline\.yaml of store .* is damaged: .*Delete that file, then"):
        saved_settings(store)


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    store = Store(str(tmp_path / "store"))
    save_settings(store, settings(tmp_path))
    file = tmp_path / "store" / "pipeline.yaml"
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as a disk that is full after 100 bytes
    try:
        with pytest.raises(StoreError, match="can't be written"):
            save_settings(store, settings(tmp_path, shards=9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["pipeline.yaml"]


def test_credentials_in_addresses_are_not_kept_and_what_to_set_is_reported(tmp_path, monkeypatch):
    table = {"format": "parquet", "uri": "uri", "allow": ["https://joe:PASSWORD@cdn.example/"]}
    source = {"uri": "http://joe:PASSWORD@127.0.0.1:9/x", "sidecar": "https://h/s.csv?sig=SIGNED", "table": table}
    made = settings(tmp_path, sources={"notes": source})
    save_settings(Store(made.store), made)
    kept = (tmp_path / "store" / "pipeline.yaml").read_text()
    assert "PASSWORD" not in made.sources["notes"].address  # which people see
    assert "PASSWORD" not in kept and "SIGNED" not in kept
    found = saved_settings(Store(made.store))
    assert found is not None and found.sources["notes"].address == "http://***@127.0.0.1:9/x"
    with pytest.raises(SourceError, match=r"not kept in the store\. Set EMBED_ASSETS_SOURCES__NOTES__URI to the whole"):
        Steps(found).refresh("notes")
    monkeypatch.setenv("EMBED_ASSETS_SOURCES__NOTES__URI", source["uri"])
    found = saved_settings(Store(made.store))
    assert found is not None and found.sources["notes"].uri == source["uri"]
    save_settings(Store(made.store), found)
    assert (tmp_path / "store" / "pipeline.yaml").read_text() == kept


def test_settings_whose_sources_moved_are_reported_from_those_whose_sources_stand(tmp_path):
    store = Store(str(tmp_path / "store"))
    assert sources_stand(store, settings(tmp_path))
    save_settings(store, settings(tmp_path))
    assert sources_stand(store, settings(tmp_path, shards=9))
    assert sources_stand(store, settings(tmp_path, sources={"more": {"uri": "/more"}}))
    assert not sources_stand(store, settings(tmp_path, sources={"notes": {"uri": "/elsewhere"}}))
