"""Built-in families have names that no path is in: records of older stores, which have paths, go on working."""

from dataclasses import replace

import pytest

from embed_assets.encoders.catalog import builtin_families, builtin_specs
from embed_assets.encoders.registry import family_class, spec_for

# What encoder versions said of their family in stores made before families had names.
IN_OLDER_STORES = {
    "embed_assets.encoders.sentence:SentenceEncoder": "sentence",
    "embed_assets.encoders.clip:ClipEncoder": "clip",
    "embed_assets.encoders.siglip:SiglipEncoder": "siglip",
    "embed_assets.encoders.cnn:CnnEncoder": "torchvision_cnn",
    "embed_assets.encoders.vision:VisionEncoder": "vision",
    "embed_assets.encoders.pixels:PixelEncoder": "pixels",
    "embed_assets.encoders.api:ApiEncoder": "embeddings_api",
    "embed_assets.encoders.whisper:WhisperEncoder": "whisper",
    "embed_assets.encoders.spectrogram:SpectrogramEncoder": "audio_spectrogram",
    "embed_assets.encoders.spectrogram:MelCnnEncoder": "mel_cnn",
    "embed_assets.encoders.mel:MelEncoder": "mel_spectrogram",
    "embed_assets.encoders.clap:ClapEncoder": "clap",
    "embed_assets.encoders.perceiver:PerceiverEncoder": "perceiver",
    "embed_assets.encoders.video:VideoMAEEncoder": "videomae",
    "embed_assets.encoders.video:VJepa2Encoder": "vjepa2",
    "embed_assets.encoders.frames:FramesEncoder": "video_frames",
}


@pytest.mark.parametrize("path", IN_OLDER_STORES)
def test_the_family_of_an_older_record_is_found(path: str) -> None:
    spec = replace(builtin_specs()["minilm"], family=path, extra=None)
    assert spec.family == IN_OLDER_STORES[path]
    assert family_class(spec).__name__ == path.partition(":")[2]


def class_path(family: str) -> str:
    encoder = builtin_families()[family].encoder
    return f"{encoder.__module__}:{encoder.__name__}"


def test_a_family_is_named_after_its_file() -> None:
    assert set(builtin_families()) >= set(IN_OLDER_STORES.values())
    for family in builtin_families():
        assert class_path(family).startswith(f"embed_assets.encoders.families.{family}:")


def test_the_path_of_a_familys_class_is_that_family() -> None:
    for family in builtin_families():
        spec = replace(builtin_specs()["minilm"], family=class_path(family))
        assert spec.family == family
        assert family_class(spec) == builtin_families()[family].encoder


def test_the_family_of_another_package_stays_a_path() -> None:
    assert replace(builtin_specs()["minilm"], family="theirs.module:Class").family == "theirs.module:Class"


@pytest.mark.parametrize("family", ["clip", class_path("clip"), "embed_assets.encoders.clip:ClipEncoder"])
def test_a_model_whose_family_is_reported_has_the_facts_of_that_family(family: str) -> None:
    spec = spec_for("owner/model", family=family)
    assert spec.family == "clip"
    assert spec.modalities == ("image", "text")
    assert spec.space == "image_text"
