"""The corpus: how much there is, that it repeats itself exactly, and that it leaves other files alone."""

import logging
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from embed_assets.demo.corpus import STAMP_NAME, write_corpus
from embed_assets.demo.docs import passages, write_docs
from embed_assets.demo.scenes import write_scenes
from embed_assets.demo.sidecar import read_sidecar, write_sidecar


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_docs_hold_a_thousand_passages_with_four_labels(corpus: Path) -> None:
    rows = read_sidecar(corpus / "docs")
    assert 1000 <= len(rows) <= 1500
    assert {row["label"] for row in rows} == {"module", "class", "function", "method"}


@pytest.mark.parametrize("part", ["docs", "digits", "scenes", "sounds", "videos"])
def test_a_sidecar_names_every_file_of_its_folder(corpus: Path, part: str) -> None:
    named = [row["file"] for row in read_sidecar(corpus / part)]
    assert len(set(named)) == len(named)
    assert {*named, "sidecar.jsonl"} == {path.name for path in (corpus / part).iterdir()}


def test_no_two_files_differ_by_case_alone(corpus: Path) -> None:
    names = [row["file"].lower() for row in read_sidecar(corpus / "docs")]
    assert len(set(names)) == len(names)


def test_a_passage_opens_with_its_signature(corpus: Path) -> None:
    text = (corpus / "docs" / "os.path.splitext.txt").read_text(encoding="utf-8")
    assert re.match(r"os\.path\.splitext\(p.*\)\n\nSplit the extension from a pathname\.", text)


def test_no_passage_holds_an_address_or_a_folder_of_this_machine(corpus: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (corpus / "docs").glob("*.txt")]
    assert not [text for text in texts if re.search(r" at 0x[0-9a-f]{6}", text)]
    assert not [text for text in texts if sys.prefix in text or str(Path.home()) + "/" in text]


@pytest.mark.slow
def test_a_method_that_a_package_hangs_on_a_class_is_no_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    def shout(self: logging.Logger) -> None:
        """Logs the message in capital letters."""

    before = passages()
    monkeypatch.setattr(logging.Logger, "shout", shout, raising=False)
    assert passages() == before


@pytest.mark.slow
def test_docs_and_scenes_repeat_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    write_docs(tmp_path / "docs")
    write_scenes(tmp_path / "scenes")
    assert _contents(tmp_path / "docs") == _contents(corpus / "docs")
    assert _contents(tmp_path / "scenes") == _contents(corpus / "scenes")


def test_the_pictures_are_the_held_out_ones(corpus: Path) -> None:
    digits, scenes = read_sidecar(corpus / "digits"), read_sidecar(corpus / "scenes")
    assert len(digits) == 898
    assert len(scenes) == 384
    assert all(int(row["file"].removesuffix(".png")) % 2 == 1 for row in digits)
    assert {Path(row["file"]).suffix for row in scenes} == {".jpg", ".png"}
    assert Image.open(corpus / "digits" / digits[0]["file"]).size == (64, 64)
    assert Image.open(corpus / "scenes" / scenes[0]["file"]).size == (128, 128)


def test_a_finished_corpus_is_left_as_it_is(corpus: Path) -> None:
    passage = corpus / "docs" / "os.path.splitext.txt"
    before = passage.stat().st_mtime_ns
    write_corpus(corpus)
    assert passage.stat().st_mtime_ns == before
    assert (corpus / STAMP_NAME).is_file()


def test_a_new_sidecar_removes_only_files_that_the_old_one_named(tmp_path: Path) -> None:
    for name in ("old.txt", "new.txt", "mine.txt"):
        (tmp_path / name).write_text("text")
    write_sidecar(tmp_path, [{"file": "old.txt"}])
    write_sidecar(tmp_path, [{"file": "new.txt"}])
    assert {path.name for path in tmp_path.iterdir()} == {"new.txt", "mine.txt", "sidecar.jsonl"}


def test_a_sidecar_cannot_delete_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("text")
    folder = tmp_path / "docs"
    folder.mkdir()
    write_sidecar(folder, [{"file": "../precious.txt"}])
    write_sidecar(folder, [])
    assert (tmp_path / "precious.txt").is_file()
