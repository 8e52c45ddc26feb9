"""Names, families and devices; and what they cost to import."""

import importlib.metadata
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from embed_assets import plugins
from embed_assets.encoders.catalog import builtin_families, builtin_specs
from embed_assets.encoders.family_type import ModelDescription
from embed_assets.encoders.loading.device import resolve_device, torch_dtype
from embed_assets.encoders.registry import encoder_specs, family_class, load_encoder, spec_for
from embed_assets.errors import EncoderOutputError, MissingExtraError, SettingsError, UnknownEncoderError
from tests.installing import install


def test_the_builtin_encoders_state_their_facts():
    specs = builtin_specs()
    dims = {
        "minilm": 384,
        "mpnet": 768,
        "bert-base": 768,
        "e5-small": 384,
        "bge-m3": 1024,
        "nomic-v1.5": 768,
        "clip-vit-b32": 512,
        "siglip-base": 768,
        "siglip2-base": 768,
        "resnet50": 2048,
        "vgg16": 4096,
        "inception-v3": 2048,
        "resnet50-hf": 2048,
        "vit-base": 768,
        "dinov2-base": 768,
        "dinov3-vits16": 384,
        "pixels": 256,
    }
    assert {name: specs[name].dim for name in dims} == dims
    for spec in specs.values():
        assert spec.license
        assert spec.download_mb is not None
        assert spec.source
        assert set(spec.media) <= set(spec.modalities)


def test_a_builtin_may_be_renamed_and_pointed_elsewhere():
    spec = spec_for("minilm", name="notes", model="/models/minilm", revision=None)
    assert spec.name == "notes"
    assert spec.model == "/models/minilm"
    assert spec.dim == 384


def test_folders_and_files_tell_their_family(plain_bert, tiny_clip, minilm, random_cnn):
    assert spec_for(str(plain_bert)).family == "sentence"
    assert spec_for(str(minilm)).family == "sentence"
    assert spec_for(str(tiny_clip)).family == "clip"
    assert spec_for(str(random_cnn("resnet18"))).family == "torchvision_cnn"
    assert spec_for("torchvision/resnet101").family == "torchvision_cnn"
    assert spec_for(str(tiny_clip)).modalities == ("image", "text")


def test_a_config_shows_the_family_of_pictures(tmp_path):
    found = {}
    for model_type in ("clip", "siglip", "dinov2", "dinov3_vit", "resnet", "vit"):
        (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}')
        found[model_type] = spec_for(str(tmp_path)).family
    assert found == {
        "clip": "clip",
        "siglip": "siglip",
        "dinov2": "vision",
        "dinov3_vit": "vision",
        "resnet": "vision",
        "vit": "vision",
    }
    assert spec_for("builtin/pixels").family == "pixels"
    assert spec_for("torchvision/inception_v3").family == "torchvision_cnn"


def described(model_type: str, **facts) -> ModelDescription:
    return ModelDescription(name="folder", config={"model_type": model_type, **facts})


MODELS = [
    *map(
        described, ("bert", "clip", "siglip", "vit", "whisper", "audio-spectrogram-transformer", "videomae", "vjepa2")
    ),
    described("perceiver", architectures=["PerceiverForMultimodalAutoencoding"]),
    *(replace(described(kind), has_modules=True) for kind in ("bert", "clip", "t5")),
    *(ModelDescription(name=name) for name in ("torchvision/vgg16", "builtin/mel", "builtin/pixels", "api:openai/m")),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name} {model.model_type}")
def test_one_family_alone_recognises_a_model(model):
    assert len([family for family in builtin_families().values() if family.recognises(model)]) == 1


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(UnknownEncoderError, match=r"Did you mean 'minilm'.*Families"):
        spec_for("miniml")


def test_a_folder_of_another_family_names_the_families(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UnknownEncoderError, match="CLIP"):
        spec_for(str(tmp_path))


def test_another_dim_than_promised_is_refused(minilm):
    with pytest.raises(EncoderOutputError, match="dim 384; its spec has 512"):
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
        " 'safetensors', 'dagster', 'lancedb', 'PIL') if n in sys.modules])"
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

    from embed_assets.encoders.loading.device import inference

    before = torch.backends.cudnn.allow_tf32
    with inference("cuda:0"):
        assert torch.is_inference_mode_enabled()
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


_GROUP = "embed_assets.encoders"
_SPEC = """
from dataclasses import replace
from embed_assets import plugins
from embed_assets.encoders.catalog import builtin_families, builtin_specs
from embed_assets.encoders.family_type import ModelDescription
pixels = builtin_specs()["pixels"]
"""


def test_plugins_declare_one_encoder_or_several(tmp_path, monkeypatch):
    code = _SPEC + 'one = replace(pixels, name="one")\nmore = [replace(one, name="two"), replace(one, name="three")]\n'
    install(tmp_path, "good-plugin", code, {_GROUP: {"a": "good_plugin:one", "b": "good_plugin:more"}}, monkeypatch)
    assert {"one", "two", "three"} <= set(encoder_specs())
    assert spec_for("two").family == "pixels"


def test_a_plugin_that_fails_on_import_names_itself_and_breaks_nothing_else(tmp_path, monkeypatch, caplog):
    install(tmp_path, "bad-plugin", "import no_such_library\n", {_GROUP: {"shout": "bad_plugin:spec"}}, monkeypatch)
    assert spec_for("pixels").name == "pixels"
    assert encoder_specs() == builtin_specs()
    shown = "Plugin 'shout' of package bad-plugin 1.0 (bad_plugin:spec) can't be loaded: ModuleNotFoundError"
    assert [record.getMessage().startswith(shown) for record in caplog.records] == [True], "one warning a process"
    with pytest.raises(
        SettingsError, match=r"package bad-plugin 1.0 .*no_such_library.*uninstall bad-plugin"
    ) as caught:
        spec_for("shout")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(UnknownEncoderError, match=r"plugin that is left out: Plugin 'shout' of package bad-plugin"):
        spec_for("another-of-its-encoders")


@pytest.mark.parametrize("code", ["raise SystemExit(3)\n", "1 / 0\n", "def (\n", "\n"])
def test_whatever_a_plugin_does_on_import_is_its_own_affair(code, tmp_path, monkeypatch):
    install(tmp_path, "wild-plugin", code, {_GROUP: {"wild": "wild_plugin:spec"}}, monkeypatch)
    assert spec_for("pixels").name == "pixels"
    with pytest.raises(SettingsError, match="Plugin 'wild' of package wild-plugin"):
        spec_for("wild")


@pytest.mark.parametrize("value", ["'words'", "7", "[pixels, None]", "lambda: pixels"])
def test_what_is_no_spec_is_reported(value, tmp_path, monkeypatch):
    install(tmp_path, "odd-plugin", f"{_SPEC}spec = {value}\n", {_GROUP: {"odd": "odd_plugin:spec"}}, monkeypatch)
    assert "odd" not in encoder_specs()
    with pytest.raises(SettingsError, match=r"Plugin 'odd' of package odd-plugin 1.0 .* is no EncoderSpec"):
        spec_for("odd")


def test_of_two_encoders_of_one_name_neither_is_used(tmp_path, monkeypatch):
    code = _SPEC + 'specs = [replace(pixels, name="same"), replace(pixels, name="{own}")]\n'
    for package in ("first-plugin", "second-plugin"):
        module = package.replace("-", "_")
        install(tmp_path, package, code.format(own=module), {_GROUP: {module: f"{module}:specs"}}, monkeypatch)
    assert {"first_plugin", "second_plugin"} <= set(encoder_specs())
    with pytest.raises(SettingsError, match=r"'same' is declared twice: by package first-plugin .* second-plugin"):
        spec_for("same")


def test_a_plugin_takes_no_name_of_ours(tmp_path, monkeypatch, caplog):
    code = _SPEC + 'spec = replace(pixels, name="minilm")\n'
    install(tmp_path, "taking-plugin", code, {_GROUP: {"minilm": "taking_plugin:spec"}}, monkeypatch)
    assert spec_for("minilm") == builtin_specs()["minilm"]
    assert "Encoder 'minilm' of package taking-plugin 1.0 (taking_plugin:spec) is left out" in caplog.text


def test_a_family_that_fails_on_import_is_reported(tmp_path, monkeypatch):
    install(tmp_path, "late-plugin", "raise RuntimeError('no licence file')\n", {}, monkeypatch)
    with pytest.raises(SettingsError, match=r"family 'late_plugin:Late' can't be imported .no licence file"):
        family_class(replace(builtin_specs()["pixels"], name="late", family="late_plugin:Late"))


def test_packages_are_read_once_until_one_comes_or_goes(tmp_path, monkeypatch):
    read: list[str] = []

    def entry_points(*, group: str):
        read.append(group)
        return importlib.metadata.entry_points(group=group)

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    code = _SPEC + 'one = replace(pixels, name="one")\ntwo = replace(pixels, name="two")\n'
    place = install(tmp_path, "come-plugin", code, {_GROUP: {"one": "come_plugin:one"}}, monkeypatch)
    assert "one" in encoder_specs()
    encoder_specs()  # the import may have left a folder of bytecode beside the package
    read.clear()
    assert "one" in encoder_specs()
    assert read == []
    info = place / "later-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: later\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{_GROUP}]\ntwo = come_plugin:two\n")
    assert {"one", "two"} <= set(encoder_specs())
    shutil.rmtree(info)
    assert "two" not in encoder_specs()
    assert read == [_GROUP] * 2


class Lonely:
    """A family that can't be loaded twice at a time, as transformers' can't."""

    dim = 4
    alone = threading.Lock()

    def __init__(self, spec, **_):
        assert self.alone.acquire(blocking=False), "loaded side by side"
        time.sleep(0.02)
        self.alone.release()


def test_encoders_are_loaded_one_at_a_time():
    spec = replace(builtin_specs()["pixels"], family=f"{__name__}:Lonely", dim=4, truncate_dim=None)
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: load_encoder(spec), range(4)))
    assert len(loaded) == 4
