"""ResNetEncoder against torchvision's feature extractor."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.weights import PUBLISHED
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.testing import picture


def test_resnet50_equals_the_average_pooled_layer(random_resnet):
    import torch
    import torchvision
    from safetensors.torch import load_file
    from torchvision.models.feature_extraction import create_feature_extractor

    file = random_resnet("resnet50")
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


def test_the_published_names_are_torchvisions():
    import torchvision

    for (architecture, weights), name in PUBLISHED.items():
        url = torchvision.models.get_model_weights(architecture)[weights].url
        assert url.rsplit("/", 1)[1] == name


def test_a_pickle_is_loaded_only_if_its_hash_is_the_one_in_its_name(random_resnet, tmp_path):
    import torch
    from safetensors.torch import load_file

    saved = tmp_path / "saved.pth"
    torch.save(load_file(random_resnet("resnet18")), saved)
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    right = Path(saved.rename(tmp_path / f"resnet18-{digest[:8]}.pth"))
    as_pickle = load_encoder(spec_for(str(right)), device="cpu")
    assert as_pickle.identity() == load_encoder(spec_for(str(random_resnet("resnet18"))), device="cpu").identity()
    wrong = right.rename(tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(WeightsError, match="sha256 begins with"):
        load_encoder(spec_for(str(wrong)), device="cpu")
    nameless = wrong.rename(tmp_path / "resnet18.pth")
    with pytest.raises(WeightsError, match="published hash"):
        load_encoder(spec_for(str(nameless)), device="cpu")


def test_weights_of_another_architecture_are_refused(random_resnet):
    spec = spec_for(str(random_resnet("resnet18")), options={"architecture": "resnet34"})
    with pytest.raises(WeightsError, match="resnet18"):
        load_encoder(spec, device="cpu")


def test_an_unknown_architecture_names_the_known(random_resnet):
    spec = spec_for(str(random_resnet("resnet18")), options={"architecture": "vgg16"})
    with pytest.raises(SettingsError, match="resnet152"):
        load_encoder(spec, device="cpu")


def test_the_resize_of_the_weights_is_part_of_the_identity(random_resnet):
    spec = spec_for("resnet50", model=str(random_resnet("resnet50")))
    new = load_encoder(spec, device="cpu").identity()
    old = load_encoder(spec_for(spec.model, options={"weights": "IMAGENET1K_V1"}), device="cpu").identity()
    assert {name for name in new if old[name] != new[name]} == {"preprocessing"}
