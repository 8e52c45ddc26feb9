"""VisionEncoder against pooling written out over the raw output of the models."""

import json
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.testing import EncoderContract, picture
from tests.encoders.random_models import assert_same, saved, unit

IMAGES = [picture(300, 240, 1), picture(64, 400, 2)]


def whole(name):
    """Config of the true architecture and its image processor as published."""
    import transformers as t

    if name == "resnet50-hf":
        return t.ResNetConfig(), t.ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875)
    if name == "vit-base":
        return t.ViTConfig(), t.ViTImageProcessor()
    if name == "dinov2-base":
        size, crop = {"shortest_edge": 256}, {"height": 224, "width": 224}
        return t.Dinov2Config(image_size=518, patch_size=14), t.BitImageProcessor(size=size, crop_size=crop)
    return t.DINOv3ViTConfig(num_register_tokens=4), t.DINOv3ViTImageProcessor()


def small(model_type):
    """A config of a few layers and its processor, for pictures of 32 pixels."""
    import transformers as t

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    }
    thin: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    config = {
        "dinov2": lambda: t.Dinov2Config(**sizes),
        "dinov2_with_registers": lambda: t.Dinov2WithRegistersConfig(**sizes, num_register_tokens=2),
        "dinov3_convnext": lambda: t.DINOv3ConvNextConfig(**thin),
        "dinov3_vit": lambda: t.DINOv3ViTConfig(**sizes, intermediate_size=64, num_register_tokens=4),
        "resnet": lambda: t.ResNetConfig(**thin, embedding_size=8, layer_type="basic"),
        "vit": lambda: t.ViTConfig(**sizes, intermediate_size=64),
    }[model_type]()
    return config, t.ViTImageProcessor(size={"height": 32, "width": 32})


def raw(folder, images=IMAGES):
    """The model's own output for the pictures, float32."""
    import torch
    from transformers import AutoImageProcessor, AutoModel

    pixels = AutoImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()(**pixels)


def encode(encoder, images=IMAGES):
    return encoder.encode([encoder.prepare("image", image) for image in images])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit-base", "dinov2-base", "dinov3-vits16"])
def test_the_true_vision_transformers_equal_their_first_token(name, tmp_path):
    folder = saved(*whole(name)[:1], tmp_path, *whole(name)[1:])
    encoder = load_encoder(spec_for(name, model=str(folder)), device="cpu")
    assert encoder.prepare("image", IMAGES[0]).cost == 224 * 224
    expected = raw(folder).last_hidden_state[:, 0]
    assert_same(encode(encoder), unit(expected))
    (folder / "model.safetensors").unlink()


@pytest.mark.slow
def test_the_true_resnet50_equals_the_mean_of_its_map(tmp_path):
    config, processor = whole("resnet50-hf")
    folder = saved(config, tmp_path, processor)
    encoder = load_encoder(spec_for("resnet50-hf", model=str(folder)), device="cpu")
    expected = raw(folder).last_hidden_state.numpy()
    assert expected.shape == (2, 2048, 7, 7)
    assert_same(encode(encoder), unit(expected.mean(axis=(2, 3))))
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("model_type", "first_patch"),
    [("vit", 1), ("dinov2", 1), ("dinov2_with_registers", 3), ("dinov3_vit", 5), ("dinov3_convnext", 1)],
)
def test_the_mean_is_over_patches_only(model_type, first_patch, tmp_path):
    config, processor = small(model_type)
    folder = saved(config, tmp_path, processor)
    encoder = load_encoder(spec_for(str(folder), pooling="mean"), device="cpu")
    hidden = raw(folder).last_hidden_state.numpy()
    places = 1 if model_type == "dinov3_convnext" else 16
    assert hidden.shape == (2, first_patch + places, 32)
    assert_same(encode(encoder), unit(hidden[:, first_patch:].mean(axis=1)))


@pytest.mark.parametrize("model_type", ["vit", "dinov2", "resnet"])
def test_pooled_is_the_models_own_pooler(model_type, tmp_path):
    config, processor = small(model_type)
    folder = saved(config, tmp_path, processor)
    encoder = load_encoder(spec_for(str(folder), pooling="pooled", unit_length=False), device="cpu")
    expected = raw(folder).pooler_output.numpy().reshape(2, -1)
    assert_same(encode(encoder), expected)


def test_a_pooler_that_the_checkpoint_lacks_is_refused_only_where_it_is_used(tmp_path):
    from safetensors.torch import load_file, save_file

    config, processor = small("vit")
    folder = saved(config, tmp_path, processor)
    before = load_encoder(spec_for(str(folder)), device="cpu").identity()
    state = {name: t for name, t in load_file(folder / "model.safetensors").items() if not name.startswith("pooler.")}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(spec_for(str(folder)), device="cpu").identity() == before
    with pytest.raises(WeightsError, match="pooler"):
        load_encoder(spec_for(str(folder), pooling="pooled"), device="cpu")


def test_a_classifiers_checkpoint_gives_the_backbones_vectors(tmp_path):
    """microsoft/resnet-50 is saved as a classifier: its tensors have a prefix and a head."""
    from transformers import AutoModel, ResNetForImageClassification

    config, processor = small("resnet")
    plain = saved(config, tmp_path / "plain", processor)
    classifier = ResNetForImageClassification(config)
    classifier.resnet = AutoModel.from_pretrained(plain)
    classifier.eval().save_pretrained(tmp_path / "classifier")
    processor.save_pretrained(tmp_path / "classifier")
    whole_one = load_encoder(spec_for(str(tmp_path / "classifier")), device="cpu")
    backbone = load_encoder(spec_for(str(plain)), device="cpu")
    assert np.array_equal(encode(whole_one), encode(backbone))
    assert whole_one.identity() == backbone.identity()


def test_settings_that_move_a_vector_are_parts_of_the_identity(tmp_path):
    config, processor = small("vit")
    folder = saved(config, tmp_path, processor)
    old = load_encoder(spec_for(str(folder)), device="cpu").identity()
    mean = load_encoder(spec_for(str(folder), pooling="mean"), device="cpu").identity()
    assert {name for name in old if old[name] != mean[name]} == {"pooling"}
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": [0.1, 0.2, 0.3]}))
    shifted = load_encoder(spec_for(str(folder)), device="cpu").identity()
    assert {name for name in old if old[name] != shifted[name]} == {"preprocessing"}


def test_a_pooling_that_the_model_has_not_names_those_it_has(tmp_path):
    config, processor = small("resnet")
    folder = saved(config, tmp_path, processor)
    with pytest.raises(SettingsError, match="pooled, mean"):
        load_encoder(spec_for(str(folder), pooling="cls"), device="cpu")


def test_a_processor_that_keeps_proportions_is_refused(tmp_path):
    import transformers as t

    keeps = t.BitImageProcessor(size={"shortest_edge": 32}, do_center_crop=False)
    folder = saved(small("vit")[0], tmp_path, keeps)
    with pytest.raises(WeightsError, match="do_center_crop"):
        load_encoder(spec_for(str(folder)), device="cpu")


class TestVisionTransformer(EncoderContract):
    @pytest.fixture(scope="class", params=["vit", "dinov3_vit"])
    def encoder(self, request, tmp_path_factory):
        config, processor = small(request.param)
        folder = saved(config, tmp_path_factory.mktemp(request.param), processor)
        return load_encoder(spec_for(str(folder)), device="cpu")


class TestMeanOverPatches(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory):
        config, processor = small("dinov2_with_registers")
        folder = saved(config, tmp_path_factory.mktemp("registers"), processor)
        return load_encoder(spec_for(str(folder), pooling="mean"), device="cpu")


class TestResNetOfTransformers(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory):
        config, processor = small("resnet")
        return load_encoder(spec_for(str(saved(config, tmp_path_factory.mktemp("resnet"), processor))), device="cpu")
