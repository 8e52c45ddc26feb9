"""Sounds as pictures: AST, a CNN on the mel spectrogram, and the mel statistics that need no model."""

import warnings
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.families.mel_cnn import spectrogram_picture
from embed_assets.encoders.families.mel_spectrogram import log_mel, mel_filters
from embed_assets.encoders.loading.find_weights import resolve_model
from embed_assets.encoders.loading.identity import identify
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.payload import Sound
from embed_assets.testing import EncoderContract, sound

RATE = 16_000


def saved_ast(folder, *, extractor=None, **config):
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    torch.manual_seed(0)
    ASTModel(ASTConfig(**config)).save_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ASTFeatureExtractor(**(extractor or {})).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small_ast(tmp_path_factory):
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    shape = {"num_mel_bins": 32, "max_length": 256, "initializer_range": 0.5}
    extractor = {"num_mel_bins": 32, "max_length": 256}
    return saved_ast(tmp_path_factory.mktemp("ast"), extractor=extractor, **size, **shape)


class TestAstContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, small_ast):
        return load_encoder(spec_for(str(small_ast)), device="cpu")


class TestMelContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self):
        return load_encoder(spec_for("mel"), device="cpu")


class TestMelCnnContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, random_cnn):
        spec = spec_for("mel-resnet50", model=str(random_cnn("resnet18")), dim=512, options={"seconds": 2})
        return load_encoder(spec, device="cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*mel filter")
def test_the_true_ast_gives_the_mean_of_its_two_special_tokens(tmp_path):
    import torch
    from transformers import ASTFeatureExtractor, ASTModel

    folder = saved_ast(tmp_path)
    encoder = load_encoder(spec_for("ast", model=str(folder)), device="cpu")
    item = sound(3.0, RATE, 1)
    found = encoder.encode([encoder.prepare("audio", item)])
    inputs = ASTFeatureExtractor()(item.samples, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        tokens = ASTModel.from_pretrained(folder, dtype=torch.float32).eval()(**inputs).last_hidden_state
    expected = tokens[0, :2].mean(dim=0).numpy()
    assert tokens.shape == (1, 1214, 768)
    assert np.abs(found[0] - expected / np.linalg.norm(expected)).max() < 1e-5
    with pytest.raises(SettingsError, match=r"10\.24 s at most"):
        encoder.prepare("audio", sound(10.3, RATE, 1))


@pytest.mark.filterwarnings("ignore:.*mel filter")
def test_a_small_ast_gives_the_mean_of_its_two_special_tokens(small_ast):
    import torch
    from transformers import ASTFeatureExtractor, ASTModel

    encoder = load_encoder(spec_for(str(small_ast)), device="cpu")
    item = sound(2.0, RATE, 1)
    inputs = ASTFeatureExtractor.from_pretrained(small_ast)(item.samples, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        tokens = ASTModel.from_pretrained(small_ast, dtype=torch.float32).eval()(**inputs).last_hidden_state
    expected = tokens[0, :2].mean(dim=0).numpy()
    found = encoder.encode([encoder.prepare("audio", item)])
    assert np.abs(found[0] - expected / np.linalg.norm(expected)).max() < 1e-5


def test_ast_and_mel_are_reported_by_folder_and_by_name(small_ast):
    assert spec_for(str(small_ast)).family == "audio_spectrogram"
    assert spec_for(str(small_ast)).window_seconds == 10.24
    assert spec_for("builtin/mel").family == "mel_spectrogram"


def test_log_mel_equals_transformers_spectrogram():
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    filters = mel_filter_bank(513, 64, 0, 8000, RATE, norm=None, mel_scale="htk")
    assert np.abs(filters.T - mel_filters(64)).max() < 1e-9
    samples = sound(1.0, RATE, 3).samples
    window = window_function(400, "hann", periodic=True)
    settings = {"frame_length": 400, "hop_length": 160, "fft_length": 1024, "power": 2.0, "center": False}
    settings |= {"mel_filters": filters, "mel_floor": 1e-10 * window.sum() ** 2}
    power = spectrogram(samples, window, **settings)
    expected = 10 * np.log10(power / window.sum() ** 2)
    found = log_mel(samples, 64)
    assert found.shape == (64, 100)
    assert np.abs(found[:, : expected.shape[1]] - expected).max() < 1e-3


def test_mel_statistics_are_those_of_the_levels():
    encoder = load_encoder(spec_for("mel"), device="cpu")
    item = sound(1.5, RATE, 4)
    levels = log_mel(item.samples, 64)
    bands = levels.mean(axis=1)
    steps = np.abs(levels[:, 1:] - levels[:, :-1]).mean(axis=1)
    expected = np.concatenate([(bands - bands.mean()) / 7, (levels.std(axis=1) - 10) / 7, (steps - 3) / 1.3])
    found = encoder.encode([encoder.prepare("audio", item)])[0]
    assert np.abs(found - expected / np.linalg.norm(expected)).max() < 1e-5


def test_a_louder_copy_has_the_same_mel_vector_and_silence_has_one():
    encoder = load_encoder(spec_for("mel"), device="cpu")
    item = sound(2.0, RATE, 5)
    sounds = [item, Sound(item.samples * 0.5, RATE), Sound(np.zeros(RATE, np.float32), RATE)]
    quiet = encoder.encode([encoder.prepare("audio", given) for given in sounds])
    assert quiet[0] @ quiet[1] > 0.9999
    assert np.isfinite(quiet).all()
    with pytest.raises(MediaError, match="empty"):
        encoder.prepare("audio", Sound(np.zeros(0, np.float32), RATE))


def test_the_blocks_of_a_long_sound_join():
    samples = sound(50.0, RATE, 6).samples
    whole, tail = log_mel(samples, 64), log_mel(samples[4000 * 160 :], 64)
    assert whole.shape == (64, 5000)
    assert np.abs(whole[:, 4000:] - tail).max() < 1e-9


def test_mel_needs_no_files_and_is_identified_without_any():
    spec = spec_for("mel")
    resolved = resolve_model(spec, offline=True)
    assert resolved.files == ()
    found = identify(spec, device="cpu", dtype="float32", resolved=resolved, load=lambda: load_encoder(spec))
    assert found.dim == 192
    assert found.max_tokens is None


def test_the_mel_resnet_sees_the_whole_window(random_cnn):
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision.transforms.functional import normalize, to_tensor

    file = random_cnn("resnet50")
    encoder = load_encoder(spec_for("mel-resnet50", model=str(file)), device="cpu")
    item = sound(4.0, RATE, 7)
    padded = np.pad(item.samples, (0, 6 * RATE))
    levels = np.clip((log_mel(padded, 128)[::-1] + 100) / 100, 0, 1).astype(np.float32)
    pixels = to_tensor(Image.fromarray(levels).resize((224, 224), Image.Resampling.BILINEAR)).repeat(3, 1, 1)
    pixels = normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    model: Any = torchvision.models.resnet50(weights=None)
    model.load_state_dict(load_file(file))
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = model.eval()(pixels[None])[0].numpy()
    prepared = encoder.prepare("audio", item)
    assert prepared.cost == 224 * 224
    assert np.abs(encoder.encode([prepared])[0] - expected / np.linalg.norm(expected)).max() < 1e-5
    with pytest.raises(SettingsError, match="10 s at most"):
        encoder.prepare("audio", sound(10.1, RATE, 7))


def test_the_picture_has_low_bands_at_the_bottom():
    at = np.arange(RATE) / RATE
    shades = np.asarray(spectrogram_picture(np.sin(2 * np.pi * 200 * at).astype(np.float32)))
    assert shades.shape == (128, 100)
    assert shades[:, 50].argmax() > 110
    assert shades.min() >= 0
    assert shades.max() <= 1


def test_the_pictures_seconds_are_part_of_the_identity(random_cnn):
    spec = spec_for("mel-resnet50", model=str(random_cnn("resnet50")))
    old = load_encoder(spec, device="cpu").identity()
    new = load_encoder(spec_for("mel-resnet50", model=spec.model, options={"seconds": 5}), device="cpu").identity()
    assert {name for name in old if old[name] != new[name]} == {"picture"}
    with pytest.raises(SettingsError, match=r"options\.seconds"):
        load_encoder(spec_for("mel-resnet50", model=spec.model, options={"seconds": "long"}), device="cpu")
