"""Generated sounds of eight kinds, and those of the labelled queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from embed_assets.demo.recorder import SOUNDS, write_sound
from embed_assets.demo.sidecar import write_sidecar

VARIANTS = 20
QUERIES = 3  # per kind
# Prime in number, so that each kind of sound meets every kind of file; mostly the small ones.
SUFFIXES = ("mp3", "ogg", "flac", "mp3", "ogg", "mp3", "ogg", "wav", "ogg", "mp3", "ogg", "mp3", "ogg")
# A bell's partials: pitch, level and how long it rings, as parts of the strike note's.
BELL = ((0.5, 1.0, 0.9), (1.0, 0.8, 0.7), (1.19, 0.6, 0.5), (2.0, 0.5, 0.35), (2.74, 0.4, 0.2), (4.07, 0.3, 0.1))

Random = np.random.Generator
Synthesis = Callable[[Random, np.ndarray, int], np.ndarray]


def write_sounds(folder: Path) -> None:
    """Write the sounds as a mix of MP3, Opus, FLAC and WAV files with their sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for label in KINDS:
        for variant in range(VARIANTS):
            suffix = SUFFIXES[len(rows) % len(SUFFIXES)]
            name = f"{len(rows):04d}.{suffix}"
            write_sound(folder / name, make_sound(label, variant=variant, rate=SOUNDS[suffix].rate))
            rows.append({"file": name, "caption": sound_caption(label), "label": label})
    write_sidecar(folder, rows)


def write_query_sounds(folder: Path) -> None:
    """Write the sounds to search with: variants that `write_sounds` does not write."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, label, variant in query_sounds():
        write_sound(folder / name, make_sound(label, variant=variant, rate=SOUNDS["flac"].rate))


def query_sounds() -> list[tuple[str, str, int]]:
    """List (file name, label, variant) of the queries' sounds."""
    return [
        (f"{label.replace(' ', '-')}-{number}.flac", label, VARIANTS + number)
        for label in KINDS
        for number in range(QUERIES)
    ]


def sound_caption(label: str) -> str:
    """Return the kind as a phrase, such as "a rising sweep"."""
    return label if label.endswith("s") else f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


def make_sound(label: str, *, variant: int, rate: int) -> np.ndarray:
    """Make samples, float64 (n,), of 1.2 to 2.5 s; the same kind and variant always give the same sound."""
    rng = np.random.default_rng([*f"{label}/{variant}".encode()])
    times = np.arange(int(rng.uniform(1.2, 2.5) * rate)) / rate
    tone = KINDS[label](rng, times, rate)
    tone *= 10 ** (rng.uniform(-16, -2) / 20) / np.abs(tone).max()
    edges = np.minimum(1, np.minimum(times, times[::-1]) / 0.01)  # a cut wave would click
    return tone * edges + rng.normal(0, 10 ** (rng.uniform(-60, -50) / 20), len(times))


def _organ_chord(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    root = rng.uniform(110, 330)
    third = rng.choice([1.2, 1.25])
    pipes = [_tone(times, root * step * pipe) / pipe for step in (1, third, 1.5) for pipe in (1, 2, 4)]
    return np.sum(pipes, axis=0) * (1 + 0.15 * np.sin(2 * np.pi * rng.uniform(4, 7) * times))


def _plucked_string(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    """Pluck as Karplus and Strong, 1983: noise in a loop of one period, each round the mean of two neighbours."""
    samples = np.zeros(len(times))
    for start in _beats(rng, times, every=rng.uniform(0.3, 0.9)):
        begin = round(start * rate)
        loop = rng.uniform(-1, 1, round(rate / rng.uniform(90, 440)))
        before, rounds = 0.0, []
        for _ in range((len(times) - begin) // len(loop) + 1):
            rounds.append(loop)
            loop, before = 0.498 * (loop + np.concatenate(([before], loop[:-1]))), loop[-1]
        samples[begin:] += np.concatenate(rounds)[: len(times) - begin]
    return samples


def _bell(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    strike, length = rng.uniform(450, 900), rng.uniform(0.4, 0.9)
    samples = np.zeros(len(times))
    for step, level, fade in BELL:
        samples += level * _tone(times, strike * step) * np.exp(-times / (length * fade))
    return samples


def _rising_sweep(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    low = rng.uniform(100, 400)
    high = low * 2 ** rng.uniform(2.2, 4)
    return _tone(times, low * (high / low) ** (times / times[-1]))


def _falling_sweep(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    return _rising_sweep(rng, times, rate)[::-1].copy()


def _drum_beat(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    samples = np.zeros(len(times))
    deep, snare = rng.uniform(50, 110), rng.uniform(0.3, 0.9)
    for number, start in enumerate(_beats(rng, times, every=rng.uniform(0.18, 0.4))):
        since = times - start
        fade = np.where(since < 0, 0, np.exp(-np.maximum(since, 0) / (0.12 if number % 2 == 0 else 0.07)))
        skin = _tone(times, deep * (1 + 2 * np.exp(-np.maximum(since, 0) / 0.03)))
        samples += fade * (skin if number % 2 == 0 else snare * rng.normal(0, 0.5, len(times)))
    return samples


def _noise_bursts(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    turns = times * rng.uniform(1.5, 6) + rng.uniform()
    return rng.normal(0, 0.3, len(times)) * (turns % 1 < rng.uniform(0.25, 0.7))


def _siren(rng: Random, times: np.ndarray, rate: int) -> np.ndarray:
    """Make pulses whose pitch swings, or jumps between two tones."""
    swing = np.sin(2 * np.pi * (rng.uniform(0.7, 3) * times + rng.uniform()))
    if rng.uniform() < 0.5:
        swing = np.sign(swing)
    pitch = rng.uniform(350, 900) * 2 ** (swing * rng.uniform(0.2, 0.5))
    return np.sum([_tone(times, pitch * step) / step for step in range(1, 7)], axis=0)


KINDS: dict[str, Synthesis] = {
    "organ chord": _organ_chord,
    "plucked string": _plucked_string,
    "bell": _bell,
    "rising sweep": _rising_sweep,
    "falling sweep": _falling_sweep,
    "drum beat": _drum_beat,
    "noise bursts": _noise_bursts,
    "siren": _siren,
}


def _tone(times: np.ndarray, hertz: float | np.ndarray) -> np.ndarray:
    """Make a sine of a fixed or a changing frequency."""
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(hertz, times.shape)) * (times[1] - times[0]))


def _beats(rng: Random, times: np.ndarray, *, every: float) -> np.ndarray:
    """Return when each stroke begins, in seconds; players are never exactly in time."""
    return np.array([start + rng.uniform(0, 0.03) for start in np.arange(0, times[-1] - 0.1, every)])
