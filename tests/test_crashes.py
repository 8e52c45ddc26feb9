"""kill -9 in the middle of each operation: the store opens, search answers, a rerun ends as an undisturbed one."""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.crashing import answers_from_a_checked_version, finish, killed, make_stages, steps_on

pytestmark = pytest.mark.slow  # processes that are killed

# More of them: EMBED_ASSETS_CRASHES=60 pytest -m slow tests/test_crashes.py --timeout 0
TIMES = int(os.environ.get("EMBED_ASSETS_CRASHES", "6"))
OPERATIONS = ("vectors", "index", "promote", "roll back", "clean up")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """Notes, and a link to the plugin that every process finds."""
    folder = tmp_path_factory.mktemp("crashes")
    (folder / "plugin").symlink_to(plugin_folder)
    return folder


@pytest.fixture(scope="module")
def stages(root: Path, plugin_folder: Path) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        return make_stages(root)


def crash(operation: str, times: int, root: Path, stages: dict[str, Path]) -> list[float]:
    """Kill the operation so many times, each on a fresh copy of the store; the seconds at which."""
    undisturbed = shutil.copytree(stages[operation], root / f"{operation}-undisturbed", dirs_exist_ok=True)
    seconds = killed(operation, root, undisturbed, after=None)
    expected: dict[str, Any] = finish(operation, steps_on(root, undisturbed))
    draw = random.Random(operation)
    moments = [draw.uniform(0, seconds) for _ in range(times)]
    for number, moment in enumerate(moments):
        store = shutil.copytree(stages[operation], root / f"{operation}-{number}")
        killed(operation, root, store, after=moment)
        steps = steps_on(root, store)
        answers_from_a_checked_version(steps)
        assert finish(operation, steps) == expected, f"{operation} killed after {moment:.3f} of {seconds:.3f} s"
        answers_from_a_checked_version(steps)
        shutil.rmtree(store)
    shutil.rmtree(undisturbed)
    return moments


@pytest.mark.timeout(60 * TIMES + 300)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_killed_at_several_random_moments_is_finished_by_the_next(operation, root, stages, words):
    crash(operation, TIMES, root, stages)
