"""ContentFile: contents by hash, in any order, within its bounds; a run reads a changed table once."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.media.tables.content_file import ContentFile
from embed_assets.run_cache import run_cache
from tests.support import all_rows, pipeline


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_contents_are_found_by_hash_whenever_they_are_added():
    kept = ContentFile()
    assert kept.get(_hash(b"one")) is None
    for data in (b"one", b"two", b"one"):
        kept.add(_hash(data), data)
        assert kept.get(_hash(data)) == data
    assert kept.get(_hash(b"one")) == b"one"
    assert kept.get(_hash(b"three")) is None


def test_a_content_whose_hash_begins_alike_is_another():
    kept = ContentFile()
    wanted = _hash(b"one")
    kept.add(wanted[:16] + "0" * 48, b"another")
    assert kept.get(wanted) is None
    kept.add(wanted, b"one")
    assert kept.get(wanted) == b"one"


def test_what_would_make_the_file_too_large_is_not_kept():
    kept = ContentFile(most_bytes=10)
    for data in (b"12345678", b"abcd", b"xy"):
        kept.add(_hash(data), data)
    assert kept.get(_hash(b"abcd")) is None
    assert kept.get(_hash(b"xy")) == b"xy"


def test_threads_may_add_and_get_at_once():
    kept = ContentFile()
    contents = [f"content {number}".encode() for number in range(2000)]

    def both(data: bytes) -> bytes | None:
        kept.add(_hash(data), data)
        return kept.get(_hash(data))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(both, contents)) == contents


def _table(path: Path, texts: list[str]) -> None:
    if path.suffix == ".csv":
        path.write_text("\n".join(["id,text", *(f"{number},{text}" for number, text in enumerate(texts))]))
    else:
        pq.write_table(pa.table({"id": [*map(str, range(len(texts)))], "text": texts}), path)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_a_run_reads_a_changed_table_once(words, tmp_path: Path, name: str):
    table = tmp_path / "notes" / name
    table.parent.mkdir()
    _table(table, [f"row number {number}" for number in range(20)])
    columns = {"id": "id", "text": "text"}
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(table.parent), "table": columns}})
    steps.refresh("notes")
    steps.embed(steps.resolve("words").record)
    _table(table, [f"row number {number}" if number else "the first one is another" for number in range(20)])
    with run_cache():
        assert steps.refresh("notes").edited == 1
        table.unlink()  # what is embedded now can't be read from it
        report = steps.embed(steps.resolve("words").record)
    assert report.segments_encoded == 1
    assert not any(report.reasons.values())
    assert {row["text"] for row in all_rows(steps)} >= {"the first one is another", "row number 19"}
