"""The examples of docs/scaling.md, each by the command that it names, with a few items."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from examples.scaling.local_postgres import bin_folder
from tests.support import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EXAMPLES = REPOSITORY / "examples" / "scaling"
# Processes of Ray's job server listen on the machine's address: here on that of a network with nobody else in it.
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "alone"]
DEMO_VERSIONS = {"5398a2734e2c", "9eb5cf0c30ba", "ad5571e01e1a", "871c3329ade6"}


def run(name: str, folder: Path, *words: str, before: Sequence[str] = ()) -> str:
    """Run an example, by a command that comes before its own if there is one; return what it printed."""
    others = ("AWS_", "RAY_", "DAGSTER", "EMBED_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environ = {**kept, "PYTHONPATH": str(REPOSITORY), "HOME": str(folder / "home"), "COLUMNS": "160"}
    command = [*before, sys.executable, str(EXAMPLES / name), "--home", str(folder / "demo"), "--items", "8", *words]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_media_and_store_are_in_a_bucket(tmp_path: Path) -> None:
    printed = run("on_s3.py", tmp_path)
    assert set(re.findall(r"\b[0-9a-f]{12}\b", printed)) >= DEMO_VERSIONS
    assert "Everything is fresh" in printed
    first, second = (int(count.replace(",", "")) for count in re.findall(r": ([\d,]+) requests", printed))
    assert second < first / 10
    assert "docs/" in printed.rpartition("$ embed-assets search")[2]


def test_encoders_run_on_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    printed = run("on_ray.py", tmp_path)
    assert set(re.findall(r"\b[0-9a-f]{12}\b", printed)) >= DEMO_VERSIONS
    assert "docs/" in printed.rpartition("$ embed-assets search")[2]


def test_runs_and_steps_are_jobs_of_ray(tmp_path: Path) -> None:
    pytest.importorskip("dagster_ray", reason="the extra dagster-ray is not installed")
    pytest.importorskip("dagster_postgres", reason="the extra postgres is not installed")
    if bin_folder() is None:
        pytest.skip("Postgres is not installed: apt install postgresql")
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("a network of its own, without others, can't be made here: unshare, ip")
    printed = run("on_dagster_ray.py", tmp_path, "--encoder", "minilm", before=ALONE)
    assert "run: 1 jobs" in printed
    assert len(re.findall(r"^step embed_minilm_s\d\d_s\d\d: 1 jobs", printed, re.MULTILINE)) == 2
    assert "docs/" in printed.rpartition("$ embed-assets search")[2]
