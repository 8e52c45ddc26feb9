"""Files of a model folder, checked before a library parses them: JSON, safetensors, modules, tokenizers.

Libraries raise a parser's error for a damaged file, and take a default for an absent one: neither names it.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embed_assets.errors import WeightsError

_POINTER = b"version https://git-lfs"
_HEADER_BYTES = 100_000_000  # safetensors' own limit of its header
_SMALL_JSON = 2**20  # of a folder's JSON files the larger ones are read by those who need them
_NEEDS_CONFIG = ("Pooling", "Dense")  # modules whose defaults would change vectors without a word
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken")
_LEAST_SHARE = 0.5  # of the model's tokens that a tokenizer has entries for
_UNBOUNDED = re.compile(r"[*+]|\{\d+,\}")


def read_json(file: Path) -> Any:
    """Read the file's content. Raises WeightsError naming the file and what is wrong with it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} can't be read: {error.strerror}. Give this user access to it.") from error
    if data.startswith(_POINTER):
        raise _pointer(file)
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WeightsError(f"{file} is no UTF-8 text: {error.reason} at byte {error.start}. Get it again.") from error
    except RecursionError as error:
        raise WeightsError(f"{file} is nested too deeply for a model's file. Get it again.") from error
    except ValueError as error:
        what = f"{error}" if data.strip() else "it is empty"
        raise WeightsError(f"{file} is no JSON: {what}. A copy that was cut short? Get it again.") from error


def read_config(file: Path) -> dict[str, Any]:
    """Read the file's content, an object; empty if there is no such file."""
    if not file.is_file():
        return {}
    content = read_json(file)
    if not isinstance(content, dict):
        raise WeightsError(f"{file} holds {type(content).__name__}; expected an object of settings. Get it again.")
    return content


def read_modules(folder: Path) -> list[dict[str, str]]:
    """Read the modules that modules.json names, each inside the folder and with its config.

    Raises WeightsError if one leads out of the folder, or lacks its config.json: a default of the
    library's (mean pooling, Tanh) would be other vectors.
    """
    file = folder / "modules.json"
    modules = read_json(file)
    if not isinstance(modules, list) or not modules:
        raise WeightsError(f"{file} names no modules; expected a list of them. Get it again.")
    for module in modules:
        if not isinstance(module, dict) or not all(isinstance(module.get(key), str) for key in ("path", "type")):
            raise WeightsError(f"{file}: each module needs a path and a type; found {str(module)[:80]}. Get it again.")
        path = posixpath.normpath(module["path"])
        if path.startswith(("/", "..")):
            raise WeightsError(f"{file} names the module {module['path']!r}, which is outside the model's folder.")
        kind = module["type"].rpartition(".")[2]
        if kind in _NEEDS_CONFIG and not (folder / path / "config.json").is_file():
            raise WeightsError(
                f"{file} names the module {module['path']!r} ({kind}), but {folder / path / 'config.json'} is not "
                "there. A copy without its subfolders? Get the whole folder again."
            )
    return modules


def check_model_folder(folder: Path) -> None:
    """Raise WeightsError for weights that are cut short or a pointer to them, and small JSON files that are none."""
    for file in sorted(folder.rglob("*.safetensors")):
        check_safetensors(file)
    for file in sorted(folder.rglob("*.json")):
        if file.is_file() and file.stat().st_size <= _SMALL_JSON:
            read_json(file)
    if (folder / "modules.json").is_file():
        read_modules(folder)


def check_regular(file: Path) -> None:
    """Raise WeightsError for a link to nothing, and for a pipe, which would be waited for."""
    if not file.is_file():
        what = "a folder" if file.is_dir() else "a link to nothing, or a pipe"
        raise WeightsError(f"{file} is no file but {what}. Get the model again.")


def check_config(folder: Path) -> None:
    """Raise WeightsError if config.json is absent, or names no type of model."""
    file = folder / "config.json"
    if not file.is_file():
        raise WeightsError(f"{file} is missing, which names the type of the model. Get the whole folder again.")
    if not read_config(file).get("model_type"):
        raise WeightsError(f"{file} has no model_type. Get it again.")


def check_safetensors(file: Path) -> None:
    """Raise WeightsError if the header is broken, or the file is shorter than its header requires."""
    check_regular(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        if (head + stream.read(len(_POINTER))).startswith(_POINTER):
            raise _pointer(file)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or not 2 <= length <= min(_HEADER_BYTES, size - 8):
            raise WeightsError(f"{file} is no safetensors file, or was cut short ({size:,} bytes). Get it again.")
        stream.seek(8)
        header = stream.read(length)
    ends = list(_ends(file, header))
    needed = 8 + length + max(ends, default=0)
    if size < needed:
        raise WeightsError(f"{file} was cut short: it has {size:,} of {needed:,} bytes. Get it again.")


def check_tokenizer_files(folder: Path) -> None:
    """Raise WeightsError if there is no vocabulary: transformers then makes one in which every word is unknown."""
    if not any(True for pattern in _VOCABULARIES for _ in folder.glob(pattern)):
        raise WeightsError(
            f"{folder} has no tokenizer: none of {', '.join(_VOCABULARIES)} is there, so every word would be unknown. "
            "A copy that is half there? Get the whole folder again."
        )


def check_vocabulary(entries: int, folder: Path) -> None:
    """Raise WeightsError if a tokenizer has far fewer entries than the model of the folder has for tokens.

    Most words would be unknown. A few more or less are usual: tables are filled up to a round number.
    """
    config = read_config(folder / "config.json")
    text = config.get("text_config")
    vocabulary = (text if isinstance(text, dict) else config).get("vocab_size")
    if isinstance(vocabulary, int) and entries < _LEAST_SHARE * vocabulary:
        raise WeightsError(
            f"{folder}: its tokenizer has {entries:,} entries, its model has {vocabulary:,}, so most words "
            "would be unknown. Put the model's own tokenizer files there."
        )


def check_patterns(serialised: str, origin: str) -> None:
    """Raise WeightsError for a tokenizer whose regular expression may take exponential time on a text."""
    for pattern in _patterns(json.loads(serialised)):
        if _repeats_twice(pattern):
            raise WeightsError(
                f"{origin} splits texts by {pattern!r}, a repetition inside a repetition: some texts would take "
                "hours. Replace the pattern in its tokenizer.json, or choose another model."
            )


def _repeats_twice(pattern: str) -> bool:
    """Whether a group that holds an unbounded repetition is itself repeated without bound, as in (a+)+."""
    plain = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", pattern)  # escapes and classes are one character each
    inner = re.compile(r"\(([^()]*)\)([*+]|\{\d+,\})?")
    while group := inner.search(plain):
        repeats = _UNBOUNDED.search(group[1]) is not None
        if repeats and group[2]:
            return True
        # A group becomes one character, repeated if something in it is.
        plain = f"{plain[: group.start()]}{'x+' if repeats or group[2] else 'x'}{plain[group.end() :]}"
    return False


def _patterns(content: Any) -> Iterator[str]:
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if key == "Regex" and isinstance(value, str):
            yield value
        elif key != "vocab" and key != "merges" and isinstance(value, (dict, list)):
            yield from _patterns(value)


def _ends(file: Path, header: bytes) -> Iterator[int]:
    try:
        tensors = json.loads(header)
        for name, tensor in tensors.items():
            if name != "__metadata__":
                yield int(tensor["data_offsets"][1])
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise WeightsError(f"{file} has a broken header ({type(error).__name__}: {error}). Get it again.") from error


def _pointer(file: Path) -> WeightsError:
    return WeightsError(f"{file} is a Git LFS pointer, not the file itself. Fetch it: git lfs pull, in its repository.")
