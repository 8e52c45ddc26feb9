"""PixelEncoder against its definition, written out."""

import numpy as np
import pytest
from PIL import Image

from embed_assets.encoders.loading.find_weights import resolve_model
from embed_assets.encoders.loading.identity import identify
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import EncoderOutputError, SettingsError
from embed_assets.testing import picture
from tests.encoders.random_models import assert_same, unit

IMAGES = [picture(64, 48, 1), picture(16, 16, 2), picture(500, 20, 3)]


def encode(encoder, images):
    return encoder.encode([encoder.prepare("image", image) for image in images])


def test_vectors_are_centred_grey_levels():
    expected = []
    for image in IMAGES:
        small = image.convert("L").resize((16, 16), Image.Resampling.BILINEAR)
        levels = list(small.tobytes())  # row by row
        expected.append([level - sum(levels) / 256 for level in levels])
    found = encode(load_encoder(spec_for("pixels"), device="cpu"), IMAGES)
    assert found.shape == (3, 256)
    assert_same(found, unit(expected))


def test_a_picture_of_one_grey_level_is_near_to_none_but_its_like():
    encoder = load_encoder(spec_for("pixels"), device="cpu")
    blank = [Image.new("RGB", (30, 50), colour) for colour in ("black", "white", (90, 90, 90))]
    vectors = encode(encoder, blank)
    assert np.allclose(vectors, 1 / 16)
    assert np.abs(encode(encoder, IMAGES) @ vectors.T).max() < 1e-6


def test_the_side_is_an_option_and_part_of_the_identity():
    encoder = load_encoder(spec_for("builtin/pixels", options={"side": 4}), device="cpu")
    assert encoder.dim == 16
    old = load_encoder(spec_for("pixels"), device="cpu").identity()
    assert {name for name in old if old[name] != encoder.identity()[name]} == {"config"}
    with pytest.raises(EncoderOutputError, match="dim 16; its spec says 256"):
        load_encoder(spec_for("pixels", options={"side": 4}), device="cpu")
    for wrong in (0, 1, 257, "16", True):
        with pytest.raises(SettingsError, match="2 to 256"):
            load_encoder(spec_for("builtin/pixels", options={"side": wrong}), device="cpu")


def test_an_encoder_without_files_is_identified_again_each_time():
    spec = spec_for("pixels")
    resolved = resolve_model(spec, offline=True)
    assert resolved.files == ()
    assert resolved.revision is None
    loads = []

    def load():
        loads.append(spec)
        return load_encoder(spec, resolved=resolved, device="cpu")

    first = identify(spec, device="cpu", dtype="float32", resolved=resolved, load=load)
    assert identify(spec, device="cpu", dtype="float32", resolved=resolved, load=load) == first
    assert len(loads) == 2


def test_text_is_refused():
    with pytest.raises(SettingsError, match="not text as str"):
        load_encoder(spec_for("pixels"), device="cpu").prepare("text", "a circle")
