"""Real and malformed files: each gives segments or a reason, none a crash or a hang."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.detect import refine
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.media.recordings.recording_segments import clip_segments, sound_segments
from embed_assets.media.recordings.scene_cuts import scene_cuts
from embed_assets.media.sampling import Sampling

LIMITS = Limits()
SAMPLING = Sampling(sample_rate=16000, frames=8, side=224, window_seconds=5.0, with_sound=True)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(seconds=20) as made:
        yield made


def files(folder: Path, most: int = 1000) -> list[Path]:
    if not folder.is_dir():
        pytest.skip(f"the set {folder.name} is not among the shared data")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(("LIC", "MANI"))]
    return [path for path in found if path.suffix not in (".md", ".txt")][:: max(1, len(found) // most)]


def outcome(path: Path, decoders: Decoders) -> str:
    data = path.read_bytes()
    found = refine(data, sniff(data))
    options = {"caption": None, "media_hash": "0" * 64, "sampling": SAMPLING, "limits": LIMITS}
    try:
        if found.modality == "image":
            decoders.run(decode_image, data, limits=LIMITS)
        elif found.modality == "video":
            list(decoders.stream(clip_segments, data, **options))
        else:
            list(decoders.stream(sound_segments, data, **options))
    except MediaError as error:
        return error.reason
    return found.modality or "sound"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["video_clips", "video_intel", "audio_fsdd", "audio_esc10_fold1"])
def test_whole_files_all_decode(name: str, shared_data: Path, decoders: Decoders) -> None:
    found = Counter(outcome(path, decoders) for path in files(shared_data / name, 30))
    assert set(found) <= {"video", "audio"}
    assert decoders.restarts == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["malformed_small", "malformed_pillow"])
def test_malformed_files_are_each_accounted_for(name: str, shared_data: Path, decoders: Decoders) -> None:
    paths = files(shared_data / name)
    found = Counter(outcome(path, decoders) for path in paths)
    assert found.total() == len(paths)
    assert decoders.restarts == 0


def test_a_malformed_picture_is_no_danger_to_the_other_decoders(shared_data: Path, decoders: Decoders) -> None:
    options = {"caption": None, "media_hash": "0" * 64, "sampling": SAMPLING, "limits": LIMITS}
    reasons: Counter[str] = Counter()
    for path in files(shared_data / "malformed_pillow", 100):
        for task in (clip_segments, sound_segments):
            try:
                decoders.run(task, path.read_bytes(), **options)
            except MediaError as error:
                reasons[error.reason] += 1
    assert not {"decoder crashed", "decoder timed out"} & set(reasons)


def test_the_cut_in_a_real_film_is_found(shared_data: Path) -> None:
    (path,) = [path for path in files(shared_data / "video_clips") if path.name == "nasa_13013.mp4"]
    assert scene_cuts(path.read_bytes()) == [pytest.approx(8.008)]
