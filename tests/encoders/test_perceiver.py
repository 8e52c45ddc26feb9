"""PerceiverEncoder against transformers' own PerceiverForMultimodalAutoencoding, decoder and all."""

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import MediaError, SettingsError, UnknownEncoderError
from embed_assets.media.payload import Clip, Sound
from embed_assets.testing import EncoderContract, clip, sound

RATE = 48_000
TRUE = {
    "num_latents": 784,
    "d_latents": 512,
    "d_model": 704,
    "num_blocks": 1,
    "num_self_attends_per_block": 8,
    "num_self_attention_heads": 8,
    "num_cross_attention_heads": 1,
    "num_frames": 16,
    "audio_samples_per_frame": 1920,
    "samples_per_patch": 16,
    "image_size": 224,
    "num_labels": 700,
    "output_shape": [1, 16, 224, 224],
    "output_num_channels": 512,
    "_label_trainable_num_channels": 1024,
}
SMALL = TRUE | {
    "num_latents": 16,
    "d_latents": 32,
    "num_self_attends_per_block": 2,
    "num_frames": 4,
    "image_size": 32,
    "output_shape": [1, 4, 32, 32],
}


def saved(folder, config):
    import torch
    from transformers import PerceiverConfig, PerceiverForMultimodalAutoencoding

    torch.manual_seed(0)
    model = PerceiverForMultimodalAutoencoding(PerceiverConfig(**config)).eval()
    with torch.no_grad():
        for parameter in model.perceiver.encoder.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    model.save_pretrained(folder)
    return folder


def tapped(folder, pixels, samples):
    """outputs[1][-1] of the whole model, which decodes one point of each modality."""
    import torch
    from transformers import PerceiverForMultimodalAutoencoding

    model = PerceiverForMultimodalAutoencoding.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = {
        "image": torch.from_numpy(pixels)[None],
        "audio": torch.from_numpy(samples)[None, :, None],
        "label": torch.zeros((1, 700)),
    }
    points = {"image": torch.arange(1), "audio": torch.arange(1), "label": None}
    with torch.no_grad():
        outputs = model(inputs=inputs, subsampled_output_points=points, output_hidden_states=True)
    return outputs[1][-1][0].numpy()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("perceiver"), SMALL)


class TestContract(EncoderContract):
    sample_rate = RATE
    seconds = 0.16
    frames = 4

    @pytest.fixture(scope="class")
    def encoder(self, small):
        return load_encoder(spec_for(str(small)), device="cpu")


def test_the_vector_is_the_mean_over_the_latents_of_the_tap(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    heard = sound(0.1, RATE, 1)
    given = clip(32, 32, 4, 1, sound=heard)
    samples = np.pad(heard.samples, (0, 4 * 1920 - 4800))
    latents = tapped(small, given.frames.transpose(0, 3, 1, 2).astype(np.float32) / 255, samples)
    expected = latents.mean(axis=0)
    found = encoder.encode([encoder.prepare("video", given)])[0]
    assert latents.shape == (16, 32)
    assert np.abs(found - expected / np.linalg.norm(expected)).max() < 1e-5


@pytest.mark.slow
def test_the_true_architecture(tmp_path):
    """79 MB of random weights: 16 frames of 224 x 224, 30,720 samples, 784 latents."""
    folder = saved(tmp_path, TRUE)
    encoder = load_encoder(spec_for("perceiver", model=str(folder)), device="cpu")
    heard = sound(0.64, RATE, 1)
    given = clip(224, 224, 16, 1, sound=heard)
    prepared = encoder.prepare("video", given)
    assert prepared.cost == 16 * 224 * 224
    latents = tapped(folder, given.frames.transpose(0, 3, 1, 2).astype(np.float32) / 255, heard.samples)
    expected = latents.mean(axis=0)
    assert latents.shape == (784, 512)
    assert np.abs(encoder.encode([prepared])[0] - expected / np.linalg.norm(expected)).max() < 1e-5


def test_the_sound_is_heard_and_its_absence_is_silence(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    frames = clip(50, 40, 4, 2)
    silent = Clip(frames.frames, frames.times, Sound(np.zeros(7680, np.float32), RATE))
    loud = Clip(frames.frames, frames.times, sound(0.16, RATE, 2))
    rows = encoder.encode([encoder.prepare("video", given) for given in (frames, silent, loud)])
    assert np.abs(rows[0] - rows[1]).max() < 1e-5
    assert np.abs(rows[0] - rows[2]).max() > 1e-4


def test_the_centre_square_is_seen(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    wide = np.zeros((4, 32, 64, 3), np.uint8)
    wide[:, :, :16] = wide[:, :, 48:] = 255
    pixels, _ = encoder.prepare("video", Clip(wide, np.arange(4) / 25)).data
    assert pixels.shape == (4, 3, 32, 32)
    assert pixels.max() == 0


def test_only_the_multimodal_perceiver_is_recognised(small, tmp_path):
    spec = spec_for(str(small))
    assert spec.family == "perceiver"
    assert spec.frames == 16
    assert spec.sample_rate == RATE
    assert spec.window_seconds == 0.64
    (tmp_path / "config.json").write_text('{"model_type": "perceiver", "architectures": ["PerceiverForMaskedLM"]}')
    with pytest.raises(UnknownEncoderError, match="multimodal Perceiver"):
        spec_for(str(tmp_path))


def test_other_frames_rates_windows_and_precisions_are_refused(small):
    encoder = load_encoder(spec_for(str(small)), device="cpu")
    with pytest.raises(SettingsError, match="frames to 4"):
        encoder.prepare("video", clip(32, 32, 5, 1))
    with pytest.raises(MediaError, match="no frames"):
        encoder.prepare("video", Clip(np.zeros((0, 32, 32, 3), np.uint8), np.zeros(0)))
    with pytest.raises(SettingsError, match="48000 Hz"):
        encoder.prepare("video", clip(32, 32, 4, 1, sound=sound(0.1, 16_000, 1)))
    with pytest.raises(SettingsError, match="window_seconds"):
        encoder.prepare("video", clip(32, 32, 4, 1, sound=sound(1.0, RATE, 1)))
    with pytest.raises(SettingsError, match="float32 only"):
        load_encoder(spec_for(str(small)), device="cpu", dtype="bfloat16")


def test_the_decoder_is_dropped_and_does_not_enter_the_identity(small, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(small, tmp_path / "perceiver")
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("perceiver.decoder.")}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    old = load_encoder(spec_for(str(small)), device="cpu").identity()
    assert load_encoder(spec_for(str(folder)), device="cpu").identity() == old
