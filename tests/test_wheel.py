"""The wheel and the source archive: what they hold, and what they say of themselves."""

import email.message
import email.parser
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.host import build
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow  # builds wheels and installs one

OURS = {"resources", "jobs", "tests", "benchmarks", "examples"}  # top-level names of the repository alone


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(REPOSITORY, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    (file,) = dist.glob("*.whl")
    return zipfile.ZipFile(file)


def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    return email.parser.Parser().parsestr(in_info(wheel, "METADATA"))


def in_info(wheel: zipfile.ZipFile, name: str) -> str:
    (found,) = (each for each in wheel.namelist() if each.endswith(f".dist-info/{name}"))
    return wheel.read(found).decode()


def package_files() -> set[str]:
    files = (REPOSITORY / "embed_assets").rglob("*")
    return {str(file.relative_to(REPOSITORY)) for file in files if file.is_file() and "__pycache__" not in file.parts}


def test_the_wheel_owns_one_package_and_all_of_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"embed_assets"}
    assert {name for name in wheel.namelist() if name.startswith("embed_assets/")} == package_files()
    assert "embed_assets/py.typed" in wheel.namelist()


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    said = metadata(wheel)
    assert said["Name"] == "embed-assets"
    assert said["License-Expression"] == "Apache-2.0"
    assert said["License-File"] == "LICENSE"
    assert set(said["Requires-Python"].split(",")) == {">=3.11", "<3.15"}
    assert {"demo", "openai", "ui"} <= set(said.get_all("Provides-Extra", []))
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload()
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    assert "Apache License" in in_info(wheel, "licenses/LICENSE")
    assert "Root-Is-Purelib: true" in in_info(wheel, "WHEEL")


def test_the_wheel_has_its_doors(wheel: zipfile.ZipFile) -> None:
    doors = ConfigParser()
    doors.read_string(in_info(wheel, "entry_points.txt"))
    assert dict(doors["console_scripts"]) == {"embed-assets": "embed_assets.cli.main:main"}
    assert list(doors["dagster_dg_cli.registry_modules"]) == ["embed_assets"]


def test_the_wheel_names_no_deployment(wheel: zipfile.ZipFile) -> None:
    """A host has packages `resources` and `jobs` of its own."""
    for name in wheel.namelist():
        if name.endswith(".py"):
            code = wheel.read(name).decode()
            for ours in OURS:
                assert f"import {ours}\n" not in code and f"from {ours}" not in code, (name, ours)


def test_the_source_archive_builds_the_same_wheel(dist: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for name in ("LICENSE", "README.md", "tests", "docs", "examples", "workspace.yaml", "jobs", "resources"):
        assert (source / name).exists(), name
    (again,) = build(source, tmp_path / "again", "wheel").glob("*.whl")
    with zipfile.ZipFile(again) as rebuilt:
        assert sorted(rebuilt.namelist()) == sorted(wheel.namelist())


def test_the_wheel_works_away_from_the_checkout(dist: Path, tmp_path: Path) -> None:
    (file,) = dist.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        opened.extractall(tmp_path / "site")  # what pip makes of a wheel of one pure package
    code = "import embed_assets.cli.main as main; print(main.__file__); main.main(['encoders', 'minilm'])"
    environ = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, *facts = done.stdout.splitlines()
    assert where.startswith(str(tmp_path / "site"))
    assert any("sentence-transformers/all-MiniLM-L6-v2" in fact for fact in facts)
