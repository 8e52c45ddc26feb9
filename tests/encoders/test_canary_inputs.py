"""Canaries: the same inputs everywhere, which every encoder of the catalog takes."""

import hashlib

import numpy as np
import pytest

from embed_assets.encoders.canary_inputs import bound_of, canary_clip, canary_payloads, canary_picture, movement
from embed_assets.encoders.catalog import builtin_specs

SPECS = builtin_specs()


def test_pictures_are_of_whole_numbers_and_do_not_change():
    assert hashlib.sha256(canary_picture(96, 64).tobytes()).hexdigest()[:16] == "1cca818665c81722"


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if {"audio", "video"} & set(spec.modalities)])
def test_sounds_and_clips_fit_the_window_of_their_encoder(name):
    spec = SPECS[name]
    for modality in spec.modalities:
        for payload in canary_payloads(spec, modality) if modality in ("audio", "video") else []:
            sound = payload if modality == "audio" else payload.sound
            assert sound.rate == (spec.sample_rate or 16_000)
            assert 0.5 < sound.seconds <= (spec.window_seconds or 1.3)
            if modality == "video":
                assert len(payload.frames) == (spec.frames or 8)


def test_frames_move():
    frames = canary_clip(4, sound=None).frames
    assert frames.shape == (4, 96, 128, 3)
    assert all((frames[i] != frames[i + 1]).any() for i in range(3))


def test_movement_is_relative_to_large_numbers_and_infinite_for_other_shapes():
    ones = np.ones((2, 4), np.float32)
    assert movement({"text": ones}, {"text": ones + np.float32(1e-4)})["text"] == pytest.approx(1e-4, rel=0.01)
    assert movement({"text": 100 * ones}, {"text": 100 * ones + np.float32(1e-2)})["text"] == pytest.approx(
        1e-4, rel=0.1
    )
    assert movement({"text": ones}, {"text": ones[:, :2]})["text"] == np.inf
    assert movement({"text": ones}, {})["text"] == np.inf
    assert movement({"text": ones}, {"text": ones * np.nan})["text"] == np.inf


def test_half_precision_and_servers_have_wider_bounds():
    minilm, api = SPECS["minilm"], SPECS["openai-3-small"]
    bounds = [bound_of(minilm, "float32"), bound_of(api, "float32"), bound_of(minilm, "float16")]
    assert bounds == sorted(bounds)
    assert bound_of(minilm, "bfloat16") > bounds[-1]
