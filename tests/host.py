"""A host's environment and project: wheels are really installed into it, their dependencies are those of this one."""

import os
import shutil
import site
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests import console
from tests.support import REPOSITORY

SAMPLE = REPOSITORY / "examples" / "third_party_encoder"
_COMMANDS = ("create-dagster", "dagster", "dg")


def build(source: Path, folder: Path, *kinds: str) -> Path:
    """Both archives of a source tree of ours, or those of the kinds, without any network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: make setup installs the group dev")
    chosen = [word for kind in kinds for word in ("-t", kind)]
    _run([sys.executable, "-m", "hatchling", "build", "-d", str(folder), *chosen], source)
    return folder


def build_sample(folder: Path) -> Path:
    """The sample package's wheel, as pip builds it with --no-build-isolation."""
    pytest.importorskip(
        "setuptools", minversion="77", reason="the sample's build backend, setuptools, is not installed"
    )
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(SAMPLE, source, ignore=ignored)  # a copy: the backend leaves a build folder behind
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    _run([sys.executable, "-c", code, str(folder)], source)
    return next(folder.glob("*.whl"))


def make_host(folder: Path) -> dict[str, str]:
    """An environment in `folder`/env with `dg`, and both wheels in `folder`/wheels; what commands need to run in it.

    `pip install` installs what it is given, without dependencies: those are there.
    """
    pytest.importorskip("ensurepip", reason="this Python makes no environments with pip")
    for module in ("create_dagster", "dagster_dg_cli", "editables", "hatchling"):
        pytest.importorskip(module, reason=f"{module} is not installed: make setup installs the group dev")
    env, wheels = folder / "env", folder / "wheels"
    _run([sys.executable, "-m", "venv", str(env)], folder)
    python = env / "bin" / "python"
    (packages,) = env.glob("lib/python*/site-packages")
    (packages / "those_of_the_tests.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    for name in _COMMANDS:
        (command,) = entry_points(group="console_scripts", name=name)
        script = env / "bin" / name  # guarded: Dagster's child processes import it again
        start = f"if __name__ == '__main__':\n    {command.attr}()\n"
        script.write_text(f"#!{python}\nfrom {command.module} import {command.attr}\n{start}")
        script.chmod(0o755)
    build(REPOSITORY, wheels, "wheel")
    shutil.move(build_sample(folder / "sample"), wheels)
    return _environment(folder, env)


def _environment(folder: Path, env: Path) -> dict[str, str]:
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    shared = console.environment(folder / "shared")
    shared.pop("PYTHONPATH")
    return shared | {
        "PATH": f"{env / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_HOME": str(home),
        "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "NO_COLOR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say --no-build-isolation
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
    }


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
