"""Settings of made-up YAML, dictionaries and variables: settings, or a SettingsError, and nothing else."""

import os
import tempfile
from pathlib import Path
from typing import Any, get_args, get_origin
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_assets.errors import SettingsError
from embed_assets.load_settings import load_settings, make_settings
from embed_assets.settings import PipelineSettings, Section
from tests.fuzzing import fuzzed

EXAMPLE: dict[str, Any] = {
    "store": "data/store",
    "sources": {"a": {"uri": "media", "table": {"text": "t", "labels": ["x"]}}},
    "encoders": {"e": {"model": "embedded:minilm", "sources": ["a"], "segments": {"mode": "whole"}}},
    "spaces": {"text": {"queries": "q.jsonl"}},
}


def names(section: type[Section]) -> set[str]:
    """Keys of a section and of all below it."""
    found = set(section.model_fields)
    for field in section.model_fields.values():
        kind = get_args(field.annotation)[1] if get_origin(field.annotation) is dict else field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= names(kind)
    return found


PATHS = ["", "~", ".", "..", "/", "://", "s3://", "file://x", "a::b", "\0", "é", "~nobody/x", "a" * 300]
texts = st.sampled_from([*PATHS, "[", "0", "null"]) | st.text(max_size=8)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.dates(), st.binary(max_size=4))
keys = st.sampled_from(sorted(names(PipelineSettings))) | st.sampled_from(["a", "e", "text", "A b", "", "é"])
values = st.recursive(
    leaves, lambda inner: st.lists(leaves, max_size=2) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
PIECES = [
    *"{}[]:,-&*!|>'\"#%@`? \n\t\0", "\n  ", "store: ", "sources:", "uri: ", "&a ", "*a", "<<: ", "!!python/object:x",
    "2001-01-01", "2001-99-99", "0x", "1e999", "~", "é", "\x85", "\ufeff", "- - - ", "9" * 5000, "[" * 2000,
]  # fmt: skip


def is_variable(text: str) -> bool:
    """Whether the operating system takes it as a variable's value."""
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text


@st.composite
def changed(draw: Any) -> Any:
    """The example, with anything in some place of it."""
    made = _copy(EXAMPLE)
    for _ in range(draw(st.integers(1, 3))):
        here: Any = made
        while isinstance(here, dict) and here and draw(st.booleans()):
            below = draw(st.sampled_from(sorted(here)))
            if not isinstance(here[below], dict):
                break
            here = here[below]
        if isinstance(here, dict):
            here[draw(keys | st.sampled_from(sorted(here) or ["a"]))] = draw(values)
    return made


def _copy(value: Any) -> Any:
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value


def settled(make: Any) -> None:
    try:
        made = make()
    except SettingsError as error:
        assert str(error)
        str(error).encode()
    else:
        assert isinstance(made, PipelineSettings)


@fuzzed()
@given(made=changed() | st.dictionaries(keys, values, max_size=4))
def test_any_dictionary_is_settings_or_a_settings_error(made: Any) -> None:
    settled(lambda: make_settings(made))


@pytest.mark.slow
@fuzzed()
@given(made=changed())
def test_any_dictionary_as_yaml_is_settings_or_a_settings_error(made: Any) -> None:
    import yaml

    loaded(yaml.safe_dump(made, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@fuzzed()
@given(data=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join))
def test_any_yaml_is_settings_or_a_settings_error(data: str) -> None:
    loaded(data.encode("utf-8", "surrogatepass"))


@fuzzed()
@given(data=st.binary(max_size=60))
def test_any_bytes_are_settings_or_a_settings_error(data: bytes) -> None:
    loaded(data)


@pytest.mark.slow
@fuzzed()
@given(
    environ=st.dictionaries(
        st.lists(keys, min_size=1, max_size=3).map(lambda parts: f"EMBED_ASSETS_{'__'.join(parts).upper()}"),
        texts.filter(is_variable)
        | st.sampled_from(["{}", '{"a": 1}', "[1]", "[" * 2000, '{"a": {"uri": 3}}', "true", "9" * 5000]),
        max_size=3,
    )
)
def test_any_variables_are_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    import yaml

    loaded(yaml.safe_dump(EXAMPLE).encode(), environ)


def loaded(data: bytes, environ: dict[str, str] | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "p.yaml"
        file.write_bytes(data)
        with patch.dict(os.environ, environ or {}):
            settled(lambda: load_settings(file))
