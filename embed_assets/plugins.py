"""Plugins: declarations of installed packages by entry point. A broken one is reported, and affects no other."""

import logging
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from embed_assets.errors import SettingsError

log = logging.getLogger(__name__)

_logged_warnings = set[str]()  # of this process


class Declaration(Protocol):
    """A plugin's declaration: anything with a name."""

    @property
    def name(self) -> str:
        """Name, unique among all of its kind."""
        ...


T = TypeVar("T", bound=Declaration)


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point, or one name that it declares, that can't be used. `message` is for the user."""

    name: str
    message: str
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Plugins(Generic[T]):
    """The plugins of one group: good declarations by name, and broken ones."""

    good: dict[str, T] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    def refuse_broken(self, name: str) -> None:
        """Raise SettingsError with the cause where the plugin of this name is broken."""
        for each in self.broken:
            if each.name == name and name not in self.good:
                raise SettingsError(each.message) from each.cause


def find_plugins(group: str, kind: type[T], *, reserved_names: Collection[str] = ()) -> Plugins[T]:
    """Load the group's entry points: each a declaration of `kind`, or a list of them.

    A broken plugin is left out with a warning, once per process, and never raises. Names in `reserved_names` are built
    in; of a name that two plugins declare neither is used, because the choice would be arbitrary.
    """
    plugins: Plugins[T] = Plugins()
    declarers: dict[str, str] = {}
    for entry in _installed_entries(group, _path_state()):
        for declared in _loaded(entry, kind, plugins.broken):
            name, declarer = declared.name, _place(entry)
            if name in reserved_names:
                problem = f"{_noun(kind)} {name!r} of {declarer} is left out: embed-assets has one of that name. "
                plugins.broken.append(
                    Broken(name, f"{problem}Rename it in its package, or uninstall {_package(entry)}.")
                )
            elif name in declarers:
                plugins.good.pop(name, None)
                problem = f"{_noun(kind)} {name!r} is declared twice: by {declarers[name]} and by {declarer}. "
                plugins.broken.append(
                    Broken(name, f"{problem}Neither is used: uninstall one of them, or rename it there.")
                )
            else:
                plugins.good[name], declarers[name] = declared, declarer
    for each in plugins.broken:
        warn_once(each.message)
    return plugins


def _path_state() -> tuple[tuple[str, int], ...]:
    """Return each folder that packages are found in, and when one was installed there or removed last."""
    return tuple((place, _changed_at(Path(place or Path.cwd()))) for place in sys.path)


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=8)
def _installed_entries(group: str, _: tuple[tuple[str, int], ...]) -> list[EntryPoint]:
    """Return the group's entry points; all installed packages are read for it, so once while none comes or goes."""
    return sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))


def warn_once(message: str) -> None:
    """Log a warning, once per process."""
    if message not in _logged_warnings:
        _logged_warnings.add(message)
        log.warning("%s", message)


def _loaded(entry: EntryPoint, kind: type[T], broken: list[Broken]) -> list[T]:
    try:
        declared: Any = entry.load()
    except (Exception, SystemExit) as error:  # a plugin's module may do anything when it is imported
        cause = f"{type(error).__name__}: {error}".rstrip(": .")
        hint = f"Update, repair or uninstall {_package(entry)}."
        message = f"Plugin {entry.name!r} of {_place(entry)} can't be loaded: {cause}. {hint}"
        broken.append(Broken(entry.name, message, error))
        return []
    each = list(declared) if isinstance(declared, (list, tuple)) else [declared]
    wrong = [one for one in each if not isinstance(one, kind) or not isinstance(one.name, str)]
    if not wrong:
        return each
    actual = f"{type(wrong[0]).__name__} {str(wrong[0])[:60]!r}"
    problem = f"Plugin {entry.name!r} of {_place(entry)} is no {kind.__name__} and no list of them, but {actual}. "
    broken.append(Broken(entry.name, f"{problem}Correct it, or uninstall {_package(entry)}."))
    return []


def _place(entry: EntryPoint) -> str:
    version = f" {entry.dist.version}" if entry.dist else ""
    return f"package {_package(entry)}{version} ({entry.value})"


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value.partition(".")[0]


def _noun(kind: type) -> str:
    return kind.__name__.removesuffix("Spec")
