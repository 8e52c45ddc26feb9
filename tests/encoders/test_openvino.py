"""OpenVINO in torch's place: vectors by family, what is kept of a conversion, and where torch goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders import canary_inputs
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.canary_inputs import BOUNDS, movement
from embed_assets.encoders.families.pixels import PixelEncoder
from embed_assets.encoders.parts.pooling import MODES, pool, pool_arrays
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.runtimes import converted_models, load_on_openvino
from embed_assets.encoders.runtimes.choose_runtime import choose_runtime
from embed_assets.encoders.runtimes.convert_to_openvino import vectors_alone_and_together
from embed_assets.encoders.runtimes.converted_models import cache_folder
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.runtimes.usable_cores import usable_cores
from embed_assets.encoders.sentence.converted_chain import ConvertedChain
from embed_assets.errors import EncoderOutputError, SettingsError
from tests.encoders import test_clap, test_siglip, test_spectrogram, test_vision, test_whisper
from tests.encoders.random_models import saved

TEXTS = ["gull", "a red circle on the left " * 9, "harbour, fog and eleven birds", "again and again " * 40]


def both(model: Path | str, *, dtype: str = "float32", **facts: Any) -> tuple[Encoder, Encoder]:
    """The encoder by torch and by OpenVINO."""
    spec = spec_for(str(model), **facts)
    by_torch = load_encoder(spec, device="cpu", dtype=dtype)
    return by_torch, on_openvino(spec, by_torch.identity(), dtype=dtype)


def on_openvino(spec, parts, *, dtype="float32", loaded: list[str] | None = None) -> Encoder:
    def load(dtype: str) -> Encoder:
        if loaded is not None:
            loaded.append(dtype)
        return load_encoder(spec, device="cpu", dtype=dtype)

    return load_on_openvino.load_on_openvino(spec, parts, dtype=dtype, reason="a test", load=load)


def texts_of(encoder: Encoder) -> np.ndarray:
    return encoder.encode([encoder.prepare("text", text) for text in TEXTS])


def assert_near(one: Encoder, other: Encoder, bound: float) -> None:
    moved = movement(vectors_alone_and_together(one), vectors_alone_and_together(other))
    assert set(moved) == {name for each in one.spec.modalities for name in (each, f"{each} together")}
    assert max(moved.values()) < bound, moved


def test_texts_get_the_vectors_of_torch_whatever_else_is_in_the_batch(tiny_bert):
    by_torch, by_openvino = both(tiny_bert)
    assert (by_torch.runtime, by_openvino.runtime) == ("torch", "openvino")
    assert by_openvino.runtime_reason.startswith("a test; canary vectors within ")
    expected, found = texts_of(by_torch), texts_of(by_openvino)
    assert np.abs(found - expected).max() < 1e-5
    alone = [by_openvino.encode([by_openvino.prepare("text", text)])[0] for text in TEXTS]
    assert np.abs(found - np.stack(alone)).max() < 1e-5
    assert by_openvino.identity() == by_torch.identity()
    assert (by_openvino.dim, by_openvino.max_tokens) == (by_torch.dim, by_torch.max_tokens)
    assert by_openvino.encode([]).shape == (0, by_torch.dim)


@pytest.mark.slow
def test_pooling_and_prompts_and_matryoshka_survive_without_torch(plain_bert):
    facts = {"pooling": "cls", "truncate_dim": 12, "query_prompt": "query: ", "document_prompt": "passage: "}
    by_torch, by_openvino = both(plain_bert, **facts)
    assert isinstance(getattr(by_openvino, "_model", None), ConvertedChain)
    for query in (False, True):
        vectors = [each.encode([each.prepare("text", "a gull", query=query)]) for each in (by_torch, by_openvino)]
        assert vectors[1].shape == (1, 12)
        assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


@pytest.mark.parametrize("side", ["right", "left"])
def test_every_pooling_in_numpy_is_that_of_torch(side):
    import torch

    numbers = np.random.default_rng(0)
    tokens = numbers.normal(size=(3, 7, 5)).astype(np.float32)
    mask = np.ones((3, 7), dtype=np.int64)
    for row, length in enumerate((7, 3, 1)):
        mask[row] = [0] * (7 - length) + [1] * length if side == "left" else [1] * length + [0] * (7 - length)
    expected = pool(torch.from_numpy(tokens), torch.from_numpy(mask), MODES).numpy()
    assert np.abs(pool_arrays(tokens, mask, MODES) - expected).max() < 1e-6


@pytest.mark.slow
def test_bfloat16_is_near_that_of_torch_and_not_float32(tiny_bert):
    by_torch, by_openvino = both(tiny_bert, dtype="bfloat16")
    assert by_openvino.runtime == "openvino"
    assert_near(by_torch, by_openvino, BOUNDS["bfloat16"])
    norms = np.linalg.norm(texts_of(by_openvino), axis=1)
    assert np.abs(norms - 1).max() < 1e-6


def pictures(model_type: str):
    config, processor = test_vision.small(model_type)
    return lambda folder: saved(config, folder, processor)


def siglip(folder: Path) -> Path:
    return saved(test_siglip.config(), folder, test_siglip.gemma_tokenizer(), test_siglip.images())


def ast(folder: Path) -> Path:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    shape = {"num_mel_bins": 32, "max_length": 256}
    return test_spectrogram.saved_ast(folder, extractor=shape, **size, **shape, initializer_range=0.5)


def whisper(folder: Path) -> Path:
    size = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "vocab_size": 200}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3}
    return test_whisper.saved(folder, **size, **heads, **ids)


def clap(folder: Path) -> Path:
    return test_clap.saved(folder, **test_clap.SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        *(
            pytest.param(lambda folder, kind=kind: pictures(kind)(folder), id=kind)
            for kind in ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext", "resnet")
        ),
        *(pytest.param(make, id=make.__name__) for make in (siglip, clap, whisper, ast)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_family_gets_the_vectors_of_torch(make, dtype, tmp_path):
    by_torch, by_openvino = both(make(tmp_path), dtype=dtype)
    assert by_openvino.runtime == "openvino", by_openvino.runtime_reason
    assert_near(by_torch, by_openvino, BOUNDS[dtype])
    assert by_openvino.identity() == by_torch.identity()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["resnet18", "inception_v3", "vgg16"])
def test_every_network_of_torchvision_gets_the_vectors_of_torch(architecture, random_cnn):
    by_torch, by_openvino = both(random_cnn(architecture))
    assert by_openvino.runtime == "openvino", by_openvino.runtime_reason
    assert_near(by_torch, by_openvino, 1e-5)


@pytest.mark.slow
def test_frames_of_a_clip_run_on_the_converted_towers(tiny_clip):
    by_torch, by_openvino = both(tiny_clip)
    assert_near(by_torch, by_openvino, 1e-5)
    facts = {"family": "video_frames", "modalities": ("video", "image", "text"), "media": ("video",), "space": "v"}
    by_torch, by_openvino = both(tiny_clip, **facts, frames=4)
    assert by_openvino.runtime == "openvino", by_openvino.runtime_reason
    assert_near(by_torch, by_openvino, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_minilm_gets_the_vectors_of_torch(minilm, dtype):
    by_torch, by_openvino = both(minilm, dtype=dtype)
    assert by_openvino.runtime == "openvino", by_openvino.runtime_reason
    assert_near(by_torch, by_openvino, BOUNDS[dtype])


@pytest.fixture
def kept_conversion(tiny_bert: Path) -> tuple[Any, Any, Path]:
    """Spec and identity of an encoder, and the entry that its conversion left."""
    spec = spec_for(str(tiny_bert))
    parts = load_encoder(spec, device="cpu").identity()
    on_openvino(spec, parts)
    return spec, parts, next(cache_folder().iterdir())


def test_a_conversion_is_made_once_and_then_torch_is_not_asked(kept_conversion):
    spec, parts, entry = kept_conversion
    loaded: list[str] = []
    assert on_openvino(spec, parts, loaded=loaded).runtime == "openvino"
    assert loaded == []
    assert {file.name for file in entry.iterdir()} >= {"record.json", "tokens.xml", "tokens.bin", "canaries.npz"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tokens.bin", "record.json", "canaries.npz"])
def test_a_damaged_conversion_is_made_again(kept_conversion, name):
    spec, parts, entry = kept_conversion
    (entry / name).write_bytes((entry / name).read_bytes()[:-40])
    loaded: list[str] = []
    assert on_openvino(spec, parts, loaded=loaded).runtime == "openvino"
    assert loaded == ["float32"]
    assert on_openvino(spec, parts, loaded=loaded).runtime == "openvino"
    assert loaded == ["float32"]


@pytest.mark.slow
def test_a_conversion_whose_canaries_moved_is_made_again(kept_conversion):
    spec, parts, entry = kept_conversion
    with np.load(entry / "canaries.npz") as stored:
        shifted = {name: stored[name] + np.float32(0.01) for name in stored.files}
    np.savez(entry / "canaries.npz", **shifted)
    record = json.loads((entry / "record.json").read_text())
    stat = (entry / "canaries.npz").stat()
    record["files"]["canaries.npz"] = [stat.st_size, int(stat.st_mtime)]
    (entry / "record.json").write_text(json.dumps(record))
    loaded: list[str] = []
    assert on_openvino(spec, parts, loaded=loaded).runtime == "openvino"
    assert loaded == ["float32"]


@pytest.mark.slow
def test_another_version_of_openvino_makes_an_entry_of_its_own(kept_conversion, monkeypatch):
    spec, parts, _ = kept_conversion
    installed = converted_models.installed
    monkeypatch.setattr(converted_models, "installed", lambda name: "1" if name == "openvino" else installed(name))
    on_openvino(spec, parts)
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.slow
def test_the_entries_used_longest_ago_go_where_there_are_too_many_bytes(kept_conversion, plain_bert, monkeypatch):
    _, _, old = kept_conversion
    monkeypatch.setattr(converted_models, "MOST_BYTES", 1)
    both(plain_bert)
    assert [entry == old for entry in cache_folder().iterdir()] == [False]


def test_where_vectors_differ_torch_goes_on_and_the_reason_is_kept(tiny_bert, monkeypatch):
    monkeypatch.setitem(canary_inputs.BOUNDS, "float32", 1e-12)  # which no other order of additions reaches
    by_torch, other = both(tiny_bert)
    assert other.runtime == "torch"
    assert "vectors differ (text by" in other.runtime_reason
    assert np.array_equal(texts_of(by_torch), texts_of(other))
    loaded: list[str] = []
    again = on_openvino(by_torch.spec, by_torch.identity(), loaded=loaded)
    assert (again.runtime_reason, loaded) == (other.runtime_reason, ["float32"])


@pytest.mark.slow
def test_a_model_of_the_library_runs_on_torch_and_says_so(minilm):
    _, other = both(minilm, options={"library": True})
    assert other.runtime == "torch"
    assert "family sentence are not converted" in other.runtime_reason


def test_where_nothing_can_be_written_torch_goes_on(tiny_bert, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    _, other = both(tiny_bert)
    assert other.runtime == "torch"
    assert "can't be kept" in other.runtime_reason


def test_the_runtime_follows_setting_device_and_dtype(tiny_bert):
    spec = spec_for(str(tiny_bert))
    assert choose_runtime("auto", spec, device="cpu", dtype="float32").runtime == "openvino"
    assert choose_runtime("torch", spec, device="cpu", dtype="float32").runtime == "torch"
    assert choose_runtime("auto", spec_for("pixels"), device="cpu", dtype="float32").runtime == "numpy"
    on_gpu = choose_runtime("auto", spec, device="cuda", dtype="float32")
    assert (on_gpu.runtime, on_gpu.reason) == ("torch", "the device is cuda, and OpenVINO runs on the CPU")
    assert choose_runtime("auto", spec, device="cpu", dtype="float16").runtime == "torch"
    with pytest.raises(SettingsError, match=r"runtime: openvino can't run .* the device is cuda"):
        choose_runtime("openvino", spec, device="cuda", dtype="float32")


def test_without_the_package_auto_takes_torch_and_openvino_is_refused(tiny_bert, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    spec = spec_for(str(tiny_bert))
    assert choose_runtime("auto", spec, device="cpu", dtype="float32").reason == "openvino is not installed"
    with pytest.raises(SettingsError, match=r"pip install 'embed-assets\[openvino\]'"):
        choose_runtime("openvino", spec, device="cpu", dtype="float32")


def test_no_more_threads_than_cores_that_may_be_used(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    most = usable_cores()
    assert most >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usable_cores() == 1


def test_threads_that_load_models_at_once_import_openvino_once():
    code = (
        "import sys; sys.setswitchinterval(1e-6); from threading import Barrier\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from embed_assets.encoders.runtimes.openvino_network import _core\n"
        "start = Barrier(8)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    cores = list(pool.map(lambda _: (start.wait(), _core())[1], range(8)))\n"
        "assert len(set(map(id, cores))) == 1"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_importing_openvino_leaves_its_telemetry_out():
    code = (
        "import sys; from embed_assets.encoders.runtimes.openvino_network import openvino; openvino();"
        "assert 'openvino' in sys.modules; print([m for m in sys.modules if m.startswith('openvino_telemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_moved_folder_finds_its_conversion_again(kept_conversion, tiny_bert, tmp_path):
    _, parts, _ = kept_conversion
    shutil.copytree(tiny_bert, tmp_path / "elsewhere")
    loaded: list[str] = []
    on_openvino(spec_for(str(tmp_path / "elsewhere")), parts, loaded=loaded)
    assert loaded == []


def test_a_class_that_gives_a_state_without_a_way_to_be_built_of_it_is_named() -> None:
    state = TorchFreeState(values={})
    with pytest.raises(EncoderOutputError, match=r"'pixels' gave a state.*PixelEncoder has no method torch_free"):
        PixelEncoder.torch_free(spec_for("pixels"), state, {}, parts={}, dtype="float32")
