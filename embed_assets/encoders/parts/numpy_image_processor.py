"""NumpyImageProcessor: the pixels of an image processor of transformers to the last bit, without torch.

Resizing is separable: along each axis a picture is multiplied by a matrix of whole numbers, and rounded to 8 bits.
Weights and rounding are those of torch's antialiased resize of uint8 (aten/native/cpu/UpSampleKernel.cpp), which is
Pillow's with 16-bit weights; the steps around it are those of transformers' TorchvisionBackend.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Self

import numpy as np

_BILINEAR, _BICUBIC = 2, 3  # Pillow's numbers, which settings have
_ROWS = 512  # of a picture that are multiplied at once: float64 takes eight times its memory
_PRECISION = 22  # bits of a weight at most
_MOST_WEIGHTS = 2**22  # of a matrix: 12,000 pixels to 336; a strip 1 pixel high would take gigabytes
_FLAGS = ("do_resize", "do_rescale", "do_normalize")


class NumpyImageProcessor:
    """Resizes, crops and normalises pictures as the settings of a processor of transformers say."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        scale = np.float32(1.0 / settings["rescale_factor"])
        self._mean, self._std = (
            (np.array(settings[name], dtype=np.float32) * scale)[:, None, None] for name in ("image_mean", "image_std")
        )

    @classmethod
    def equal_to(cls, processor: Any, settings: Mapping[str, Any]) -> Self | None:
        """Return one whose pixels of pictures of many shapes are those of `processor`; None where none are."""
        if not all(settings.get(flag) for flag in _FLAGS) or settings.get("do_pad"):
            return None
        if settings.get("resample") not in (_BILINEAR, _BICUBIC):
            return None
        if {name for name, side in settings["size"].items() if side} not in ({"shortest_edge"}, {"height", "width"}):
            return None  # with a longest edge too, which no picture below reaches
        try:
            own = cls(settings)
            return own if all(_equal(own(picture), processor, picture) for picture in _pictures()) else None
        except (KeyError, TypeError, ValueError):  # settings of another kind
            return None

    def __call__(self, picture: Any) -> np.ndarray:
        """Return pixels of an RGB picture, float32 (3, height, width).

        Raises ValueError where it has to be padded, and of one so long and narrow that it takes much memory.
        """
        pixels = np.asarray(picture, dtype=np.uint8)
        pixels = _resized(pixels, *self._size(*pixels.shape[:2]), cubic=self._settings["resample"] == _BICUBIC)
        if self._settings.get("do_center_crop"):
            crop = self._settings["crop_size"]
            pixels = _cropped(pixels, crop["height"], crop["width"])
        return (np.moveaxis(pixels, -1, 0).astype(np.float32) - self._mean) / self._std

    def _size(self, height: int, width: int) -> tuple[int, int]:
        size = self._settings["size"]
        if "shortest_edge" not in size:
            return size["height"], size["width"]
        short = size["shortest_edge"]
        long = int(short * max(height, width) / min(height, width))
        return (long, short) if width <= height else (short, long)


def _resized(pixels: np.ndarray, height: int, width: int, *, cubic: bool) -> np.ndarray:
    """Resize uint8 (h, w, 3) to (height, width, 3): along the rows first, then along the columns."""
    rows = [
        _weighted(np.moveaxis(pixels[start : start + _ROWS], 1, 0), width, cubic=cubic)
        for start in range(0, len(pixels), _ROWS)
    ]
    return _weighted(np.concatenate([np.moveaxis(part, 0, 1) for part in rows]), height, cubic=cubic)


def _weighted(pixels: np.ndarray, size: int, *, cubic: bool) -> np.ndarray:
    """Resize the first axis of uint8 (n, …) to `size`."""
    if len(pixels) == size:
        return pixels
    if len(pixels) * size > _MOST_WEIGHTS:
        raise ValueError("a side is too long")
    weights, precision = _weights(len(pixels), size, cubic)
    # Products of whole numbers, and their sums, are exact in float64.
    sums = weights @ pixels.reshape(len(pixels), -1).astype(np.float64)
    rounded = np.floor_divide(sums + 2.0 ** (precision - 1), 2.0**precision)
    return np.clip(rounded, 0, 255).astype(np.uint8).reshape(size, *pixels.shape[1:])


@lru_cache(maxsize=16)
def _weights(length: int, size: int, cubic: bool) -> tuple[np.ndarray, int]:
    """Return the matrix of whole weights, float64 (size, length), and how many bits they are shifted by."""
    scale = length / size
    widened = max(scale, 1.0)
    support = (2.0 if cubic else 1.0) * widened
    centres = scale * (np.arange(size) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), length)
    places = np.arange(length)
    inside = (places >= first[:, None]) & (places < last[:, None])
    kernel: Callable[[np.ndarray], np.ndarray] = _cubic if cubic else _linear
    weights = np.where(inside, kernel((places - centres[:, None] + 0.5) / widened), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    precision, most = 0, weights.max()
    while precision < _PRECISION and int(0.5 + most * 2 ** (precision + 1)) < 2**15:
        precision += 1
    return np.trunc(weights * 2.0**precision + np.copysign(0.5, weights)), precision


def _linear(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution with a = -0.5."""
    x = np.abs(distance)
    near, far = (1.5 * x - 2.5) * x * x + 1.0, (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _cropped(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    above, left = pixels.shape[0] - height, pixels.shape[1] - width
    if above < 0 or left < 0:
        raise ValueError("a picture that is smaller than its crop is padded")
    top, start = int(above / 2), int(left / 2)
    return pixels[top : top + height, start : start + width]


def _equal(pixels: np.ndarray, processor: Any, picture: Any) -> bool:
    return np.array_equal(pixels, processor(images=picture, return_tensors="pt")["pixel_values"][0].numpy())


def _pictures() -> list[Any]:
    """Return pictures of noise and of a slope, larger and smaller than what models take, upright and not."""
    from PIL import Image

    random, found = np.random.default_rng(0), []
    for width, height in ((640, 480), (333, 517), (224, 224), (97, 131), (40, 23)):
        found.append(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    slope = np.linspace(0, 255, 700)[None, :, None] * np.array([1.0, 0.5, 0.2])
    found.append(np.broadcast_to(slope, (180, 700, 3)).astype(np.uint8))
    return [Image.fromarray(pixels) for pixels in found]
