"""jpeg_side: a photo is decoded at a fraction of its size, as a part of the encoder version."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.cutting_recipe import recipe_of
from tests.support import settings


def photo(width: int, height: int, kind: str = "JPEG", orientation: int = 1) -> bytes:
    """Smooth colours with some structure, as photos have."""
    across, down = np.meshgrid(np.linspace(0, 12, width), np.linspace(0, 9, height))
    waves = np.stack([np.sin(across), np.cos(down), np.sin(across + down)], axis=-1)
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(((waves + 1) * 127).astype("u1")).save(out, kind, exif=exif, quality=92)
    return out.getvalue()


@pytest.mark.parametrize(
    ("side", "size"),
    [
        (1201, (1600, 1200)),
        (1200, (1600, 1200)),
        (600, (800, 600)),
        (448, (800, 600)),
        (300, (400, 300)),
        (1, (200, 150)),
    ],
)
def test_a_jpeg_is_as_small_as_keeps_the_side(side: int, size: tuple[int, int]) -> None:
    assert decode_image(photo(1600, 1200), limits=Limits(jpeg_side=side)).size == size


def test_what_is_left_is_the_same_picture_and_upright() -> None:
    data = photo(1600, 1200, orientation=6)
    whole, reduced = decode_image(data, limits=Limits()), decode_image(data, limits=Limits(jpeg_side=448))
    assert whole.size == (1200, 1600) and reduced.size == (600, 800)
    difference = np.abs(np.asarray(whole.reduce(2), dtype=int) - np.asarray(reduced, dtype=int))
    assert difference.mean() < 1.5


def test_other_kinds_are_decoded_whole() -> None:
    assert decode_image(photo(1600, 1200, "PNG"), limits=Limits(jpeg_side=100)).size == (1600, 1200)


def record(folder: Path, **encoder: object) -> VersionRecord:
    return Steps(settings(folder, encoders={"pixels": {"model": "pixels", **encoder}})).resolve("pixels").record


def test_it_is_a_part_of_the_version_which_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    first, reduced, again = record(tmp_path), record(tmp_path, jpeg_side=64), record(tmp_path)
    assert first.version == again.version != reduced.version
    assert recipe_of(reduced, Limits()).limits == Limits(jpeg_side=64)
    assert recipe_of(first, Limits(jpeg_side=64)).limits.jpeg_side is None
