"""VideoMAE and V-JEPA 2 against transformers' own; a clip as the mean of its frames."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError, MediaError, SettingsError, WeightsError
from embed_assets.media.media_types import Modality
from embed_assets.media.payload import Clip
from embed_assets.testing import EncoderContract, clip, picture

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.3,
}


def saved_videomae(folder, *, size=None, **config):
    """With the image processor's file, as the published checkpoints have it."""
    import torch
    from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel

    torch.manual_seed(0)
    VideoMAEModel(VideoMAEConfig(**config)).save_pretrained(folder)
    shape: dict[str, Any] = (
        {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}} if size else {}
    )
    VideoMAEImageProcessor(**shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small_videomae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videomae")
    return saved_videomae(folder, size=32, image_size=32, patch_size=8, num_frames=8, **TINY)


@pytest.fixture(scope="module")
def small_vjepa2(tmp_path_factory):
    import torch
    from transformers import VJEPA2Config, VJEPA2Model, VJEPA2VideoProcessor

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vjepa2")
    predictor: dict[str, Any] = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    config = VJEPA2Config(
        crop_size=32,
        patch_size=8,
        frames_per_clip=8,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.3,
        **predictor,
    )
    VJEPA2Model(config).save_pretrained(folder)
    crop = {"height": 32, "width": 32}
    VJEPA2VideoProcessor(size={"shortest_edge": 36}, crop_size=crop).save_pretrained(folder)
    return folder


class TestVideoMAEContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, small_videomae):
        return load_encoder(spec_for(str(small_videomae)), device="cpu")


class TestVJepa2Contract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, small_vjepa2):
        return load_encoder(spec_for(str(small_vjepa2), frames=8), device="cpu")


class TestClipFramesContract(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tiny_clip):
        return load_encoder(spec_for("clip-frames", model=str(tiny_clip), dim=24), device="cpu")


def videomae_mean(folder, given):
    import torch
    from transformers import AutoImageProcessor, VideoMAEModel

    inputs = AutoImageProcessor.from_pretrained(folder)(list(given.frames), return_tensors="pt")
    with torch.no_grad():
        tokens = VideoMAEModel.from_pretrained(folder, dtype=torch.float32).eval()(**inputs).last_hidden_state[0]
    mean = tokens.mean(dim=0).numpy()
    return len(tokens), mean / np.linalg.norm(mean)


def test_videomae_gives_the_mean_over_its_tokens(small_videomae):
    encoder = load_encoder(spec_for(str(small_videomae)), device="cpu")
    given = clip(60, 44, 8, 1)
    prepared = encoder.prepare("video", given)
    assert prepared.cost == 8 * 32 * 32
    assert np.abs(encoder.encode([prepared])[0] - videomae_mean(small_videomae, given)[1]).max() < 1e-5


@pytest.mark.slow
def test_the_true_architecture_of_videomae_base(tmp_path):
    """350 MB of random weights: 16 frames of 224 x 224, 1,568 tokens of 768 numbers."""
    folder = saved_videomae(tmp_path)
    encoder = load_encoder(spec_for("videomae", model=str(folder)), device="cpu")
    given = clip(320, 240, 16, 1)
    prepared = encoder.prepare("video", given)
    tokens, expected = videomae_mean(folder, given)
    assert prepared.cost == 16 * 224 * 224
    assert tokens == 1568
    assert np.abs(encoder.encode([prepared])[0] - expected).max() < 1e-5


@pytest.mark.parametrize("frames", [8, 4])
def test_vjepa2_gives_the_mean_over_its_encoders_tokens(small_vjepa2, frames):
    import torch
    from transformers import AutoVideoProcessor, VJEPA2Model

    encoder = load_encoder(spec_for(str(small_vjepa2), frames=frames), device="cpu")
    given = clip(60, 44, frames, 2)
    inputs = AutoVideoProcessor.from_pretrained(small_vjepa2)(given.frames, return_tensors="pt")
    model = VJEPA2Model.from_pretrained(small_vjepa2, dtype=torch.float32).eval()
    with torch.no_grad():
        mean = model.get_vision_features(inputs["pixel_values_videos"])[0].mean(dim=0).numpy()
    found = encoder.encode([encoder.prepare("video", given)])[0]
    assert np.abs(found - mean / np.linalg.norm(mean)).max() < 1e-5


def test_folders_tell_their_family(small_videomae, small_vjepa2):
    spec = spec_for(str(small_videomae))
    assert spec.family == "videomae"
    assert spec.modalities == ("video",)
    assert spec.frames == 16
    spec = spec_for(str(small_vjepa2))
    assert spec.family == "vjepa2"
    assert spec.modalities == ("video",)
    assert spec.frames == 64


def test_frame_counts_are_checked(small_videomae, small_vjepa2):
    encoder = load_encoder(spec_for(str(small_videomae)), device="cpu")
    with pytest.raises(SettingsError, match="frames to 8"):
        encoder.prepare("video", clip(32, 32, 6, 1))
    with pytest.raises(SettingsError, match="video as Clip"):
        encoder.prepare("video", [picture(32, 32, 1)])
    with pytest.raises(SettingsError, match="multiple of 2"):
        load_encoder(spec_for(str(small_vjepa2), frames=7), device="cpu")


def test_missing_tensors_are_refused_and_the_predictors_are_not_needed(small_vjepa2, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(small_vjepa2, tmp_path / "vjepa2")
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("predictor.")}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    old = load_encoder(spec_for(str(small_vjepa2)), device="cpu").identity()
    assert load_encoder(spec_for(str(folder)), device="cpu").identity() == old
    del kept["encoder.layernorm.weight"]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="layernorm"):
        load_encoder(spec_for(str(folder)), device="cpu")


def test_preprocessing_is_part_of_the_identity(small_videomae, tmp_path):
    folder = shutil.copytree(small_videomae, tmp_path / "videomae")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": [0.4, 0.4, 0.4]}))
    old = load_encoder(spec_for(str(small_videomae)), device="cpu").identity()
    new = load_encoder(spec_for(str(folder)), device="cpu").identity()
    assert {name for name in old if old[name] != new[name]} == {"preprocessing"}


def test_a_clip_is_the_mean_of_its_frames_in_the_space_of_pictures_and_words(tiny_clip):
    frames = load_encoder(spec_for("clip-frames", model=str(tiny_clip), dim=24), device="cpu")
    images = load_encoder(spec_for("clip-vit-b32", model=str(tiny_clip), dim=24), device="cpu")
    clips = [clip(50, 40, 3, 1), clip(64, 64, 8, 2), clip(33, 90, 1, 3)]
    found = frames.encode([frames.prepare("video", given) for given in clips])
    for row, given in zip(found, clips, strict=True):
        pictures = [images.prepare("image", Image.fromarray(frame)) for frame in given.frames]
        mean = images.encode(pictures).mean(axis=0)
        assert np.abs(row - mean / np.linalg.norm(mean)).max() < 1e-5
    asked_in: list[tuple[Modality, Any]] = [("image", picture(40, 40, 1)), ("text", "a red circle")]
    for modality, payload in asked_in:
        asked = frames.encode([frames.prepare(modality, payload, query=True)])
        assert np.array_equal(asked, images.encode([images.prepare(modality, payload, query=True)]))
    assert frames.max_tokens == images.max_tokens


def test_frames_may_be_seen_by_any_encoder_of_images(random_cnn):
    model = str(random_cnn("resnet18"))
    facts: dict[str, Any] = {"modalities": ("video", "image"), "media": ("video",), "space": "video"}
    encoder = load_encoder(EncoderSpec(name="resnet-frames", family="video_frames", model=model, **facts), device="cpu")
    given = clip(64, 48, 2, 1)
    assert encoder.dim == 512
    assert encoder.prepare("video", given).cost == 2 * 224 * 224
    assert encoder.tokenizer() is None
    asked = {**facts, "modalities": ("video", "text")}
    with pytest.raises(SettingsError, match="queries one of its modalities"):
        load_encoder(EncoderSpec(name="resnet-frames", family="video_frames", model=model, **asked), device="cpu")


def test_the_image_encoder_is_part_of_the_identity_of_frames(tiny_clip):
    frames = load_encoder(spec_for("clip-frames", model=str(tiny_clip), dim=24), device="cpu").identity()
    images = load_encoder(spec_for(str(tiny_clip)), device="cpu").identity()
    assert {f"image {name}": value for name, value in images.items()}.items() <= frames.items()


def test_clips_without_frames_and_mixed_batches_are_refused(tiny_clip):
    encoder = load_encoder(spec_for("clip-frames", model=str(tiny_clip), dim=24), device="cpu")
    with pytest.raises(MediaError, match="no frames"):
        encoder.prepare("video", Clip(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0)))
    with pytest.raises(EncoderOutputError, match="image and video"):
        encoder.encode([encoder.prepare("video", clip(8, 8, 2, 1)), encoder.prepare("image", picture(8, 8, 1))])
