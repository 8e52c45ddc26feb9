"""Held-out queries: near the rows of the table, never one of them.

A query taken from the table finds itself, and overstates recall by 3 to 4 points. Here a text query is a
span of some words from inside a chunk; other queries are parts of pictures, sounds and clips.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.media.media_types import Modality
from embed_assets.media.payload import Clip, Sound

if TYPE_CHECKING:
    from PIL.Image import Image

_CROP = 0.75  # share of each side that a crop keeps
_WORDS = 12


def span_of(text: str, *, seed: int) -> str | None:
    """Return up to twelve consecutive words from inside a text; None if it is too short to leave words out."""
    words = text.split()
    length = min(_WORDS, len(words) * 2 // 3)
    if length < 3:
        return None
    start = int(np.random.default_rng(seed).integers(0, len(words) - length + 1))
    return " ".join(words[start : start + length])


def crop_of(picture: "Image", *, seed: int) -> "Image":
    """Crop three quarters of each side, somewhere inside the picture."""
    width, height = (max(1, int(side * _CROP)) for side in picture.size)
    draw = np.random.default_rng(seed)
    left, top = (
        int(draw.integers(0, side - part + 1)) for side, part in zip(picture.size, (width, height), strict=True)
    )
    return picture.crop((left, top, left + width, top + height))


def part_of(payload: Any, *, seed: int) -> tuple[Modality, Any]:
    """Return the modality and three quarters of a picture, of a sound's length, or of every frame of a clip."""
    if isinstance(payload, Sound):
        length = max(1, int(len(payload.samples) * _CROP))
        start = int(np.random.default_rng(seed).integers(0, len(payload.samples) - length + 1))
        return "audio", Sound(payload.samples[start : start + length], payload.rate)
    if isinstance(payload, Clip):
        height, width = (int(side * (1 - _CROP) / 2) for side in payload.frames.shape[1:3])
        frames = payload.frames[:, height : payload.frames.shape[1] - height, width : payload.frames.shape[2] - width]
        return "video", Clip(np.ascontiguousarray(frames), payload.times, payload.sound)
    return "image", crop_of(payload, seed=seed)


def evenly(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Choose `count` rows, spread evenly over all in order of segment id: the same choice on every run."""
    ordered = sorted(rows, key=lambda row: row["segment_id"])
    return [ordered[place] for place in even_places(len(ordered), count)]


def even_places(rows: int, count: int) -> list[int]:
    """Return up to `count` places, spread evenly over so many rows."""
    return [int(place) for place in np.linspace(0, rows - 1, count)] if rows > count else list(range(rows))
