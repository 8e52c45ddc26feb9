"""The demo's media, written by a process of its own while models are loaded."""

import time
from pathlib import Path

import pytest

from embed_assets.demo.corpus import STAMP_NAME
from embed_assets.demo.run import writing_media


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_media_are_there_behind_the_block_and_are_those_written_here(corpus: Path, tmp_path: Path) -> None:
    with writing_media(tmp_path):
        assert not (tmp_path / "media" / STAMP_NAME).exists()
    pytest_patched = "docs/"  # modules of the library that pytest's own process has other docstrings in
    found, expected = (
        {name: data for name, data in contents(folder).items() if not name.startswith(pytest_patched)}
        for folder in (tmp_path / "media", corpus)
    )
    assert found == expected
    assert len(list((tmp_path / "media" / "docs").glob("*.txt"))) > 1000
    stamp = (tmp_path / "media" / STAMP_NAME).stat().st_mtime_ns
    with writing_media(tmp_path):
        pass
    assert (tmp_path / "media" / STAMP_NAME).stat().st_mtime_ns == stamp


def test_what_stops_the_process_is_raised_here(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "docs").write_text("a file where a folder has to be")
    with pytest.raises(FileExistsError), writing_media(tmp_path):
        pass


def test_a_process_ends_with_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing_media(tmp_path):
        raise ZeroDivisionError
    before = contents(tmp_path / "media")
    time.sleep(0.5)
    assert contents(tmp_path / "media") == before
    assert STAMP_NAME not in before
