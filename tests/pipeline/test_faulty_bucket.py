"""A pipeline whose media and store are in a bucket that fails now and then: nothing lost, nothing doubled."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import EmbedAssetsError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from tests.faulty_s3 import Fault, FaultyS3, faulty_s3
from tests.s3_server import S3Server
from tests.support import note, pipeline, run_all

pytestmark = pytest.mark.slow

NOTES = 10


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[FaultyS3]:
    with faulty_s3(s3) as found:
        yield found


def each(number: int, fault: Fault, method: str = "") -> Callable[[str, str, int], Fault | None]:
    """Every so many-th request of a method fails; the request after a failed one never does."""
    seen = 0

    def chosen(called: str, path: str, place: int) -> Fault | None:
        nonlocal seen
        if method and called != method:
            return None
        seen += 1
        return fault if seen % number == 0 else None

    return chosen


def steps_on(proxy: FaultyS3, bucket: str, folder: Path, **compute: Any) -> Steps:
    options = proxy.storage_options
    return pipeline(
        folder,
        store=f"s3://{bucket}/lake",
        storage_options=options,
        sources={"notes": {"uri": f"s3://{bucket}/media", "storage_options": options}},
        compute={"device": "cpu", "offline": True, "flush_rows": 4, "cache_mb": 0, **compute},
    )


def put_notes(s3: S3Server, bucket: str) -> None:
    for number in range(NOTES):
        s3.client().put_object(Bucket=bucket, Key=f"media/{number:02d}.txt", Body=note(number).encode())


def rows(steps: Steps) -> list[str]:
    record = steps.resolve("words").record
    return sorted(steps.store.open(record.table).to_arrow()["key"].to_pylist())


@pytest.mark.parametrize(
    ("fault", "number", "method"),
    [("throttle", 12, ""), ("lost", 5, "PUT"), ("stall", 40, "")],
)
def test_every_note_is_there_once(
    fault: Fault,
    number: int,
    method: str,
    proxy: FaultyS3,
    bucket: str,
    tmp_path: Path,
    words: list[Any],
) -> None:
    put_notes(proxy.behind, bucket)
    steps = steps_on(proxy, bucket, tmp_path)
    proxy.fault = each(number, fault, method)
    run_all(steps)
    assert proxy.faults[fault] > 2
    proxy.fault = lambda *_: None
    assert rows(steps) == [f"{number:02d}.txt" for number in range(NOTES)]
    assert Searcher(steps.store).search(note(7), space="words")[0].key == "07.txt"


def test_a_bucket_that_is_down_ends_the_run_and_a_later_one_completes_it(
    proxy: FaultyS3, bucket: str, tmp_path: Path, words: list[Any]
) -> None:
    put_notes(proxy.behind, bucket)
    steps = steps_on(proxy, bucket, tmp_path)
    steps.refresh("notes")
    record = steps.resolve("words").record
    began = len(proxy.requests)
    proxy.fault = lambda method, path, place: "throttle" if place > began + 60 else None
    with pytest.raises((EmbedAssetsError, RuntimeError, OSError, ValueError)):  # the last is Arrow's
        run_all(steps)
    proxy.fault = lambda *_: None
    run_all(steps)
    assert rows(steps) == [f"{number:02d}.txt" for number in range(NOTES)]
    assert record.id == steps.resolve("words").record.id
