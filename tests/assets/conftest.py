import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests import support

plugin_folder = support.plugin_folder
words = support.words


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of this test's own, on SQLite in a folder."""
    home = tmp_path / "dagster"
    home.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.local_temp(str(home)) as made:
            yield made
