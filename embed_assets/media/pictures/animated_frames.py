"""picture_frames: some frames of an animated picture, each with the time at which it shows."""

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image, loaded_rgb, open_image, upright_rgb

if TYPE_CHECKING:
    from PIL import Image

# Pages of a TIFF are no animation.
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_SHORTEST, _STAND_IN = 10, 100  # ms: frames that show no longer than the first, browsers show for the second

Shown = tuple[int | None, int | None, "Image.Image"]


def shown_pictures(data: bytes, *, most: int | None, limits: Limits) -> Iterator[Shown]:
    """Yield a picture, or up to `most` frames of an animated one, with the times at which they show."""
    if most is None:
        yield None, None, decode_image(data, limits=limits)
    else:
        yield from picture_frames(data, most=most, limits=limits)


def picture_frames(data: bytes, *, most: int, limits: Limits) -> Iterator[Shown]:
    """Yield start and end in milliseconds, and the frame in mode RGB, one by one; times of a still picture are None.

    The frames are those on screen at the middle of each of `most` equal parts of the whole time, each
    once: never more than the picture has. Raises MediaError as `decode_image` does, and "too many
    frames". Decodes every frame twice at most: how long one shows is known once it is decoded.
    """
    with open_image(data, limits) as image:
        count = int(getattr(image, "n_frames", 1))
        if image.format not in _ANIMATED or count < 2:
            yield None, None, loaded_rgb(image, data, limits)
            return
        ends = list(accumulate(_shown_for(image, number) for number in range(count)))
        numbers = _on_screen(ends, most)
        _check(len(numbers), image.size, limits)
        for number in numbers:
            yield ends[number - 1] if number else 0, ends[number], _frame(image, number, limits)


def _shown_for(image: "Image.Image", number: int) -> int:
    image.seek(number)
    image.load()  # WebP has the duration only then
    duration = round(float(image.info.get("duration") or 0))
    return duration if duration > _SHORTEST else _STAND_IN


def _frame(image: "Image.Image", number: int, limits: Limits) -> "Image.Image":
    image.seek(number)
    image.load()
    return upright_rgb(image, limits).copy()  # an RGB frame is the file's own buffer, and changes with the next


def _on_screen(ends: list[int], most: int) -> list[int]:
    """Return the numbers of the frames shown at the middles of equal parts, each once, ascending."""
    count = min(most, len(ends))
    middles = [(2 * part + 1) * ends[-1] / (2 * count) for part in range(count)]
    return list(dict.fromkeys(next(number for number, end in enumerate(ends) if middle < end) for middle in middles))


def _check(count: int, size: tuple[int, int], limits: Limits) -> None:
    if count > limits.max_frames:
        problem = f"{count:,}; the limit max_frames is {limits.max_frames:,}"
        raise MediaError("too many frames", f"{problem}: raise it, or set fewer animated_frames")
    size_bytes = count * size[0] * size[1] * 3
    if size_bytes > limits.decode_megabytes * 2**20 // 2:
        problem = f"they take {size_bytes:,} bytes, over half of decode_megabytes ({limits.decode_megabytes:,})"
        raise MediaError("too many frames", f"{problem}: raise it, or set fewer animated_frames")
