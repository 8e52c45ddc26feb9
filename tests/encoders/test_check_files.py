"""Damaged, incomplete and hostile model folders: one WeightsError that names the file and the reason."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_assets.encoders.loading.check_files import check_patterns, check_safetensors, read_json
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import WeightsError


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def loaded(model: Path) -> None:
    load_encoder(spec_for(str(model)), device="cpu")


def edit(file: str, **changes: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        content = json.loads((model / file).read_text()) | changes
        (model / file).write_text(json.dumps(content))

    return change


def write(file: str, content: bytes) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / file).write_bytes(content)

    return change


def cut(file: str, size: int) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / file).write_bytes((model / file).read_bytes()[:size])

    return change


def replaced(file: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / file).unlink()
        make(model / file)

    return change


def link(file: str) -> Callable[[Path], None]:
    return replaced(file, lambda place: place.symlink_to("blobs/0123"))


def pipe(file: str) -> Callable[[Path], None]:
    return replaced(file, os.mkfifo)


def folder(file: str) -> Callable[[Path], None]:
    return replaced(file, Path.mkdir)


def modules(*entries: object) -> Callable[[Path], None]:
    return write("modules.json", json.dumps(list(entries)).encode())


def module(path: object, kind: str = "Transformer") -> dict[str, object]:
    return {"path": path, "type": f"sentence_transformers.models.{kind}"}


_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123\n"
_HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
_TEXTS = b'{"a": {"data_offsets": "no"}}'
_FAULTS = {
    "weights are a pointer": (write("model.safetensors", _POINTER), r"model\.safetensors is a Git LFS pointer"),
    "weights are cut short": (lambda m: cut("model.safetensors", 5000)(m), r"model\.safetensors was cut short"),
    "weights are empty": (write("model.safetensors", b""), r"model\.safetensors is no safetensors file"),
    "header is huge": (write("model.safetensors", b"\xff" * 64), r"model\.safetensors is no safetensors file"),
    "header is no JSON": (
        write("model.safetensors", (20).to_bytes(8, "little") + b"x" * 20),
        r"model\.safetensors has a broken header",
    ),
    "header is nested": (
        write("model.safetensors", (200_000).to_bytes(8, "little") + b"[" * 200_000),
        r"model\.safetensors has a broken header",
    ),
    "offsets are text": (
        write(
            "model.safetensors",
            len(b'{"a": {"data_offsets": "no"}}').to_bytes(8, "little") + b'{"a": {"data_offsets": "no"}}',
        ),
        r"model\.safetensors has a broken header",
    ),
    "config is cut short": (write("config.json", b'{"model_type": "be'), r"config\.json is no JSON"),
    "config is empty": (write("config.json", b""), r"config\.json is no JSON: it is empty"),
    "config is Latin-1": (write("config.json", b'{"a": "\xe9"}'), r"config\.json is no UTF-8 text"),
    "config is a pointer": (write("config.json", _POINTER), r"config\.json is a Git LFS pointer"),
    "config is nested": (write("config.json", b"[" * 100_000), r"config\.json is nested too deeply"),
    "config is a list": (write("config.json", b"[]"), r"config\.json holds list"),
    "modules has a mark": (write("modules.json", b"\xef\xbb\xbf[]"), r"modules\.json is no JSON: Unexpected UTF-8 BOM"),
    "modules is empty": (modules(), r"modules\.json names no modules"),
    "modules has a text": (modules("Transformer"), r"modules\.json: each module needs a path and a type"),
    "modules has no path": (modules({"type": "sentence_transformers.models.Transformer"}), "needs a path and a type"),
    "modules leads out": (modules(module(""), module("../pooling", "Pooling")), r"outside the model's folder"),
    "modules leads out by a root": (modules(module("/etc", "Pooling")), r"outside the model's folder"),
    "modules leads out below": (modules(module("a/../../b", "Pooling")), r"outside the model's folder"),
    "no pooling config": (lambda m: shutil.rmtree(m / "1_Pooling"), r"1_Pooling/config\.json is not there"),
    "no dense config": (
        modules(module(""), module("1_Pooling", "Pooling"), module("2_Dense", "Dense")),
        r"2_Dense/config\.json is not there",
    ),
    "pooling config is broken": (write("1_Pooling/config.json", b"{"), r"1_Pooling/config\.json is no JSON"),
    "pooling config is a list": (write("1_Pooling/config.json", b"[]"), r"1_Pooling/config\.json holds list"),
    "no tokenizer": (
        lambda m: [file.unlink() for name in ("tokenizer*", "vocab*") for file in m.glob(name)] and None,
        "has no tokenizer: none of",
    ),
    "tokenizer is cut short": (cut("tokenizer.json", 200), r"tokenizer\.json is no JSON"),
    "tokenizer is of nothing": (write("tokenizer.json", b"{}"), "has no tokenizer that can be loaded"),
    "config of another size": (edit("config.json", hidden_size=48), "can't be loaded"),
    "config without a type": (write("config.json", b"{}"), r"config\.json has no model_type"),
    "config is gone": (lambda m: (m / "config.json").unlink(), r"config\.json is missing"),
    "config links to nothing": (link("config.json"), r"config\.json is no file but a link to nothing"),
    "tokenizer links to nothing": (link("tokenizer.json"), r"tokenizer\.json is no file but a link to nothing"),
    "weights link to nothing": (link("model.safetensors"), r"model\.safetensors is no file but a link to nothing"),
    "weights are a pipe": (pipe("model.safetensors"), r"model\.safetensors is no file but .* a pipe"),
    "weights are a folder": (folder("model.safetensors"), r"model\.safetensors is no file but a folder"),
}


def with_tokenizer_of(model: Path, words: int) -> Path:
    """The model with another tokenizer, of so many entries beside the special ones."""
    from transformers import BertTokenizer

    for pattern in ("tokenizer*", "vocab*"):
        for file in model.glob(pattern):
            file.unlink()
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{number}" for number in range(words))]
    BertTokenizer(vocab={token: place for place, token in enumerate(tokens)}).save_pretrained(model)
    return model


@pytest.mark.parametrize(("share", "fits"), [(0.0, False), (0.4, False), (0.6, True), (0.97, True)])
def test_a_tokenizer_of_far_fewer_entries_than_the_models_is_refused(share: float, fits: bool, model: Path) -> None:
    size = json.loads((model / "config.json").read_text())["vocab_size"]
    spec = spec_for(str(with_tokenizer_of(model, int(share * size))))
    if fits:
        load_encoder(spec, device="cpu")
        return
    with pytest.raises(WeightsError, match=r"its tokenizer has \d+ entries, its model has 2\d\d, so most words"):
        load_encoder(spec, device="cpu")


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_fault_of_a_model_folder_is_one_error_that_names_it(fault: str, model: Path) -> None:
    change, said = _FAULTS[fault]
    change(model)
    with pytest.raises(WeightsError, match=said) as raised:
        loaded(model)
    assert "\n" not in str(raised.value)


def test_the_folder_without_faults_loads(model: Path) -> None:
    loaded(model)


def test_a_pickle_beside_safetensors_of_another_name_is_not_loaded(model: Path) -> None:
    place = model / "2_Dense"
    place.mkdir()
    dense = {"in_features": 32, "out_features": 8, "activation_function": "torch.nn.modules.activation.ReLU"}
    (place / "config.json").write_text(json.dumps(dense))
    (place / "pytorch_model.bin").write_bytes(b"\x80\x04code")
    shutil.copy(model / "model.safetensors", place / "decoy.safetensors")
    modules(module(""), module("1_Pooling", "Pooling"), module("2_Dense", "Dense"))(model)
    with pytest.raises(WeightsError, match=r"2_Dense has only pickled weights"):
        loaded(model)


@pytest.mark.parametrize("pattern", ["(a+)+$", r"(\w*)*", "(?:x+y?){2,}", "((a|b)+c*)+", r"([a-z]+)*\d"])
def test_a_pattern_that_may_take_exponential_time_is_refused(pattern: str) -> None:
    tokenizer = {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}}
    with pytest.raises(WeightsError, match="a repetition inside a repetition"):
        check_patterns(json.dumps(tokenizer), "The tokenizer of m")


@pytest.mark.parametrize(
    "pattern",
    [
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",  # GPT-2
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
        r"<\|startoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",  # CLIP
        " {2,}",  # T5's normalizer
        r"[(+)*]+",
    ],
)
def test_patterns_of_well_known_tokenizers_pass(pattern: str) -> None:
    check_patterns(json.dumps({"pre_tokenizer": {"pattern": {"Regex": pattern}}}), "The tokenizer of m")


def test_weights_as_long_as_their_header_says_pass(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(8))
    check_safetensors(file)
    file.write_bytes(len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(7))
    with pytest.raises(WeightsError, match="was cut short"):
        check_safetensors(file)


def test_a_file_that_is_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"é": 1}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"é": 1}
