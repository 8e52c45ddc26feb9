import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest

from embed_assets.cli.main import main

Command = Callable[..., click.testing.Result]


@pytest.fixture
def command(words: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Calls embed-assets in a folder of this test's own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("EMBED_ASSETS_", "DAGSTER_HOME"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")

    def call(*arguments: str) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(main, list(arguments))
        monkeypatch.delenv("DAGSTER_HOME", raising=False)  # set by the command, for its own process
        return result

    return call


@pytest.fixture
def pipeline_yaml(tmp_path: Path) -> Callable[..., str]:
    """Writes the settings of a pipeline over notes/ with the encoder "words"."""

    def write(**changes: Any) -> str:
        values = {
            "store": "store",
            "sources": {"notes": {"uri": "notes"}},
            "encoders": {"words": {"model": "words"}},
            "compute": {"device": "cpu", "offline": True},
            "shards": 4,
        }
        (tmp_path / "pipeline.yaml").write_text(json.dumps(values | changes))
        return "pipeline.yaml"

    return write
