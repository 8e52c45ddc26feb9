"""ClapEncoder against transformers' own ClapModel."""

from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import EncoderOutputError, SettingsError
from embed_assets.testing import EncoderContract, sound
from tests.encoders.conftest import byte_pairs

RATE = 48_000
TEXTS = ["a red circle on the left", "star", "photo of a large yellow triangle " * 20]


def saved(folder, *, fused=False, seconds=10, **audio):
    """CLAP with the published audio tower (Swin, 4 stages) or one of the given size, random weights."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

    torch.manual_seed(0)
    vocab, _ = byte_pairs()
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    ids = {token: index for index, token in enumerate([*words, *vocab])}
    tokenizer = RobertaTokenizer(vocab=ids, merges=[], model_max_length=64)
    text = {
        "vocab_size": len(ids),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
        "initializer_range": 0.5,
    }
    config = ClapConfig(text_config=text, audio_config={"enable_fusion": fused, **audio})
    model = ClapModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embeddings" not in name:
                parameter.mul_(3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    truncation = "fusion" if fused else "rand_trunc"
    ClapFeatureExtractor(truncation=truncation, max_length_s=seconds).save_pretrained(folder)
    return folder


SMALL: dict[str, Any] = {
    "seconds": 2,
    "spec_size": 128,
    "window_size": 4,
    "patch_embeds_hidden_size": 16,
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 2, 2, 4],
    "hidden_size": 128,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("clap"), **SMALL)


class TestContract(EncoderContract):
    sample_rate = RATE

    @pytest.fixture(scope="class")
    def encoder(self, small):
        return load_encoder(spec_for(str(small)), device="cpu")


class TestFusedContract(EncoderContract):
    sample_rate = RATE

    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory):
        folder = saved(tmp_path_factory.mktemp("fused"), fused=True, **SMALL)
        return load_encoder(spec_for(str(folder)), device="cpu")


def compare(folder, encoder, sounds):
    """The encoder's vectors with those of a whole call of the model."""
    import torch
    from transformers import AutoFeatureExtractor, AutoTokenizer, ClapModel

    features = AutoFeatureExtractor.from_pretrained(folder)(
        [item.samples for item in sounds], sampling_rate=RATE, return_tensors="pt"
    )
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=64, return_tensors="pt"
    )
    tokens.pop("token_type_ids", None)
    with torch.no_grad():
        expected = ClapModel.from_pretrained(folder, dtype=torch.float32).eval()(**tokens, **features)
    found = encoder.encode([encoder.prepare("audio", item) for item in sounds])
    assert found.shape == (2, 512)
    assert np.abs(found - expected.audio_embeds.numpy()).max() < 1e-5
    found = encoder.encode([encoder.prepare("text", text) for text in TEXTS])
    assert np.abs(found - expected.text_embeds.numpy()).max() < 1e-5


def test_vectors_equal_the_models_embeds(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    compare(small, encoder, [sound(1.1, RATE, 1), sound(2.0, RATE, 2)])


@pytest.mark.slow
def test_the_true_audio_tower_equals_the_models_embeds(tmp_path):
    folder = saved(tmp_path)
    encoder = load_encoder(spec_for("clap", model=str(folder)), device="cpu")
    compare(folder, encoder, [sound(4.0, RATE, 1), sound(10.0, RATE, 2)])


def test_a_folder_shows_its_family(small):
    spec = spec_for(str(small))
    assert spec.family == "clap"
    assert spec.modalities == ("audio", "text")
    assert spec.media == ("audio",)
    assert spec.sample_rate == RATE
    assert spec.window_seconds == 10.0


def test_an_extractor_that_would_fuse_follows_the_model(small, tmp_path):
    """The library's default extractor gives four channels; a model without fusion takes one."""
    import shutil

    from transformers import ClapFeatureExtractor

    folder = shutil.copytree(small, tmp_path / "clap")
    ClapFeatureExtractor(max_length_s=2).save_pretrained(folder)
    item = sound(2.0, RATE, 3)
    rows = []
    for place in (small, folder):
        encoder = load_encoder(spec_for(str(place)), device="cpu")
        rows.append(encoder.encode([encoder.prepare("audio", item)]))
    assert np.abs(rows[0] - rows[1]).max() < 1e-6


def test_longer_sounds_are_refused_because_a_random_part_would_be_heard(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    with pytest.raises(SettingsError, match="no segment is longer than 2 s"):
        encoder.prepare("audio", sound(2.1, RATE, 1))


def test_texts_are_cut_to_the_models_places(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    assert encoder.prepare("text", "star " * 200).cost == 64
    assert encoder.max_tokens == 62


def test_a_batch_of_two_modalities_and_other_payloads_are_refused(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    with pytest.raises(EncoderOutputError, match="audio and text"):
        encoder.encode([encoder.prepare("text", "star"), encoder.prepare("audio", sound(1.0, RATE, 0))])
    with pytest.raises(SettingsError, match="audio as Sound"):
        encoder.prepare("text", 3)
