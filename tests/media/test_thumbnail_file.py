"""Thumbnail files: what a video shows at a moment, small."""

import io

import pytest
from PIL import Image

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.thumbnail_file import picture_file, video_file
from tests.media.made import level_frame
from tests.media.made import video_file as make_video


def grey_at(data: bytes, milliseconds: int) -> int:
    made = video_file(data, milliseconds=milliseconds, side=32, limits=Limits())
    shown = Image.open(io.BytesIO(made))
    assert max(shown.size) == 32
    return shown.convert("L").getpixel((5, 5))  # pyright: ignore[reportReturnType]


def test_a_video_is_shown_at_a_moment_and_beyond_its_end_as_it_ended() -> None:
    levels = [10 * number for number in range(26)]
    data = make_video([level_frame(level) for level in levels], [100 * number for number in range(26)])
    for milliseconds, level in ((0, 0), (1250, 120), (2500, 250), (60_000, 250)):
        assert grey_at(data, milliseconds) == pytest.approx(level, abs=8), milliseconds


def test_a_turned_video_is_shown_upright() -> None:
    data = make_video([level_frame(9)] * 3, [0, 100, 200], rotation=90)
    width, height = Image.open(io.BytesIO(video_file(data, milliseconds=0, side=32, limits=Limits()))).size
    assert width < height


def test_what_is_no_picture_is_a_media_error() -> None:
    with pytest.raises(MediaError):
        picture_file(b"no picture", side=32, limits=Limits())
    with pytest.raises(MediaError):
        video_file(b"no video", milliseconds=0, side=32, limits=Limits())
