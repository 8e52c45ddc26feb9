"""What a fixture builds in a folder: built by the first test that wants it, put back as it was for the next ones."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from embed_assets.store import open_database

T = TypeVar("T")


@dataclass
class Kept:
    """A folder at one path for all tests of a module, since settings and manifests hold addresses; and its copies."""

    folder: Path
    copies: Path
    values: dict[str, Any] = field(default_factory=dict)  # what was returned as each was built

    def once(self, name: str, build: Callable[[], T]) -> T:
        """Build what the folder is to hold, or put it back where an earlier test has built it; return what that did.

        The name stands for all that the folder holds then, also what other fixtures put there before.
        """
        copy = self.copies / name
        if name in self.values:
            _empty(self.folder)
            shutil.copytree(copy, self.folder, symlinks=True, dirs_exist_ok=True)
        else:
            self.values[name] = build()
            shutil.copytree(self.folder, copy, symlinks=True)
        return self.values[name]


@pytest.fixture(scope="module")
def kept_for_module(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"), tmp_path_factory.mktemp("copies"))


@pytest.fixture
def kept(kept_for_module: Kept) -> Kept:
    """The module's folder, empty; no table of it is remembered from the test before."""
    _empty(kept_for_module.folder)
    open_database._connections.clear()
    open_database._opened.clear()
    return kept_for_module


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
