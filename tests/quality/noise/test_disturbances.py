"""Disturbances: each does what it is called, keeps the kind and size, and repeats by its seed."""

import numpy as np
import pytest
from PIL import Image

from embed_assets.media.payload import Clip, Sound
from embed_assets.quality.noise import disturbances
from embed_assets.quality.noise.disturbances import DISTURBANCES, modality_of

TEXT = "Das Café an der Straße hat heute geöffnet, wir treffen uns dort zum Frühstück. " * 5


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def tone(hertz: float, rate: int = 22_050) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)


def test_typos_change_some_letters():
    found = disturbances.typos(TEXT, 1)
    assert found == disturbances.typos(TEXT, 1) != disturbances.typos(TEXT, 2)
    assert found != TEXT
    assert abs(len(found) - len(TEXT)) < 0.05 * len(TEXT)
    same = sum(one == other for one, other in zip(found.split(), TEXT.split(), strict=False))
    assert 0.5 < same / len(TEXT.split()) < 0.95


def test_spelling():
    assert disturbances.without_accents("Café à la Straße", 0) == "Cafe a la Strasse"
    assert disturbances.capitals("Café", 0) == "CAFÉ"


@pytest.mark.parametrize("name", DISTURBANCES["image"])
def test_pictures_stay_pictures(name: str):
    found = DISTURBANCES["image"][name](picture(), 3)
    assert found.mode == "RGB"
    assert found.size == ((45, 30) if name == "crop" else (60, 40))
    assert not np.array_equal(np.asarray(found), np.asarray(picture()))


def test_a_shift_moves_pixels_and_repeats_the_edge():
    original, found = np.asarray(picture()), np.asarray(disturbances.shift(picture(), 0))
    across, down = int(60 * 0.08), int(40 * 0.08)
    moved = [
        np.array_equal(
            found[max(0, y) : 40 + min(0, y), max(0, x) : 60 + min(0, x)],
            original[max(0, -y) : 40 + min(0, -y), max(0, -x) : 60 + min(0, -x)],
        )
        for x in (-across, across)
        for y in (-down, down)
    ]
    assert moved.count(True) == 1


def test_resampling_leaves_nothing_above_4_khz():
    found = disturbances.telephone(Sound(tone(1000) + tone(6000), 22_050), 0)
    np.testing.assert_allclose(found.samples, tone(1000), atol=1e-3)
    assert found.rate == 22_050


def test_noise_is_ten_decibels_below_the_sound():
    found = disturbances.hiss(Sound(tone(440), 22_050), 0)
    noise = found.samples - tone(440)
    assert 10 * np.log10(np.mean(tone(440) ** 2) / np.mean(noise**2)) == pytest.approx(10, abs=0.2)


def test_the_kind_of_a_payload():
    clip = Clip(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1))
    payloads = ("words", picture(), Sound(tone(1), 22_050), clip)
    assert [modality_of(each) for each in payloads] == ["text", "image", "audio", None]
