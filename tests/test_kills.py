"""Commands that are killed at random moments: the next one finishes, and the store is as if nothing had happened."""

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kills import END_SECONDS, Harness, daemon, kill

# More of them: EMBED_ASSETS_KILLS=150 pytest -m slow tests/test_kills.py --timeout 0
TIMES = int(os.environ.get("EMBED_ASSETS_KILLS", "4"))


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Harness]:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the harness adds its plugin
    return lambda seed: Harness(tmp_path, random.Random(seed))


@pytest.mark.slow
@pytest.mark.timeout(60 * TIMES + 300)
@pytest.mark.parametrize("beside", ["alone", "beside the daemon"])
def test_whatever_is_killed_the_next_run_finishes_with_the_rows_of_an_undisturbed_store(
    beside: str, harness: Callable[[str], Harness]
) -> None:
    made = harness(beside)
    if beside == "alone":
        kill(made, TIMES)
    else:
        with daemon(made):
            kill(made, TIMES)
    assert made.slowest_end < END_SECONDS
