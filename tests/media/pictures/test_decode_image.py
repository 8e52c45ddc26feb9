import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import MOST_PIXELS, decode_image

LIMITS = Limits()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> Image.Image:
    return decode_image(encoded(image, kind, **options), limits=LIMITS)


def marked() -> Image.Image:
    """3 x 2, red at the top left, blue at the bottom right."""
    image = Image.new("RGB", (3, 2), (0, 255, 0))
    image.putpixel((0, 0), (255, 0, 0))
    image.putpixel((2, 1), (0, 0, 255))
    return image


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(MediaError) as caught:
        decode_image(data, limits=limits)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM"])
def test_every_kind_decodes_to_rgb_of_its_size(kind: str) -> None:
    picture = decoded(Image.new("RGB", (16, 9), (10, 20, 30)), kind)
    assert picture.mode == "RGB"
    assert picture.size == (16, 9)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_exif_orientation_is_applied(kind: str, orientation: int, turned: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = marked() if turned is None else marked().transpose(turned)
    assert decoded(stored, kind, exif=exif).tobytes() == marked().tobytes()


def test_grey_of_16_bits_is_scaled_and_not_clipped() -> None:
    ramp = np.arange(65536, dtype="u2").reshape(256, 256)
    picture = np.asarray(decoded(Image.fromarray(ramp)))
    assert (picture[..., 0] == ramp >> 8).all()


def test_a_pgm_of_16_bits_is_scaled_by_its_full_range() -> None:
    picture = decode_image(b"P5\n2 1\n65535\n\x00\x00\x80\x00", limits=LIMITS)
    assert picture.tobytes() == bytes([0, 0, 0, 128, 128, 128])


def test_floats_are_scaled_from_least_to_greatest() -> None:
    values = Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype="f4"))
    assert np.asarray(decoded(values, "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 128]


def test_cmyk_becomes_rgb() -> None:
    picture = decoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    red, green, blue = picture.getpixel((4, 4))  # type: ignore[misc]
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_the_background(mode: str) -> None:
    clear = Image.new(mode, (2, 2), 0)
    assert decoded(clear).getpixel((0, 0)) == (255, 255, 255)
    green = decode_image(encoded(clear), limits=Limits(background=(0, 255, 0)))
    assert green.getpixel((0, 0)) == (0, 255, 0)


def test_a_transparent_palette_colour_shows_the_background() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    picture = decoded(image, transparency=0)
    assert [picture.getpixel((0, 0)), picture.getpixel((1, 0))] == [(255, 255, 255), (0, 0, 255)]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    picture = decoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert picture.getpixel((4, 4)) == (255, 0, 0)


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    data = encoded(Image.new("RGB", (100, 100)))
    header_only = data[:60]
    assert reason(header_only, Limits(max_pixels=9_999)) == "too many pixels"
    assert decode_image(data, limits=Limits(max_pixels=10_000)).size == (100, 100)


def test_a_truncated_image_is_broken() -> None:
    data = encoded(Image.effect_noise((64, 64), 50), "JPEG")
    assert reason(data[: len(data) // 2]) == "broken image"


def test_a_header_alone_is_broken() -> None:
    assert reason(encoded(marked(), "GIF")[:8]) == "broken image"


@pytest.mark.parametrize(
    "data", [b"", b"words", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x00" * 50]
)
def test_what_is_no_image_is_unsupported(data: bytes) -> None:
    assert reason(data) == "unsupported image"


def test_pillow_warnings_stay_silent_where_warnings_are_errors() -> None:
    cut_short = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05"  # five tags announced, none there
    data = encoded(marked(), "JPEG", exif=cut_short)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(data, limits=LIMITS).size == (3, 2)


def test_a_large_image_within_the_limit_raises_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decoded(marked()).size == (3, 2)


def test_threads_decode_side_by_side() -> None:
    sources = [encoded(Image.new("RGB", (64, 64), (n, n, n))) for n in range(60)]
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda data: decode_image(data, limits=LIMITS), sources))
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(n, n, n) for n in range(60)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["malformed_pillow", "malformed_small"])
def test_malformed_files_give_a_picture_or_a_media_error(shared_data: Path, name: str) -> None:
    reasons: dict[str, int] = {}
    for path in (each for each in sorted((shared_data / name).rglob("*")) if each.is_file()):
        try:
            picture = decode_image(path.read_bytes(), limits=LIMITS)
            assert picture.mode == "RGB" and min(picture.size) > 0
            outcome = "decoded"
        except MediaError as error:
            outcome = error.reason
        reasons[outcome] = reasons.get(outcome, 0) + 1
    assert set(reasons) <= {"decoded", "broken image", "unsupported image", "too many pixels"}
    assert reasons["decoded"] >= {"malformed_pillow": 130, "malformed_small": 10}[name]


def test_the_same_photo_in_every_orientation_looks_the_same(shared_data: Path) -> None:
    files = sorted((shared_data / "image_exif_orientation").glob("*.jpg"))
    assert len(files) == 9
    pictures = [decode_image(path.read_bytes(), limits=LIMITS) for path in files]
    assert {picture.size for picture in pictures} == {(1200, 1800)}
    small = [np.asarray(picture.resize((32, 32), Image.Resampling.BOX)).astype("f4") for picture in pictures]
    # Each file was compressed apart and carries its own number, so pixels are near and not equal.
    assert max(float(np.abs(each - small[0]).mean()) for each in small) < 0.5


@pytest.mark.parametrize(("side", "made"), [(7071, 7071), (7072, 3536), (9999, 5000)])
def test_a_very_large_picture_comes_at_half_its_size(side: int, made: int) -> None:
    out = io.BytesIO()
    Image.new("1", (side, side), 1).save(out, "PNG")
    picture = decode_image(out.getvalue(), limits=LIMITS)
    assert picture.mode == "RGB"
    assert picture.size == (made, made)
    assert picture.getpixel((made - 1, made - 1)) == (255, 255, 255)
    assert picture.width * picture.height <= MOST_PIXELS
