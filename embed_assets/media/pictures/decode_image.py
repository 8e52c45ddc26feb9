"""decode_image: a file's bytes as an upright RGB picture, or a MediaError that can be counted."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embed_assets.errors import MediaError
from embed_assets.media.kinds.pillow_formats import RARE_FORMATS, TARGA, silence_pillow
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.deep_pictures import deep_picture
from embed_assets.media.recordings.container import COPY

if TYPE_CHECKING:
    from PIL import Image

# Pillow opens some forty kinds; among them EPS starts ghostscript and others are stubs.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM", *RARE_FORMATS, TARGA)

# Pixels of a picture that is returned: Pillow stores four bytes a pixel, and an encoder uses less than a hundredth.
MOST_PIXELS = 50_000_000

# Ways out, for messages.
SAVE = "open it where it was made and save it as PNG"
SMALLER = "make the picture smaller"

_ORIENTATION, _BITS, _SAMPLES = 0x0112, 258, 339


def decode_image(data: bytes, *, limits: Limits) -> "Image.Image":
    """Return the first frame in mode RGB: upright by EXIF, 16 bits scaled to 8, transparency on the background.

    One of more than MOST_PIXELS has half, or a third, of its width and height. With `limits.jpeg_side` a JPEG has a
    half, a quarter or an eighth, as small as keeps that many pixels on both sides: libjpeg scales in the DCT, so that a
    photo of 12 megapixels takes a sixth of the time (Pillow, `Image.draft`).

    Embedded colour profiles are not applied. Raises MediaError alone, "unsupported image", "broken
    image", "too many pixels" or "out of memory", whatever Pillow raises: its parsers let SyntaxError, struct.error and
    others through. May be called from several threads.
    """
    with open_image(data, limits) as image:
        return loaded_rgb(image, data, limits)


def thumbnail(data: bytes, *, side: int, limits: Limits) -> "Image.Image":
    """Decode an image, no wider and no higher than `side`."""
    picture = decode_image(data, limits=limits)
    picture.thumbnail((side, side))
    return picture


def picture_size(data: bytes, *, limits: Limits) -> tuple[int, int]:
    """Return width and height in pixels, by the file's header alone. Raises MediaError."""
    with open_image(data, limits) as image:
        return image.size


@contextmanager
def open_image(data: bytes, limits: Limits) -> "Iterator[Image.Image]":
    """Open a picture without decoding it; inside the block every error becomes a MediaError."""
    from PIL import Image

    silence_pillow()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image, limits)
        if limits.jpeg_side is not None and image.format == "JPEG":
            image.draft(None, (limits.jpeg_side, limits.jpeg_side))
        yield image
    except MediaError:
        raise
    except Image.UnidentifiedImageError as error:
        sniffed = sniff(data)
        file = f"{sniffed.mime} of {len(data):,} bytes"
        if sniffed.modality != "image":
            raise MediaError("unsupported image", f"{file}, which is no picture to Pillow; {SAVE}") from error
        rare = "it is cut short, or of a rare form (floating point, 12 or 32 bits, lossless JPEG)"
        raise MediaError("broken image", f"{file} that Pillow can't read: {rare}; {COPY}, or {SAVE}") from error
    except Image.DecompressionBombError as error:
        raise MediaError("too many pixels", f"{error}: {SMALLER}") from error
    except MemoryError as error:
        raise MediaError("out of memory", f"{len(data):,} bytes; raise the limit decode_megabytes") from error
    except Exception as error:
        problem = f"Pillow fails on it: {str(error) or type(error).__name__}"
        raise MediaError("broken image", f"{problem}; {COPY}, or {SAVE}") from error


def loaded_rgb(image: "Image.Image", data: bytes, limits: Limits) -> "Image.Image":
    """Return the first frame of an open picture, as `upright_rgb`."""
    deep = deep_picture(image, data)
    if deep is not None:
        return _bounded(_upright(_rgb(deep, limits.background), _orientation(image)))
    image.load()
    return upright_rgb(image, limits)


def checked_rgb(image: "Image.Image", limits: Limits) -> "Image.Image":
    """Return a picture that was opened elsewhere, as `decode_image` does. Raises MediaError "too many pixels"."""
    _check_size(image, limits)
    image.load()
    return upright_rgb(image, limits)


def upright_rgb(image: "Image.Image", limits: Limits) -> "Image.Image":
    """Return the loaded frame in mode RGB, on the background, upright by EXIF."""
    return _bounded(_upright(_rgb(image, limits.background), _orientation(image)))


def _bounded(picture: "Image.Image") -> "Image.Image":
    parts = math.ceil(math.sqrt(picture.width * picture.height / MOST_PIXELS))
    return picture if parts < 2 else picture.reduce(parts)


def _check_size(image: "Image.Image", limits: Limits) -> None:
    """Check the size in the header: Image.open decodes nothing before load()."""
    width, height = image.size
    if width * height > limits.max_pixels:
        problem = f"{width} x {height}; the limit max_pixels is {limits.max_pixels:,}"
        raise MediaError("too many pixels", f"{problem}: raise it, or {SMALLER}")
    if width < 1 or height < 1:
        raise MediaError("broken image", f"its header has {width} x {height} pixels; {COPY}")


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF tag, read after load(): Pillow turns a TIFF itself and then drops its tag."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the EXIF block is broken, but not the pixels
        return 1


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _rgb(image: "Image.Image", background: tuple[int, int, int]) -> "Image.Image":
    from PIL import Image

    if image.format == "XBM":  # whose ones are black, to X, and white to Pillow
        image = image.point(lambda value: 255 - value)
    if image.mode.startswith("I") or image.mode == "F":
        return _to_8_bits(image).convert("RGB")
    if image.mode == "La":  # premultiplied grey, for which Pillow has no way to RGBA but this
        image = image.convert("LA")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), above).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(image: "Image.Image") -> "Image.Image":
    """Return grey of 16 bits by its upper byte; 32 bits and floats from their least to their greatest value.

    Pillow's own convert() clips at 255: all but the darkest pixels turn white.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((values.astype("u4") >> 8).astype("u1"))
    if image.mode == "I" and image.format == "TIFF" and _unsigned(image):
        values = values.view("u4")
    values = np.nan_to_num(values.astype("f8"), posinf=0.0, neginf=0.0)
    low, span = values.min(), values.max() - values.min()
    return Image.fromarray(((values - low) * (255 / span if span else 0)).round().astype("u1"))


def _unsigned(image: "Image.Image") -> bool:
    """Return whether a TIFF's whole numbers of 32 bits have no sign, which to Pillow they all have."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_BITS) == (32,) and tags.get(_SAMPLES, (1,))[0] == 1
