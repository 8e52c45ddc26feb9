"""What Pillow's and FFmpeg's own tools decode without error is decoded here; nothing crashes, nothing hangs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.detect import refine
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from tests.media.cutting import segments_of

SETS = ("malformed_pillow", "malformed_small")
SOUND = Sampling(sample_rate=16000, window_seconds=5.0)
VIDEO = Sampling(frames=4, side=224, window_seconds=5.0)
SECONDS = 20.0

# The reference opened these without error, and there is nothing in them: no frame, or frames without a sound.
# With the reason that we give.
EXCEPTIONS: dict[str, str] = {
    "malformed_small/AudioVideoInterleave.avi": "broken video",  # 0 frames
    "malformed_small/Mpeg4.mp4": "broken video",  # no streams
    "malformed_small/WindowsMediaVideo.wmv": "broken video",  # 0 frames
    "malformed_small/gif.gif": "broken image",  # 0 frames; Pillow refuses it as well
    "malformed_small/mp4-with-audio.mp4": "silent",  # 2 frames of digital silence
    "malformed_small/wav.wav": "broken audio",  # 0 samples
}


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(seconds=SECONDS) as made:
        yield made


def entries(folder: Path) -> dict[str, Any]:
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip(f"the set {folder.name} is not among the shared data")
    found = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    return {name: entry for name, entry in found.items() if (folder / name).is_file()}


def outcome(data: bytes, decoders: Decoders) -> str:
    """The modality that it was decoded as, or the reason for which it was not."""
    found = refine(data, sniff(data))
    if found.modality is None:
        return f"unsupported type: {found.mime}"
    try:
        made = segments_of(
            data,
            modality=found.modality,
            caption=None,
            media_hash="0" * 64,
            tokenizer=None,
            max_tokens=None,
            segmenting=Segmenting(mode="whole"),
            limits=Limits(),
            sampling=VIDEO if found.modality == "video" else SOUND,
            decoders=decoders,
            mime=found.mime,
        )
    except MediaError as error:
        return error.reason
    return found.modality if made else "no segments"


@pytest.mark.parametrize("name", SETS)
def test_what_the_reference_decodes_is_decoded(name: str, shared_data: Path, decoders: Decoders) -> None:
    refused: dict[str, str] = {}
    for key, entry in entries(shared_data / name).items():
        verdicts = entry.get("reference_decode", {})
        if not any(verdict[0] == "ok" for verdict in verdicts.values()):
            continue
        seen = outcome((shared_data / name / key).read_bytes(), decoders)
        if seen not in ("image", "audio", "video"):
            refused[f"{name}/{key}"] = seen
    assert refused == {key: reason for key, reason in EXCEPTIONS.items() if key.startswith(f"{name}/")}
    assert decoders.restarts == 0


@pytest.mark.parametrize("name", SETS)
@pytest.mark.slow
def test_every_file_is_accounted_for_and_none_is_fatal(name: str, shared_data: Path, decoders: Decoders) -> None:
    known = entries(shared_data / name)
    found = {key: outcome((shared_data / name / key).read_bytes(), decoders) for key in known}
    assert found.keys() == known.keys()
    assert not {"decoder crashed", "decoder timed out"} & set(found.values())
    assert decoders.restarts == 0
