"""NumpyImageProcessor: the very pixels of transformers' processors, or none."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.encoders.parts import kept_processor
from embed_assets.encoders.parts.kept_processor import KeptProcessor
from embed_assets.encoders.parts.numpy_image_processor import NumpyImageProcessor

# Name in transformers, and settings beside its own: CLIP, SigLIP 2, ViT, DINOv2.
EQUAL = [
    ("CLIPImageProcessor", {}),
    ("CLIPImageProcessor", {"size": {"height": 64, "width": 64}, "do_center_crop": False}),
    ("SiglipImageProcessor", {"size": {"height": 256, "width": 256}, "resample": 2}),
    ("ViTImageProcessor", {}),
    ("BitImageProcessor", {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}),
]
# A crop by a share of the side, padding, and 8 bits that are not normalised.
OTHERS = [
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}),
    ("CLIPImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 48, "width": 48}}),
    ("CLIPImageProcessor", {"do_normalize": False}),
    ("CLIPImageProcessor", {"resample": 0}),
    ("CLIPImageProcessor", {"size": {"shortest_edge": 224, "longest_edge": 1333}}),
]


def processor(name: str, settings: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, name)(**settings)


def settings_of(made: Any) -> dict[str, Any]:
    return json.loads(made.to_json_string())


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(7)
    sizes = random.integers(100, 1200, (12, 2))
    return [Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for height, width in sizes]


@pytest.mark.parametrize(("name", "settings"), EQUAL)
def test_its_pixels_are_those_of_transformers_to_the_last_bit(name: str, settings: dict[str, Any]) -> None:
    theirs = processor(name, settings)
    ours = NumpyImageProcessor.equal_to(theirs, settings_of(theirs))
    assert ours is not None
    for picture in pictures():
        expected = theirs(images=picture, return_tensors="pt")["pixel_values"][0].numpy()
        assert np.array_equal(ours(picture), expected), picture.size


@pytest.mark.parametrize(("name", "settings"), OTHERS)
def test_there_is_none_of_a_processor_that_does_something_else(name: str, settings: dict[str, Any]) -> None:
    theirs = processor(name, settings)
    assert NumpyImageProcessor.equal_to(theirs, settings_of(theirs)) is None


def test_a_long_strip_takes_no_matrix_of_gigabytes() -> None:
    theirs = processor("CLIPImageProcessor", {})
    ours = NumpyImageProcessor.equal_to(theirs, settings_of(theirs))
    assert ours is not None
    with pytest.raises(ValueError, match="too long"):
        ours(Image.new("RGB", (5000, 1)))
    kept = KeptProcessor(state=KeptProcessor(theirs).state())
    assert kept.pixels(Image.new("RGB", (3000, 10))).shape == (3, 224, 224)


def test_the_first_pictures_need_no_transformers_and_many_are_made_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state = KeptProcessor(processor("CLIPImageProcessor", {})).state()
    assert state is not None and state["numpy"]
    made: list[Any] = []
    make = kept_processor._made
    monkeypatch.setattr(kept_processor, "_made", lambda state: made.append(state) or make(state))
    kept, picture = KeptProcessor(state=json.loads(json.dumps(state))), pictures()[0].resize((2000, 1000))
    expected = kept.pixels(picture)
    for _ in range(7):
        kept.pixels(picture)
    assert made == []
    assert np.array_equal(kept.pixels(picture), expected)
    assert len(made) == 1
