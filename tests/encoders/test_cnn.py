"""CnnEncoder against torchvision's feature extractor."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.families.torchvision_cnn import architecture_of
from embed_assets.encoders.loading.find_weights import PUBLISHED
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.testing import picture
from tests.encoders.random_models import assert_same, unit

IMAGES = [picture(300, 240, 1), picture(64, 400, 2)]


@pytest.mark.slow
def test_resnet50_equals_the_average_pooled_layer(random_cnn):
    import torch
    import torchvision
    from safetensors.torch import load_file
    from torchvision.models.feature_extraction import create_feature_extractor

    file = random_cnn("resnet50")
    encoder = load_encoder(spec_for("resnet50", model=str(file)), device="cpu")
    model = torchvision.models.resnet50(weights=None)
    model.load_state_dict(load_file(file))
    tapped = create_feature_extractor(model.eval(), {"flatten": "vector"})
    images = [picture(300, 240, 1), picture(64, 400, 2)]
    transform = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    with torch.no_grad():
        expected = tapped(torch.stack([transform(image) for image in images]))["vector"]
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    found = encoder.encode([encoder.prepare("image", image) for image in images])
    assert found.shape == (2, 2048)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.slow
def test_vgg16_equals_fc7_after_its_relu(random_cnn):
    import torch
    import torchvision
    from safetensors.torch import load_file
    from torchvision.models.feature_extraction import create_feature_extractor

    file = random_cnn("vgg16")
    encoder = load_encoder(spec_for("vgg16", model=str(file)), device="cpu")
    model = torchvision.models.vgg16(weights=None, init_weights=False)
    model.load_state_dict(load_file(file))
    tapped = create_feature_extractor(model.eval(), {"classifier.4": "fc7"})
    transform = torchvision.models.VGG16_Weights.IMAGENET1K_V1.transforms()
    with torch.no_grad():
        expected = tapped(torch.stack([transform(image) for image in IMAGES]))["fc7"].numpy()
    assert expected.min() == 0
    assert_same(encoder.encode([encoder.prepare("image", image) for image in IMAGES]), unit(expected))


@pytest.mark.slow
def test_inception_v3_equals_the_pooled_layer_of_pictures_from_minus_one_to_one(random_cnn):
    """The reference changes the pixels itself, where the encoder leaves that to `transform_input`."""
    import torch
    import torchvision
    from safetensors.torch import load_file
    from torchvision.models.feature_extraction import create_feature_extractor

    file = random_cnn("inception_v3")
    encoder = load_encoder(spec_for("inception-v3", model=str(file)), device="cpu")
    model = torchvision.models.inception_v3(weights=None, init_weights=False, transform_input=False)
    model.load_state_dict(load_file(file))
    tapped = create_feature_extractor(model.eval(), {"avgpool": "vector"}, suppress_diff_warning=True)
    transform = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
    pixels = torch.stack([transform(image) for image in IMAGES])
    assert pixels.shape[2:] == (299, 299)
    plain = pixels * torch.tensor(transform.std)[:, None, None] + torch.tensor(transform.mean)[:, None, None]
    with torch.no_grad():
        expected = tapped((plain - 0.5) / 0.5)["vector"].flatten(1).numpy()
    assert_same(encoder.encode([encoder.prepare("image", image) for image in IMAGES]), unit(expected))


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "squeezenet1_1"])
def test_small_networks_equal_the_mean_of_their_features(random_cnn, architecture: str):
    import torch
    import torchvision
    from safetensors.torch import load_file

    file = random_cnn(architecture)
    encoder = load_encoder(spec_for(str(file), options={"weights": "IMAGENET1K_V1"}), device="cpu")
    model: Any = torchvision.models.get_model(architecture, weights=None)
    model.load_state_dict(load_file(file))
    transform = torchvision.models.get_model_weights(architecture)["IMAGENET1K_V1"].transforms()
    with torch.no_grad():
        features = model.eval().features(torch.stack([transform(image) for image in IMAGES]))
    expected = features.mean(dim=(2, 3)).numpy()
    assert_same(encoder.encode([encoder.prepare("image", image) for image in IMAGES]), unit(expected))


def test_weights_of_others_have_colours_of_their_own(random_cnn):
    import torch

    file = str(random_cnn("squeezenet1_1"))
    caffe = {"mean": [104 / 255, 117 / 255, 123 / 255], "std": [1 / 255] * 3, "bgr": True}
    usual = load_encoder(spec_for(file), device="cpu")
    other = load_encoder(spec_for(file, options=caffe), device="cpu")
    assert {name for name, part in usual.identity().items() if other.identity()[name] != part} == {"preprocessing"}
    red = picture(300, 300, 1).point(lambda value: 0).convert("RGB")
    red.paste((255, 0, 0), (0, 0, 300, 300))
    pixels = other.prepare("image", red).data
    expected = torch.tensor([-104.0, -117.0, 255 - 123.0])[:, None, None].expand(3, 224, 224)
    assert torch.allclose(pixels, expected, atol=1e-3)
    with pytest.raises(SettingsError, match=r"options.mean is 0.5. Set it to three numbers"):
        load_encoder(spec_for(file, options={"mean": 0.5}), device="cpu")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnet50.a1_in1k", "resnet50"),
        ("mobilenet_v2_torchvision_fp16", "mobilenet_v2"),
        ("inception_v3_google-0cc3c7bd", "inception_v3"),
        ("resnet152-f82ba261", "resnet152"),
        ("resnet50d", None),
    ],
)
def test_a_file_is_named_after_its_architecture(name: str, found: str | None, tmp_path: Path):
    file = tmp_path / f"{name}.safetensors"
    file.touch()
    spec = spec_for(str(file), family="torchvision_cnn")
    if found is not None:
        assert architecture_of(spec) == found
        return
    with pytest.raises(SettingsError, match=r"options\.architecture"):
        architecture_of(spec)


@pytest.mark.slow
def test_layers_beyond_the_tap_may_be_absent(random_cnn, tmp_path):
    from safetensors.torch import load_file, save_file

    whole = random_cnn("inception_v3")
    kept = {n: t for n, t in load_file(whole).items() if not n.startswith(("AuxLogits.", "fc."))}
    save_file(kept, tmp_path / "inception_v3_google.safetensors")
    found = load_encoder(spec_for(str(tmp_path / "inception_v3_google.safetensors")), device="cpu").identity()
    assert found == load_encoder(spec_for(str(whole)), device="cpu").identity()
    kept.pop("Conv2d_1a_3x3.conv.weight")
    save_file(kept, tmp_path / "inception_v3.safetensors")
    with pytest.raises(WeightsError, match="1 tensors missing"):
        load_encoder(spec_for(str(tmp_path / "inception_v3.safetensors")), device="cpu")


def test_the_published_names_are_torchvisions():
    import torchvision

    for (architecture, weights), name in PUBLISHED.items():
        url = torchvision.models.get_model_weights(architecture)[weights].url
        assert url.rsplit("/", 1)[1] == name


@pytest.mark.slow
def test_a_pickle_is_loaded_only_if_its_hash_is_the_one_in_its_name(random_cnn, tmp_path):
    import torch
    from safetensors.torch import load_file

    saved = tmp_path / "saved.pth"
    torch.save(load_file(random_cnn("resnet18")), saved)
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    right = Path(saved.rename(tmp_path / f"resnet18-{digest[:8]}.pth"))
    as_pickle = load_encoder(spec_for(str(right)), device="cpu")
    assert as_pickle.identity() == load_encoder(spec_for(str(random_cnn("resnet18"))), device="cpu").identity()
    wrong = right.rename(tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(WeightsError, match="sha256 begins with"):
        load_encoder(spec_for(str(wrong)), device="cpu")
    nameless = wrong.rename(tmp_path / "resnet18.pth")
    with pytest.raises(WeightsError, match="published hash"):
        load_encoder(spec_for(str(nameless)), device="cpu")


def test_weights_of_another_architecture_are_refused(random_cnn):
    spec = spec_for(str(random_cnn("resnet18")), options={"architecture": "resnet34"})
    with pytest.raises(WeightsError, match="resnet18"):
        load_encoder(spec, device="cpu")


def test_an_unknown_architecture_names_the_known(random_cnn):
    spec = spec_for(str(random_cnn("resnet18")), options={"architecture": "lenet"})
    with pytest.raises(SettingsError, match="resnet152"):
        load_encoder(spec, device="cpu")


@pytest.mark.slow
def test_the_resize_of_the_weights_is_part_of_the_identity(random_cnn):
    spec = spec_for("resnet50", model=str(random_cnn("resnet50")))
    new = load_encoder(spec, device="cpu").identity()
    old = load_encoder(spec_for(spec.model, options={"weights": "IMAGENET1K_V1"}), device="cpu").identity()
    assert {name for name in new if old[name] != new[name]} == {"preprocessing"}
