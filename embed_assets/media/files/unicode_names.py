"""Names in Unicode's composed form (NFC, UAX 15): macOS and its archives decompose them, people type them composed."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


def composed(name: str) -> str:
    """The name in NFC, in which it is compared; it stays what it is where it is stored."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class ByName(Generic[Value]):
    """Values by name: found under the very name, else under one that differs in its Unicode form alone."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        # Two names of one form are two files: each is found by its own name alone, then by the first of them.
        self._composed: dict[str, str] = {}
        for name in values:
            if not name.isascii():
                self._composed.setdefault(composed(name), name)

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> Value | None:
        """The value of a name, or None."""
        found = self._values.get(name)
        if found is None and (self._composed or not name.isascii()):
            form = composed(name)
            found = self._values.get(self._composed.get(form, form))
        return found

    def unknown(self, names: Iterable[str]) -> list[str]:
        """The names of these values that none of `names` is, in whatever form; in the order of the values."""
        known = set(map(composed, names))
        return [name for name in self._values if composed(name) not in known]


def on_disk(path: str) -> str:
    """A local path as it is on disk, where its names are of another Unicode form there; else as it was given."""
    if path.isascii() or os.path.lexists(path):
        return path
    whole = Path(path)
    found = Path(whole.anchor)
    for name in whole.parts[bool(whole.anchor) :]:
        found /= name if os.path.lexists(found / name) else _named(found, name)
    return str(found) if os.path.lexists(found) else path


def _named(folder: Path, name: str) -> str:
    try:
        return next((each.name for each in folder.iterdir() if composed(each.name) == composed(name)), name)
    except OSError:
        return name
