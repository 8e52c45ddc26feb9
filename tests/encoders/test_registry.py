"""Names, families and devices; and what they cost to import."""

import subprocess
import sys
from dataclasses import replace

import pytest

from embed_assets.encoders.catalog import CLIP, RESNET, SENTENCE
from embed_assets.encoders.device import resolve_device, torch_dtype
from embed_assets.encoders.registry import builtin_specs, family_class, load_encoder, spec_for
from embed_assets.errors import EncoderOutputError, MissingExtraError, SettingsError, UnknownEncoderError


def test_the_builtin_encoders_state_their_facts():
    specs = builtin_specs()
    assert {name: spec.dim for name, spec in specs.items()} == {
        "minilm": 384,
        "mpnet": 768,
        "clip-vit-b32": 512,
        "resnet50": 2048,
    }
    for spec in specs.values():
        assert spec.license
        assert spec.download_mb
        assert spec.source
        assert set(spec.media) <= set(spec.modalities)


def test_a_builtin_may_be_renamed_and_pointed_elsewhere():
    spec = spec_for("minilm", name="notes", model="/models/minilm", revision=None)
    assert (spec.name, spec.model, spec.dim) == ("notes", "/models/minilm", 384)


def test_folders_and_files_tell_their_family(tiny_bert, tiny_clip, minilm, random_resnet):
    assert spec_for(str(tiny_bert)).family == SENTENCE
    assert spec_for(str(minilm)).family == SENTENCE
    assert spec_for(str(tiny_clip)).family == CLIP
    assert spec_for(str(random_resnet("resnet18"))).family == RESNET
    assert spec_for("torchvision/resnet101").family == RESNET
    assert spec_for(str(tiny_clip)).modalities == ("image", "text")


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(UnknownEncoderError, match=r"Did you mean 'minilm'.*Families"):
        spec_for("miniml")


def test_a_folder_of_another_family_names_the_families(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(UnknownEncoderError, match="CLIP"):
        spec_for(str(tmp_path))


def test_another_dim_than_promised_is_refused(minilm):
    with pytest.raises(EncoderOutputError, match="dim 384; its spec says 512"):
        load_encoder(spec_for("minilm", model=str(minilm), dim=512), device="cpu")


def test_a_family_that_is_not_there_says_how_to_get_it():
    spec = replace(builtin_specs()["minilm"], family="no_such_module:Encoder")
    with pytest.raises(SettingsError, match=r"package\.module:Class"):
        family_class(spec)
    with pytest.raises(MissingExtraError, match=r"embed-assets\[sound\]"):
        family_class(replace(spec, extra="sound"))


def test_declaring_encoders_imports_no_model_library():
    code = (
        "import sys; from embed_assets.encoders.registry import encoder_specs, family_class\n"
        "[family_class(spec) for spec in encoder_specs().values()]\n"
        "print([n for n in ('torch', 'torchvision', 'transformers', 'sentence_transformers', 'tokenizers',"
        " 'safetensors', 'dagster', 'lancedb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_devices_and_dtypes_are_checked():
    import torch

    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
    assert torch_dtype("bfloat16") is torch.bfloat16
    for wrong in ("gpu", "cuda:x", "cpu:1", "cuda:99"):
        with pytest.raises(SettingsError):
            resolve_device(wrong)
    with pytest.raises(SettingsError, match="float32"):
        torch_dtype("fp8")


def test_float32_on_cuda_is_float32():
    import torch

    from embed_assets.encoders.device import inference

    before = torch.backends.cudnn.allow_tf32
    with inference("cuda:0"):
        assert torch.is_inference_mode_enabled()
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
