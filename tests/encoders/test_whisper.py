"""WhisperEncoder against transformers' own WhisperModel."""

import json
import shutil

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import MediaError, SettingsError, WeightsError
from embed_assets.media.payload import Sound
from embed_assets.testing import EncoderContract, sound

RATE = 16_000


def saved(folder, **config):
    """A Whisper of the given size with random weights, as transformers saves it."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    model = WhisperModel(WhisperConfig(**config)).eval()
    with torch.no_grad():  # at the default scale all sounds of a random model are nearly one vector
        for parameter in model.encoder.parameters():
            if parameter.dim() == 2 and parameter.requires_grad:
                parameter.mul_(4)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return saved(
        tmp_path_factory.mktemp("whisper"),
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        vocab_size=200,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )


class TestContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, small):
        return load_encoder(spec_for(str(small)), device="cpu")


@pytest.mark.slow
def test_the_tiny_architecture_gives_the_mean_over_frames_with_sound(tmp_path):
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    sizes = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    folder = saved(tmp_path, **sizes, decoder_layers=1, decoder_attention_heads=6, decoder_ffn_dim=64)
    encoder = load_encoder(spec_for("whisper-tiny", model=str(folder)), device="cpu")
    sounds = [sound(5.0, RATE, 1), sound(1.3, RATE, 2)]
    prepared = [encoder.prepare("audio", item) for item in sounds]
    assert [item.cost for item in prepared] == [1500 * 256] * 2
    found = encoder.encode(prepared)
    model = WhisperModel.from_pretrained(folder, dtype=torch.float32).eval()
    for row, item, frames in zip(found, sounds, (250, 65), strict=True):
        features = WhisperFeatureExtractor()(item.samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.no_grad():
            hidden = model.encoder(features).last_hidden_state[0, :frames].numpy()
        expected = hidden.mean(axis=0)
        assert np.abs(row - expected / np.linalg.norm(expected)).max() < 1e-5


def test_a_folder_shows_its_family(small):
    spec = spec_for(str(small))
    assert spec.family == "whisper"
    assert spec.modalities == ("audio",)
    assert spec.sample_rate == RATE
    assert spec.window_seconds == 30.0


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (Sound(np.zeros(31 * RATE, np.float32), RATE), SettingsError, "no segment is longer than 30 s"),
        (Sound(np.zeros(RATE, np.float32), 8000), SettingsError, "sample_rate to 16000"),
        (Sound(np.zeros(0, np.float32), RATE), MediaError, "empty"),
        (Sound(np.full(RATE, np.nan, np.float32), RATE), MediaError, "not finite"),
        ("a text", SettingsError, "audio as Sound"),
    ],
)
def test_what_would_be_cut_or_heard_wrong_is_refused(small, given, error, says):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    with pytest.raises(error, match=says):
        encoder.prepare("audio", given)


def test_very_short_and_silent_sounds_have_a_vector(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    sounds = [Sound(np.ones(1, np.float32), RATE), Sound(np.zeros(RATE, np.float32), RATE)]
    assert np.isfinite(encoder.encode([encoder.prepare("audio", item) for item in sounds])).all()


def test_missing_tensors_of_the_encoder_are_refused_and_of_the_decoder_are_not(small, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(small, tmp_path / "whisper")
    state = load_file(small / "model.safetensors")  # of no file that is rewritten below
    whole = {name: tensor for name, tensor in state.items() if not name.startswith("decoder.layers.0.fc1")}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(spec_for(str(folder)), device="cpu").identity() == (
        load_encoder(spec_for(str(small)), device="cpu").identity()
    )
    del whole["encoder.layers.1.fc1.weight"]
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"layers\.1\.fc1"):
        load_encoder(spec_for(str(folder)), device="cpu")


def test_the_extractor_is_part_of_the_identity(small, tmp_path):
    folder = shutil.copytree(small, tmp_path / "whisper")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dither": 0.5}))
    old = load_encoder(spec_for(str(small)), device="cpu").identity()
    new = load_encoder(spec_for(str(folder)), device="cpu").identity()
    assert {name for name in old if old[name] != new[name]} == {"preprocessing"}


def test_a_sample_rate_that_is_not_the_models_is_refused(small):
    with pytest.raises(SettingsError, match="hears 16000"):
        load_encoder(spec_for(str(small), sample_rate=8000), device="cpu")
