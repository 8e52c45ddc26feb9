"""A model's folder as copies and mistakes leave it: what is live answers, a run says what is wrong."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from embed_assets.cli.main import main
from embed_assets.load_settings import load_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings
from embed_assets.store.store import Store
from embed_assets.versions import load_version as loading
from tests.support import note, run_all, write_notes

pytestmark = pytest.mark.slow  # a store for each of 24 states of a model's folder

_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123\n"
_WEIGHTS = "model.safetensors"
_QUERY = note(3)

Fault = Callable[[Path], object]


def written(file: str, content: bytes) -> Fault:
    return lambda model: (model / file).write_bytes(content)


def cut(file: str, size: int) -> Fault:
    return lambda model: os.truncate(model / file, size)


def gone(*files: str) -> Fault:
    return lambda model: [file.unlink() for pattern in files for file in model.glob(pattern)]


def linked(file: str, target: str) -> Fault:
    def change(model: Path) -> None:
        (model / file).unlink()
        (model / file).symlink_to(target)

    return change


def weights_become_a_folder(model: Path) -> None:
    (model / _WEIGHTS).unlink()
    (model / _WEIGHTS).mkdir()


def weights_become_a_pipe(model: Path) -> None:
    (model / _WEIGHTS).unlink()
    os.mkfifo(model / _WEIGHTS)


def weights_are_zeros(model: Path) -> None:
    """What a copy that reserves the room first looks like on its way: the length is right."""
    size = (model / _WEIGHTS).stat().st_size
    (model / _WEIGHTS).write_bytes(bytes(size))


def half_the_weights(model: Path) -> None:
    """A copy that writes in place: the header and a part are there, the rest is zeros."""
    data = (model / _WEIGHTS).read_bytes()
    (model / _WEIGHTS).write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def only_the_small_files(model: Path) -> None:
    (model / _WEIGHTS).rename(model / f".{_WEIGHTS}.part")


def a_file_in_its_place(model: Path) -> None:
    shutil.rmtree(model)
    model.write_text("nothing")


def a_loop_in_its_place(model: Path) -> None:
    shutil.rmtree(model)
    model.symlink_to(model.name)


def another_kind_of_model(model: Path) -> None:
    from transformers import ViTConfig, ViTModel

    shutil.rmtree(model)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    ViTModel(ViTConfig(image_size=32, patch_size=8, **sizes)).save_pretrained(model)


# What a run says of it: part of its line.
_FAULTS: dict[str, tuple[Fault, str]] = {
    "weights cut short": (cut(_WEIGHTS, 5000), f"{_WEIGHTS} was cut short"),
    "weights are a pointer": (written(_WEIGHTS, _POINTER), f"{_WEIGHTS} is a Git LFS pointer"),
    "weights are empty": (written(_WEIGHTS, b""), f"{_WEIGHTS} is no safetensors file"),
    "config is broken": (written("config.json", b"{"), "config.json is no JSON"),
    "config is gone": (gone("config.json"), "config.json"),
    "modules are broken": (written("modules.json", b"{"), "modules.json is no JSON"),
    "tokenizer is broken": (written("tokenizer.json", b"{"), "tokenizer.json is no JSON"),
    "pooling is broken": (written("1_Pooling/config.json", b"{"), "1_Pooling/config.json is no JSON"),
    "folder is gone": (shutil.rmtree, "model"),
    # Their neighbours.
    "weights are zeros": (weights_are_zeros, f"{_WEIGHTS} is no safetensors file"),
    "weights are a folder": (weights_become_a_folder, _WEIGHTS),
    "weights are a pipe": (weights_become_a_pipe, _WEIGHTS),
    "weights link to nothing": (linked(_WEIGHTS, "blobs/0123"), _WEIGHTS),
    "weights link to themselves": (linked(_WEIGHTS, _WEIGHTS), _WEIGHTS),
    "weights are still copied": (only_the_small_files, "no weights"),
    "config is of another size": (written("config.json", b'{"model_type": "bert", "hidden_size": 48}'), "model"),
    "config is of no type": (written("config.json", b"{}"), "config.json"),
    "config names an unknown type": (written("config.json", b'{"model_type": "nonesuch"}'), "nonesuch"),
    "config links to nothing": (linked("config.json", "blobs/0123"), "config.json"),
    "modules are empty": (written("modules.json", b"[]"), "modules.json names no modules"),
    "tokenizer is gone": (gone("tokenizer*", "vocab*"), "has no tokenizer"),
    "pooling is gone": (lambda model: shutil.rmtree(model / "1_Pooling"), "1_Pooling/config.json is not there"),
    "a file in its place": (a_file_in_its_place, "model"),
    "a loop in its place": (a_loop_in_its_place, "model"),
}


def call(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def home(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pipeline that serves the second version of its model, and can go back to the first."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("home")
    write_notes(folder / "notes", 8)
    shutil.copytree(tiny_bert, folder / "model")
    values = {
        "store": "store",
        "sources": {"notes": {"uri": "notes"}},
        "encoders": {"bert": {"model": "./model", "space": "text"}},
        "compute": {"device": "cpu", "offline": True, "isolate_decoders": False},
        "checks": {"max_mean_cosine": 1.0},  # random weights say nearly the same of everything
        "shards": 1,
    }
    (folder / "pipeline.yaml").write_text(json.dumps(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        steps = Steps(load_settings("pipeline.yaml"))
        save_settings(steps.store, steps.settings)
        run_all(steps)
        weights = load_file(folder / "model" / _WEIGHTS)
        torch.manual_seed(7)
        save_file(
            {name: tensor + 0.05 * torch.randn_like(tensor) for name, tensor in weights.items()},
            folder / "model" / _WEIGHTS,
            metadata={"format": "pt"},
        )
        run_all(steps)
        yield folder


@pytest.fixture
def broken(home: Path) -> Iterator[Callable[[Fault], Path]]:
    """Breaks the model's folder as a fault does; it is whole again after the test. Nothing is warm."""
    kept, model = home / "kept", home / "model"

    def change(fault: Fault) -> Path:
        shutil.copytree(model, kept)
        loading.forget_models()
        fault(model)
        return home

    yield change
    if model.is_symlink() or model.is_file():
        model.unlink()
    shutil.rmtree(model, ignore_errors=True)
    kept.rename(model)
    loading.forget_models()


def hits() -> list[tuple[str, float]]:
    found = call("search", _QUERY, "--store", "store", "-k", "8", "--json")
    assert found.exit_code == 0, found.output
    return [(hit["key"], hit["score"]) for hit in json.loads(found.stdout)["hits"]]


def live(home: Path) -> str:
    release = Store(str(home / "store")).serving.pointer("text").live
    assert release is not None
    return release.encoder_version


def said(result: click.testing.Result) -> str:
    """The one line that a command which failed ends with."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.output.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def before(home: Path) -> list[tuple[str, float]]:
    return hits()


@pytest.mark.parametrize("fault", _FAULTS)
def test_what_is_live_answers_whatever_happens_to_the_models_folder(
    fault: str, broken: Callable[[Fault], Path], before: list[tuple[str, float]]
) -> None:
    home = broken(_FAULTS[fault][0])
    version = live(home)
    assert hits() == before
    assert _FAULTS[fault][1] in said(call("plan", "--store", "store"))
    assert _FAULTS[fault][1] in said(call("run", "--store", "store"))
    assert live(home) == version
    assert call("rollback", "text", "--store", "store").exit_code == 0
    earlier, answers = live(home), hits()
    assert call("rollback", "text", "--store", "store").exit_code == 0
    assert live(home) == version
    assert earlier != version
    assert answers != before
    assert hits() == before
