"""docs/scaling.md: its tables are the script's; the assumptions that can be measured hold on 10,000 rows."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks import scaling, writers
from embed_assets.media.files.listing import list_source
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.vector_index import ANN, build_indices
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


@contextmanager
def filled(dim: int, dtype: str) -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        store = Store(folder)
        store.vectors(VERSION).create(vector_schema(VERSION, dim=dim, dtype=dtype, distance="cosine"))
        writers.write(folder, [0], 1, ROWS, dim=dim, edition=0)
        yield store


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "dtype"), [(384, "float16"), (768, "float32")])
def test_bytes_of_rows_and_indices_are_as_predicted(dim: int, dtype: str) -> None:
    with filled(dim, dtype) as store:
        table = Path(store.uri) / f"{VERSION.table}.lance"
        measured = bytes_of(table / "data") / ROWS
        assert measured == pytest.approx(scaling.row_bytes(dim, 2 if dtype == "float16" else 4), rel=0.1)
        beside = measured - dim * (2 if dtype == "float16" else 4)
        assert beside == pytest.approx(scaling.value("columns"), rel=0.1)
        build_indices(store, VERSION.table, distance="cosine", settings=IndexSettings(min_rows=256))
        sizes = {index.name for index in store.open(VERSION.table).list_indices()}
        assert {ANN, "text_idx"} <= sizes
        ann = [bytes_of(folder) for folder in (table / "_indices").iterdir() if (folder / "auxiliary.idx").exists()]
        assert sum(ann) / ROWS == pytest.approx(scaling.index_bytes(dim), rel=0.1)
        text = [bytes_of(folder) for folder in (table / "_indices").iterdir() if (folder / "metadata.lance").exists()]
        assert sum(text) / ROWS == pytest.approx(scaling.value("full text"), rel=0.1)


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
