"""Packages that a test installs: a module and a dist-info, as pip leaves them, in a folder on the path."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    folder: Path,
    package: str,
    code: str,
    entries: Mapping[str, Mapping[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    version: str = "1.0",
) -> Path:
    """The module `package` with this code, and its entry points: group → name → value."""
    place = folder / f"{package}-{version}"
    module, info = package.replace("-", "_"), place / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (place / f"{module}.py").write_text(code, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [
        line for group, named in entries.items() for line in (f"[{group}]", *(f"{n} = {v}" for n, v in named.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, module, raising=False)
    return place


def uninstall(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a package off the path, and its modules out of this process."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(place)])
    for file in place.glob("*.py"):
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
