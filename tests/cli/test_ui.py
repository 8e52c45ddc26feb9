"""embed-assets ui: what it opens, and what it prints."""

import os
from pathlib import Path

import pytest

from embed_assets.cli.ui import location
from embed_assets.errors import StoreError
from embed_assets.store.saved_settings import save_settings
from tests.support import pipeline


@pytest.fixture
def folder(words: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a project in it and a store that a run made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBED_ASSETS_STORE", "")  # restored behind the test
    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "workspace.yaml").write_text("load_from: []")
    steps = pipeline(tmp_path)
    save_settings(steps.store, steps.settings)
    return tmp_path


def test_a_store_that_is_named_is_opened_in_a_folder_with_a_project(folder: Path) -> None:
    what, where = location("store", is_named=True)
    assert what == "Store: store"
    assert where == ["-m", "embed_assets.location"]
    assert os.environ["EMBED_ASSETS_STORE"] == str(folder / "store")


def test_without_a_store_the_folders_project_is_opened_and_named(folder: Path) -> None:
    what, where = location("store", is_named=False)
    assert what.startswith("Project: workspace.yaml of this folder.")
    assert where == ["-w", "workspace.yaml"]


def test_without_a_project_the_default_store_is_opened(folder: Path) -> None:
    (folder / "workspace.yaml").unlink()
    assert location("store", is_named=False)[0] == "Store: store"
    with pytest.raises(StoreError, match="no store at 'other'"):
        location("other", is_named=False)
