import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.kept_run import databases_of_runs, kept_run

__all__ = ["databases_of_runs", "kept_run"]


@pytest.fixture
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of this test's own: in memory, on SQLite in a folder for what is marked `on_disk`."""
    home = tmp_path / "dagster"
    home.mkdir()
    on_disk = request.node.get_closest_marker("on_disk") is not None
    make = dg.DagsterInstance.local_temp if on_disk else dg.DagsterInstance.ephemeral  # half the time of one on disk
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with make(tempdir=str(home)) as made:
            yield made


@pytest.fixture(autouse=True)
def no_storage_of_an_instance_that_is_gone() -> Iterator[None]:
    """Dagster remembers the state storage of an instance that a sensor context opened, beyond the instance's life."""
    from dagster._core.storage.defs_state.base import set_defs_state_storage

    with set_defs_state_storage(None):
        yield
