"""Canaries: fixed inputs of each modality, whose vectors must not move while the encoder version stays."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.media_types import Modality
from embed_assets.media.payload import Clip, Sound

if TYPE_CHECKING:
    from PIL.Image import Image

TEXTS = (
    "The keeper counted eleven gulls, then the fog took the harbour.",
    "SELECT name FROM birds WHERE wingspan > 1.5;",
    "Žluťoučký kůň and 図書館, 3.14 €: one line\nand another.",
    "again and again " * 40,
)
SIZES = ((96, 64), (320, 240))  # width, height
SECONDS = 1.3
RATE = 16_000  # Hz, if the spec names none
FRAMES = 8  # if the spec names none
CLIP_SIZE = (128, 96)

# Largest difference that does not count as movement, as a share of the largest number (1 for unit length). Batches,
# padding and threads move float32 by 1.4e-7; half precision rounds by 4.9e-4 (float16) and 3.9e-3
# (bfloat16) at every layer; servers answer the same text with differences up to 1e-4.
BOUNDS: Mapping[str, float] = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2}
SERVER_BOUND = 1e-3


def canary_payloads(spec: EncoderSpec, modality: Modality) -> list[Any]:
    """Make the inputs of one modality, of whole numbers, so that no library's random numbers enter."""
    if modality == "text":
        return list(TEXTS)
    if modality == "image":
        return [canary_picture(width, height) for width, height in SIZES]
    sound = canary_sound(spec.sample_rate or RATE, seconds=min(SECONDS, spec.window_seconds or SECONDS))
    if modality == "audio":
        return [sound]
    return [canary_clip(spec.frames or FRAMES, sound=sound)]


def canary_vectors(encoder: Encoder, modalities: Collection[Modality] | None = None) -> dict[str, np.ndarray]:
    """Encode the canaries: float32 (inputs, dim) by modality, of all that the encoder takes or of those given.

    Each is encoded alone: no padding enters.
    """
    vectors: dict[str, np.ndarray] = {}
    for modality in encoder.spec.modalities if modalities is None else modalities:
        prepared = [encoder.prepare(modality, payload) for payload in canary_payloads(encoder.spec, modality)]
        vectors[modality] = np.concatenate([encoder.encode([one]) for one in prepared])
    return vectors


def movement(before: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the largest difference by modality, as a share of the largest number; infinite if shapes differ."""
    moved = {}
    for modality, old in before.items():
        new = now.get(modality)
        if new is None or new.shape != old.shape or not np.isfinite(new).all():
            moved[modality] = float("inf")
            continue
        scale = max(1.0, float(np.abs(old).max()))
        moved[modality] = float(np.abs(new - old).max()) / scale
    return moved


def bound_of(spec: EncoderSpec, dtype: str) -> float:
    """Return how far canaries of an encoder may move before they count as moved."""
    return SERVER_BOUND if spec.model.startswith("api:") else BOUNDS[dtype]


def canary_picture(width: int, height: int, shift: int = 0) -> "Image":
    """Draw an RGB picture of waves and edges."""
    from PIL import Image

    return Image.fromarray(_pixels(width, height, shift))


def canary_sound(rate: int, *, seconds: float = SECONDS) -> Sound:
    """Make a tone that rises from 200 to 3000 Hz, beating four times a second."""
    at = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (200 * at + (3000 - 200) * at**2 / (2 * SECONDS))
    beat = 0.6 + 0.4 * np.cos(2 * np.pi * 4 * at)
    return Sound(samples=(0.5 * beat * np.sin(phase)).astype(np.float32), rate=rate)


def canary_clip(frames: int, *, sound: Sound | None) -> Clip:
    """Make a clip of the picture, moving to the right at ten frames a second."""
    width, height = CLIP_SIZE
    shown = np.stack([_pixels(width, height, 5 * number) for number in range(frames)])
    return Clip(frames=shown, times=np.arange(frames) / 10, sound=sound)


def _pixels(width: int, height: int, shift: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    x = x + shift
    red = np.abs((5 * x + 3 * y) % 510 - 255)
    green = np.where((x // 16 + y // 12) % 2 == 0, 40, 220)
    blue = np.abs((x * y // 7) % 510 - 255)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)
