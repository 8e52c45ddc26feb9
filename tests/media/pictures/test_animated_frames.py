"""Animated pictures: frames by the time at which they show, from files that Pillow wrote."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import MediaError, SettingsError
from embed_assets.manifest.open_sources import sampling_of
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.animated_frames import picture_frames
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from embed_assets.pipeline.steps import Steps
from tests.media.cutting import segments_of
from tests.support import all_rows, picture, refresh_and_embed, settings

KINDS = ("GIF", "PNG", "WEBP")


def animated(kind: str, levels: Sequence[int], durations: int | Sequence[int] = 100, **options: Any) -> bytes:
    """Grey pictures of these levels, shown for so many milliseconds each."""
    pictures = [Image.new("RGB", (16, 12), (level,) * 3) for level in levels]
    out = io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    shown = durations if isinstance(durations, int) else list(durations)
    pictures[0].save(
        out, kind, save_all=True, append_images=pictures[1:], duration=shown, loop=0, **(lossless | options)
    )
    return out.getvalue()


def levels(data: bytes, most: int, **limits: Any) -> list[tuple[int | None, int | None, int]]:
    """Start, end and grey level of each frame that is taken."""
    found = list(picture_frames(data, most=most, limits=Limits(**limits)))
    return [(start, end, int(np.asarray(picture)[0, 0, 0])) for start, end, picture in found]


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_of_a_short_animation_each_with_its_times(kind: str) -> None:
    data = animated(kind, [10, 60, 110, 160])
    assert levels(data, 8) == [(0, 100, 10), (100, 200, 60), (200, 300, 110), (300, 400, 160)]


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_longer_one_those_at_the_middles_of_equal_parts(kind: str) -> None:
    assert [level for *_, level in levels(animated(kind, range(0, 200, 10)), 4)] == [20, 70, 120, 170]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_taken_by_time_and_one_that_shows_for_long_is_taken_once(kind: str) -> None:
    data = animated(kind, [10, 60, 110, 160], [2000, 50, 50, 900])
    assert levels(data, 3) == [(0, 2000, 10), (2100, 3000, 160)]


def test_frames_without_a_duration_show_as_long_as_browsers_show_them() -> None:
    assert [frame[:2] for frame in levels(animated("GIF", [10, 60, 110], 0), 3)] == [(0, 100), (100, 200), (200, 300)]


@pytest.mark.parametrize("kind", [*KINDS, "JPEG", "TIFF"])
def test_a_still_picture_is_the_one_that_it_is_without_the_setting(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (16, 12), (90, 90, 90)).save(out, kind)
    ((start, end, picture),) = picture_frames(out.getvalue(), most=8, limits=Limits())
    assert start is None
    assert end is None
    assert picture.tobytes() == decode_image(out.getvalue(), limits=Limits()).tobytes()


def test_pages_of_a_tiff_are_no_animation() -> None:
    out = io.BytesIO()
    pages = [Image.new("RGB", (16, 12), (level,) * 3) for level in (10, 60)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    assert levels(out.getvalue(), 8) == [(None, None, 10)]


def test_transparent_frames_show_the_background() -> None:
    pictures = [Image.new("RGBA", (16, 12), (200, 0, 0, alpha)) for alpha in (0, 255)]
    out = io.BytesIO()
    pictures[0].save(out, "PNG", save_all=True, append_images=pictures[1:], duration=100, blend=0)
    found = list(picture_frames(out.getvalue(), most=2, limits=Limits(background=(1, 2, 3))))
    assert [picture.getpixel((0, 0)) for *_, picture in found] == [(1, 2, 3), (200, 0, 0)]


def test_more_frames_than_the_limits_are_refused() -> None:
    data = animated("GIF", range(0, 200, 10))
    with pytest.raises(MediaError, match="too many frames: 20; the limit max_frames is 10"):
        levels(data, 20, max_frames=10)
    assert len(levels(data, 10, max_frames=10)) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_an_animation_cut_short_is_broken_or_shorter_and_nothing_else(kind: str) -> None:
    data = animated(kind, range(0, 200, 10))
    for share in (0.2, 0.5, 0.9, 0.99):
        try:
            found = levels(data[: int(len(data) * share)], 20)
        except MediaError as error:
            assert error.reason in ("broken image", "unsupported image")
        else:
            assert len(found) <= 20


def cut(data: bytes, decoders: Decoders | None = None, frames: int | None = 3) -> list[Any]:
    return segments_of(
        data,
        modality="image",
        caption="a title",
        media_hash=content_hash(data),
        tokenizer=None,
        max_tokens=None,
        segmenting=Segmenting(),
        limits=Limits(),
        sampling=None if frames is None else Sampling(animated_frames=frames),
        decoders=decoders,
    )


def test_frames_are_segments_with_times_and_hashes_of_their_own_in_a_worker_too() -> None:
    data = animated("GIF", [10, 60, 110])
    here = cut(data)
    assert [(each.kind, each.start, each.end, each.text) for each in here] == [
        ("frame", 0, 100, "a title"),
        ("frame", 100, 200, "a title"),
        ("frame", 200, 300, "a title"),
    ]
    assert len({each.content_hash for each in here}) == 3
    with_workers = Decoders()
    there = cut(data, with_workers)
    with_workers.close()
    assert [each.content_hash for each in there] == [each.content_hash for each in here]
    assert [each.payload.tobytes() for each in there] == [each.payload.tobytes() for each in here]
    (first,) = cut(data, frames=None)
    assert first.kind == "image"
    assert first.content_hash == content_hash(data)


def spec(**changes: Any) -> EncoderSpec:
    facts: dict[str, Any] = {"modalities": ("text", "image"), "media": ("image",), "space": "s"}
    return EncoderSpec(name="e", family="a:B", model="m", **(facts | changes))


def test_only_where_it_is_set_it_is_part_of_how_an_encoder_is_fed() -> None:
    assert sampling_of(spec(), by_scene=False) is None
    assert sampling_of(spec(options={"animated_frames": 4}, media=("text",)), by_scene=False) is None
    found = sampling_of(spec(options={"animated_frames": 4}), by_scene=False)
    assert found is not None
    assert found.identity()["animated_frames"] == 4
    clips = sampling_of(spec(media=("video",), frames=4), by_scene=False)
    assert clips is not None
    assert "animated_frames" not in clips.identity()


def test_less_than_one_frame_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="animated_frames is 0"):
        Sampling(animated_frames=0)


def pixels(folder: Path, **encoder: Any) -> Steps:
    return Steps(settings(folder, encoders={"pixels": {"model": "pixels", **encoder}}))


@pytest.mark.slow
def test_an_animated_picture_has_a_row_a_frame_in_a_version_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "moving.gif").write_bytes(animated("GIF", [10, 60, 110]))
    (folder / "still.png").write_bytes(picture(1))
    first, frames = pixels(tmp_path), pixels(tmp_path, animated_frames=3)
    assert refresh_and_embed(first, "pixels").total("embedded") == 2
    assert refresh_and_embed(frames, "pixels").total("embedded") == 2
    found = {(row["key"], row["kind"], row["start"], row["end"]) for row in all_rows(frames, "pixels")}
    assert found == {
        ("moving.gif", "frame", 0, 100),
        ("moving.gif", "frame", 100, 200),
        ("moving.gif", "frame", 200, 300),
        ("still.png", "image", None, None),
    }
    assert {row["kind"] for row in all_rows(first, "pixels")} == {"image"}
    versions = [steps.resolve("pixels").record.version for steps in (first, frames, pixels(tmp_path))]
    assert versions[0] == versions[2] != versions[1]
