"""Disturbances: what happens to texts, pictures and sounds on their way to a search: a function each, seeded."""

import io
import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.media.payload import Sound
from embed_assets.quality.queries.held_out_queries import crop_of

if TYPE_CHECKING:
    from PIL.Image import Image

Disturbance = Callable[[Any, int], Any]  # a payload and a seed → a payload of its kind

_TYPOS = 0.05  # of the letters
_QUALITY = 20
_SHIFT = 0.08  # of each side
_DEGREES = 10
_DEVIATION = 25.0  # of 255
_NARROW = 8000  # Hz
_SIGNAL_TO_NOISE = 10.0  # dB


def typos(text: str, seed: int) -> str:
    """Swap with the next, drop or double one letter in twenty."""
    draw, letters, found = np.random.default_rng(seed), list(text), list[str]()
    while letters:
        letter = letters.pop(0)
        kind = int(draw.integers(3)) if letter.isalpha() and draw.random() < _TYPOS else None
        if kind == 0 and letters and letters[0].isalpha():
            found += [letters.pop(0), letter]
        elif kind == 1:
            continue
        else:
            found += [letter] * (2 if kind == 2 else 1)
    return "".join(found)


def capitals(text: str, seed: int) -> str:
    """Write everything in capitals."""
    return text.upper()


def without_accents(text: str, seed: int) -> str:
    """Leave accents out: é is e, ß is ss."""
    plain = unicodedata.normalize("NFD", text.replace("ß", "ss"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def jpeg(picture: "Image", seed: int) -> "Image":
    """Compress as a JPEG of quality 20."""
    from PIL import Image

    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return Image.open(stream).convert("RGB")


def shift(picture: "Image", seed: int) -> "Image":
    """Move by 8 % of each side, in a direction by the seed; the edge is repeated."""
    from PIL import Image

    across, down = (max(1, int(side * _SHIFT)) for side in picture.size)
    right, below = (bool(bit) for bit in np.random.default_rng(seed).integers(0, 2, 2))
    padded = np.pad(np.asarray(picture), ((down, down), (across, across), (0, 0)), mode="edge")
    left, top = (0 if right else 2 * across), (0 if below else 2 * down)
    width, height = picture.size
    return Image.fromarray(padded[top : top + height, left : left + width])


def crop(picture: "Image", seed: int) -> "Image":
    """Keep three quarters of each side, somewhere inside."""
    return crop_of(picture, seed=seed)


def rotation(picture: "Image", seed: int) -> "Image":
    """Turn by ten degrees; the corners are of the picture's mean colour."""
    from PIL import Image

    red, green, blue = np.asarray(picture).reshape(-1, 3).mean(axis=0)
    fill = (int(red), int(green), int(blue))
    return picture.rotate(_DEGREES, resample=Image.Resampling.BICUBIC, fillcolor=fill)


def grain(picture: "Image", seed: int) -> "Image":
    """Add Gaussian noise with a standard deviation of 25 of 255."""
    from PIL import Image

    pixels = np.asarray(picture, dtype=np.float32)
    noisy = pixels + np.random.default_rng(seed).normal(0, _DEVIATION, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def telephone(sound: Sound, seed: int) -> Sound:
    """Resample to 8 kHz and back: nothing above 4 kHz is left."""
    spectrum = np.fft.rfft(sound.samples)
    spectrum[np.fft.rfftfreq(len(sound.samples), 1 / sound.rate) > _NARROW / 2] = 0
    return Sound(np.fft.irfft(spectrum, n=len(sound.samples)).astype(np.float32), sound.rate)


def hiss(sound: Sound, seed: int) -> Sound:
    """Add white noise, 10 dB below the sound's mean power."""
    deviation = float(np.sqrt(np.mean(np.square(sound.samples)))) * 10 ** (-_SIGNAL_TO_NOISE / 20)
    noise = np.random.default_rng(seed).normal(0, deviation, len(sound.samples))
    return Sound((sound.samples + noise).astype(np.float32), sound.rate)


DISTURBANCES: Mapping[str, Mapping[str, Disturbance]] = {
    "text": {"typos": typos, "capitals": capitals, "without accents": without_accents},
    "image": {"JPEG quality 20": jpeg, "shift": shift, "crop": crop, "rotation 10°": rotation, "noise": grain},
    "audio": {"8 kHz": telephone, "noise": hiss},
}


def modality_of(payload: Any) -> str | None:
    """Return the kind of a segment's payload, None where nothing here disturbs it: clips of videos."""
    if isinstance(payload, str):
        return "text"
    if isinstance(payload, Sound):
        return "audio"
    return "image" if hasattr(payload, "convert") else None
