"""embed-assets search: what can't be asked is shown in one line."""

from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest

from embed_assets.store.saved_settings import save_settings
from tests.kept import Kept
from tests.support import note, pipeline, run_all, write_notes

Command = Callable[..., click.testing.Result]


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def store(tmp_path: Path, words: list, command: Command, kept: Kept) -> str:
    """Notes with the labels "harbour" and "tunnel", made searchable."""

    def run() -> None:
        for folder in ("harbour", "tunnel"):
            write_notes(tmp_path / "notes" / folder, 3)
        steps = pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}})
        save_settings(steps.store, steps.settings)
        run_all(steps)

    kept.once("store", run)
    return "store"


def refusal(result: click.testing.Result) -> str:
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception  # no traceback
    return result.output.splitlines()[-1]


@pytest.mark.parametrize("k", ["0", "-3", "many"])
def test_a_number_of_items_below_one_is_refused(k: str, command: Command, store: str) -> None:
    assert "-k" in refusal(command("search", "amber", "-k", k, "--store", store))


def test_an_unknown_label_is_reported_with_those_there_are(command: Command, store: str) -> None:
    said = refusal(command("search", "amber", "--label", "harbor", "--store", store))
    assert said == "Error: No item has the label 'harbor'. Did you mean 'harbour'? Labels: harbour, tunnel."
    found = command("search", note(1), "--label", "tunnel", "--store", store)
    assert found.exit_code == 0
    assert "tunnel/note-001.txt" in found.output


def test_a_query_that_is_not_utf8_is_refused(command: Command, store: str) -> None:
    assert "The query is not UTF-8" in refusal(command("search", "caf\udce9", "--store", store))


@pytest.mark.parametrize("name", ["search amber", "status", "maintain"])
def test_where_there_is_no_store_the_demos_is_named_if_it_is_there(name: str, command: Command, tmp_path: Path) -> None:
    assert refusal(command(*name.split())).endswith("run MEDIA_FOLDER --store .embed-assets/store")
    (tmp_path / ".embed-assets" / "demo" / "store").mkdir(parents=True)
    assert refusal(command(*name.split())).endswith("The demo's is there: --store .embed-assets/demo/store")
