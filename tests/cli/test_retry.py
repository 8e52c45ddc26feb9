"""embed-assets retry: what was set aside gets another try."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.support import write_notes


@pytest.mark.slow
def test_what_a_limit_quarantined_is_embedded_once_the_limit_is_raised(
    command: Command, pipeline_yaml: Callable[..., str], tmp_path: Path, words: list[Any]
) -> None:
    """One item is too large to be listed, one too long to be cut: neither changes, both are tried again."""
    notes = write_notes(tmp_path / "notes", 3)
    (notes / "large.txt").write_text("large " * 100)
    (notes / "long.txt").write_text("long " * 50)
    low = pipeline_yaml(limits={"max_bytes": 400, "max_characters": 200})
    first = json.loads(command("run", "--settings", low, "--json").stdout)
    assert first["sources"][0]["embedded"] == 3
    listed = command("status", "--quarantined", "--store", "store", "--json").stdout
    assert [each["key"] for each in json.loads(listed)] == ["large.txt", "long.txt"]
    assert "notes/long.txt: " in command("status", "--quarantined", "--store", "store").stdout
    assert command("quarantine", "--store", "store", "--json").stdout == listed

    high = pipeline_yaml()
    assert json.loads(command("run", "--settings", high, "--json").stdout)["changed"] is False
    assert json.loads(command("retry", "--store", "store", "--json").stdout) == {"items": 2}
    words.clear()
    last = json.loads(command("run", "--settings", high, "--json").stdout)
    assert last["sources"][0]["quarantined"] == 0
    assert last["sources"][0]["embedded"] == 2
    assert {text.split()[0] for text in words} == {"large", "long"}


@pytest.mark.slow
def test_where_nothing_is_quarantined_it_says_so(
    command: Command, pipeline_yaml: Callable[..., str], tmp_path: Path
) -> None:
    """And the next run is as fresh as before."""
    write_notes(tmp_path / "notes", 3)
    command("run", "--settings", pipeline_yaml())
    assert command("retry", "--store", "store").stdout == "Nothing is quarantined.\n"
    assert "Everything is fresh" in command("run", "--store", "store").stdout
