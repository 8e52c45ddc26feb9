"""All kinds of media in one folder: one run, a space for each, and every file accounted for."""

from pathlib import Path

import pytest

from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from tests.kept import Kept
from tests.media.made import clip_file, sound_file, tone
from tests.support import picture, run_all, settings

ENCODERS = {
    "pixels": {"model": "pixels"},
    "mel": {"model": "mel"},
    "clip_frames": {"model": "embedded:clip-frames"},
    "words": {"model": "words"},
}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def steps(words: list, tmp_path: Path, kept: Kept) -> Steps:
    made = Steps(settings(tmp_path, encoders=ENCODERS))
    kept.once("run", lambda: write_and_run(tmp_path, made))
    return made


def write_and_run(tmp_path: Path, steps: Steps) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(3):
        (folder / f"note-{number}.txt").write_text(f"note {number} of three")
        (folder / f"picture-{number}.png").write_bytes(picture(number))
        (folder / f"sound-{number}.wav").write_bytes(sound_file(tone(1.0, hertz=220 * 3**number)))
    (folder / "film.mp4").write_bytes(clip_file())
    (folder / "broken.mp4").write_bytes(clip_file()[:600])
    (folder / "junk.bin").write_bytes(b"\x00\x01\x02\xff" * 8)
    run_all(steps)


@pytest.mark.slow
def test_every_file_is_accounted_for_once(steps: Steps) -> None:
    status = read_status(steps)
    assert {row.encoder: (row.embedded, row.quarantined) for row in status.sources} == {
        "words": (3, 0),
        "pixels": (3, 0),
        "mel": (3, 0),
        "clip_frames": (1, 1),
        "": (0, 1),
    }
    assert sum(row.items for row in status.sources) == 12
    assert status.unencoded == {}


def test_a_file_of_each_kind_finds_itself(steps: Steps, tmp_path: Path) -> None:
    searcher = Searcher(steps.store)
    for name, space in (("picture-1.png", "image"), ("sound-1.wav", "audio"), ("film.mp4", "video_text")):
        asked = (tmp_path / "notes" / name).read_bytes()
        assert searcher.search(asked, space=space, k=1)[0].key == name


def test_spans_of_sounds_and_videos_are_milliseconds(steps: Steps) -> None:
    hit = Searcher(steps.store).search("a circle", space="video_text", k=1)[0]
    assert hit.start == 0
    assert hit.end is not None and 500 < hit.end < 10_000
