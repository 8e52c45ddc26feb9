"""Names in Unicode's composed form (NFC, UAX 15): macOS and its archives decompose them, people type them composed."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


def composed(name: str) -> str:
    """Return the name in NFC, for comparison; stored names stay as they are."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class ByName(Generic[Value]):
    """Values by name: by the exact name, else by one that differs in its Unicode form alone."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        # Two names of one form are two files: each has its own value, and the first also that of the form.
        self._composed: dict[str, str] = {}
        for name in values:
            if not name.isascii():
                self._composed.setdefault(composed(name), name)

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> Value | None:
        """Return the value of a name, or None."""
        value = self._values.get(name)
        if value is None and (self._composed or not name.isascii()):
            form = composed(name)
            value = self._values.get(self._composed.get(form, form))
        return value

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return the names of these values that are not among `names` in any form; in the order of the values."""
        forms = set(map(composed, names))
        return [name for name in self._values if composed(name) not in forms]


def on_disk(path: str) -> str:
    """Return a local path with its names in the Unicode form that they have on disk, else unchanged."""
    if path.isascii() or os.path.lexists(path):
        return path
    whole = Path(path)
    path_on_disk = Path(whole.anchor)
    for name in whole.parts[bool(whole.anchor) :]:
        path_on_disk /= name if os.path.lexists(path_on_disk / name) else _same_form(path_on_disk, name)
    return str(path_on_disk) if os.path.lexists(path_on_disk) else path


def _same_form(folder: Path, name: str) -> str:
    try:
        return next((each.name for each in folder.iterdir() if composed(each.name) == composed(name)), name)
    except OSError:
        return name
