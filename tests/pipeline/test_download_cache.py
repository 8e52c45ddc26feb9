"""Media of a bucket is fetched once, however many encoders read it."""

from pathlib import Path
from typing import Any

import pytest

from embed_assets.pipeline.steps import Steps
from tests.s3_server import S3Server
from tests.support import note, pipeline, run_all


def steps_over(bucket: str, s3: S3Server, folder: Path, **compute: object) -> Steps:
    """Two encoders of one source in the bucket."""
    return pipeline(
        folder,
        sources={"notes": {"uri": f"s3://{bucket}/notes", "storage_options": s3.storage_options}},
        encoders={"words": {"model": "words"}, "more": {"model": "words", "space": "more", "generation": 2}},
        compute={"device": "cpu", "offline": True, **compute},
    )


def gets(s3: S3Server, key: str) -> int:
    return sum(f"GET /{key} " in line for line in s3.requests())


@pytest.fixture
def notes(s3: S3Server, bucket: str, words: list[Any]) -> list[str]:
    keys = [f"notes/{number}.txt" for number in range(5)]
    for number, key in enumerate(keys):
        s3.client().put_object(Bucket=bucket, Key=key, Body=note(number).encode())
    return keys


def test_one_request_a_file_for_the_manifest_and_two_encoders(
    s3: S3Server, bucket: str, notes: list[str], tmp_path: Path
) -> None:
    steps = steps_over(bucket, s3, tmp_path)
    run_all(steps)
    assert [gets(s3, f"{bucket}/{key}") for key in notes] == [1] * 5


def test_without_the_cache_every_reader_reads_the_bucket(
    s3: S3Server, bucket: str, notes: list[str], tmp_path: Path
) -> None:
    steps = steps_over(bucket, s3, tmp_path, cache_mb=0)
    run_all(steps)
    assert [gets(s3, f"{bucket}/{key}") for key in notes] == [3] * 5


def test_an_edited_file_is_fetched_again_and_a_damaged_entry_is_not_believed(
    s3: S3Server, bucket: str, notes: list[str], tmp_path: Path
) -> None:
    steps = steps_over(bucket, s3, tmp_path)
    steps.refresh("notes")
    kept = [path for path in (tmp_path / "media-cache").rglob("*") if path.is_file()]
    assert len(kept) == 5
    for path in kept:
        path.write_bytes(b"spoiled")
    s3.client().put_object(Bucket=bucket, Key=notes[0], Body=b"other words")
    run_all(steps)
    table = steps.vectors(steps.resolve("words").record).read(["text"])
    assert table is not None
    assert sorted(table["text"].to_pylist()) == sorted(["other words", *(note(number) for number in range(1, 5))])
