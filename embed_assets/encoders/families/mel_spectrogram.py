"""Log-mel spectrogram in numpy, and MelEncoder: its statistics as the vector that needs no model."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.encoders.parts.media_encoder import check_rate, one_modality, refuse_truncation, samples_of
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.media_types import Modality

RATE = 16_000  # Hz
WINDOW = 400  # samples: 25 ms, Hann
HOP = 160  # samples: 10 ms
POINTS = 1024  # of the transform; with fewer the lowest of 64 bands would hold no frequency
FLOOR = 1e-10  # -100 dB of full scale: below it, it is silence
BLOCK = 4096  # frames transformed at once
LONGEST = 600  # seconds

BANDS = 64
# Centre and width, in dB, of the bands' mean about the sound's own level, of their standard deviation
# and of their mean step from frame to frame: rounded from 79 sounds of ESC-10, fold 1.
CENTRES = (0.0, 10.0, 3.0)
WIDTHS = (7.0, 7.0, 1.3)


class MelEncoder(Encoder):
    """Mean, standard deviation and mean absolute step of the level in dB of each mel band; 192 numbers.

    A baseline that a model has to beat: no weights, no download, no torch. The sound's mean level is
    taken off the means, so that a louder copy is (above the floor) the same sound. Each number is
    standardised by constants, not by the batch or the sound: silence has a vector, too.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        refuse_truncation(spec)
        check_rate(spec, RATE)
        self.spec, self.device, self.dtype = spec, device, dtype
        self.dim = 3 * BANDS

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Compute the statistics, float32 (192,): all the work. Cost in pixels of the spectrogram."""
        levels = log_mel(samples_of(self.spec, modality, payload, rate=RATE, most=LONGEST * RATE), BANDS)
        return Prepared(modality="audio", cost=levels.size, data=statistics(levels))

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), 192)."""
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        one_modality(batch)
        vectors = np.stack([prepared.data for prepared in batch])
        if self.spec.unit_length:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def identity(self) -> Mapping[str, str]:
        """Return the constants of the formula, which has one precision whatever `dtype` is."""
        return {
            "preprocessing": mel_hash(BANDS),
            "pooling": canonical_hash(["mean, deviation and step of each band, level taken off", CENTRES, WIDTHS]),
            "unit_length": str(self.spec.unit_length),
            "dtype": "float32",
        }


def statistics(levels: np.ndarray) -> np.ndarray:
    """Return standardised mean, standard deviation and mean absolute step of each band: float32, (3 * bands,)."""
    means = levels.mean(axis=1)
    steps = np.abs(np.diff(levels, axis=1))
    three = (means - means.mean(), levels.std(axis=1), steps.mean(axis=1) if steps.size else np.zeros_like(means))
    rows = [(row - centre) / width for row, centre, width in zip(three, CENTRES, WIDTHS, strict=True)]
    return np.concatenate(rows).astype(np.float32)


def log_mel(samples: np.ndarray, bands: int) -> np.ndarray:
    """Return levels in dB of full scale: float64, (bands, frames), one frame for every 10 ms begun.

    10 log10 of the power spectrum (Hann window of 25 ms), summed under triangles that are evenly
    spaced on HTK's scale, mel = 2595 log10(1 + Hz / 700), from 0 to 8 kHz.
    """
    frames = -(-len(samples) // HOP)
    padded = np.zeros((frames - 1) * HOP + WINDOW, dtype=np.float64)
    padded[: len(samples)] = samples[: len(padded)]
    cut = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window, filters = _hann(), mel_filters(bands)
    levels = np.empty((bands, frames))
    for start in range(0, frames, BLOCK):
        spectrum = np.fft.rfft(cut[start : start + BLOCK] * window, POINTS)
        power = filters @ (spectrum.real**2 + spectrum.imag**2).T
        levels[:, start : start + BLOCK] = 10 * np.log10(np.maximum(power, FLOOR))
    return levels


@cache
def mel_filters(bands: int) -> np.ndarray:
    """Return triangles of height 1, float64, (bands, POINTS // 2 + 1)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    hertz = np.linspace(0, RATE / 2, POINTS // 2 + 1)
    rise = (hertz - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - hertz) / np.diff(corners)[1:, None]
    return np.maximum(0, np.minimum(rise, fall))


def mel_hash(bands: int) -> str:
    """Hash the spectrogram's constants."""
    return canonical_hash(["htk, power, dB", RATE, WINDOW, HOP, POINTS, FLOOR, bands])


@cache
def _hann() -> np.ndarray:
    """Return a periodic Hann window with the sum 1, so that levels don't depend on its length."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return window / window.sum()


FAMILY = Family(
    name="mel_spectrogram",
    encoder=MelEncoder,
    defaults={
        "modalities": ("audio",),
        "media": ("audio",),
        "space": "audio",
        "sample_rate": 16_000,
        "window_seconds": 10.0,
    },
    recognises=lambda model: model.name == "builtin/mel",
)
ENCODERS = (
    FAMILY.spec(
        "mel",
        "builtin/mel",
        dim=192,
        tap="log-mel spectrogram",
        pooling="mean, deviation and step of each band",
        license="Apache-2.0",
        download_mb=0,
        source="this package; mel scale of HTK",
    ),
)
