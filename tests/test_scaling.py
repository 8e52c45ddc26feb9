"""docs/scaling.md: its tables are the script's; assumptions that can be measured hold on 10,000 and 100,000 rows."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import scaling, scaling_measured, writers
from embed_assets.media.files.listing import list_source
from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId
from tests.s3_server import S3Server
from tests.support import REPOSITORY

VERSION = VersionId(writers.ENCODER, writers.VERSION)
ROWS = 10_000


def test_the_tables_of_the_page_are_those_of_the_script() -> None:
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert scaling.written(page) == page, "python benchmarks/scaling.py --write docs/scaling.md"


def test_sizes_are_products_of_rows_and_bytes() -> None:
    assert scaling.row_bytes(384, 2) == 384 * 2 + scaling.value("columns")
    assert scaling.commits(10**7, 20_000) == 500
    assert scaling.shards(10**7) == 200
    assert scaling.shards(10**9) == 5000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "dim", "dtype"), [(10_000, 384, "float16"), (10_000, 768, "float32"), (100_000, 384, "float16")]
)
def test_bytes_of_rows_and_indices_are_as_predicted(tmp_path: Path, rows: int, dim: int, dtype: str) -> None:
    found = scaling_measured.measure(str(tmp_path), rows, dim=dim, dtype=dtype).predicted()
    for name, (measured, predicted) in found.items():
        if "seconds" not in name:
            assert measured == pytest.approx(predicted, rel=0.1), name


@pytest.mark.slow
def test_requests_of_a_commit_are_as_predicted(s3: S3Server, bucket: str) -> None:
    store = Store(f"s3://{bucket}/lake", s3.storage_options)
    store.vectors(VERSION).create(vector_schema(VERSION, dim=8, dtype="float16", distance="cosine"))
    of_commits = []
    for number in range(3):
        writer = writers.writer_on(store.vectors(VERSION), edition=0, replaced=frozenset())
        before = len(s3.requests())
        for item in writers.items(number, 3, 300, dim=8, edition=0):
            writer.put(item)
        writer.close()
        of_commits.append(s3.requests()[before:])
    for requests in of_commits:
        puts = sum("PUT " in line or "list-type=2" in line for line in requests)
        assert puts == pytest.approx(scaling.value("commit writes"), rel=0.1)
    reads = [sum("GET " in line and "/data/" in line for line in requests) for requests in of_commits]
    assert reads[0] < reads[-1] <= reads[0] + 8  # a few, and one more a fragment


@pytest.mark.slow
def test_a_listing_takes_a_request_for_a_thousand_keys(s3: S3Server, bucket: str) -> None:
    client = s3.client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.put_object(Bucket=bucket, Key=f"media/{n:05d}.txt", Body=b"a"), range(1050)))
    before = len(s3.requests())
    listing = list(list_source(f"s3://{bucket}/media", storage_options=s3.storage_options))
    lists = sum("list-type=2" in line and "media" in line for line in s3.requests()[before:])
    assert len(listing) == 1050
    assert lists == math.ceil(1050 / scaling.value("keys of a listing"))
