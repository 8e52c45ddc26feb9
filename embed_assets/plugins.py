"""Plugins: what installed packages declare by entry point. A broken one names itself, and breaks nothing else."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar

from embed_assets.errors import SettingsError

log = logging.getLogger(__name__)

_told = set[str]()  # warnings of this process


class Declaration(Protocol):
    """What a plugin declares: anything with a name."""

    @property
    def name(self) -> str:
        """What it is called by, once among all of its kind."""
        ...


T = TypeVar("T", bound=Declaration)


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point, or one name that it declares, that can't be used. `said` is the message for its user."""

    name: str
    said: str
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Plugins(Generic[T]):
    """What was found in one group: good declarations by name, and what had to be left out."""

    good: dict[str, T] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    def refuse_broken(self, name: str) -> None:
        """Raises SettingsError with the cause where the plugin of this name is broken."""
        for each in self.broken:
            if each.name == name and name not in self.good:
                raise SettingsError(each.said) from each.cause


def find_plugins(group: str, kind: type[T], *, taken: Collection[str] = ()) -> Plugins[T]:
    """Load the group's entry points: each a declaration of `kind`, or a list of them.

    Never raises for what a plugin does: it is left out with a warning, once a process. A name in `taken`
    stays ours; of a name that two plugins declare neither is used, for which one would be left to chance.
    """
    found: Plugins[T] = Plugins()
    declarers: dict[str, str] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        for declared in _loaded(entry, kind, found.broken):
            name, declarer = declared.name, _place(entry)
            if name in taken:
                said = f"{_noun(kind)} {name!r} of {declarer} is left out: embed-assets has one of that name. "
                found.broken.append(Broken(name, f"{said}Rename it in its package, or uninstall {_package(entry)}."))
            elif name in declarers:
                found.good.pop(name, None)
                said = f"{_noun(kind)} {name!r} is declared twice: by {declarers[name]} and by {declarer}. "
                found.broken.append(Broken(name, f"{said}Neither is used: uninstall one of them, or rename it there."))
            else:
                found.good[name], declarers[name] = declared, declarer
    for each in found.broken:
        warn_once(each.said)
    return found


def warn_once(said: str) -> None:
    """Log a warning that this process has not given yet."""
    if said not in _told:
        _told.add(said)
        log.warning("%s", said)


def _loaded(entry: EntryPoint, kind: type[T], broken: list[Broken]) -> list[T]:
    try:
        declared: Any = entry.load()
    except (Exception, SystemExit) as error:  # a plugin's module may do anything at all as it is imported
        told = f"{type(error).__name__}: {error}".rstrip(": .")
        way_out = f"Update, repair or uninstall {_package(entry)}."
        said = f"Plugin {entry.name!r} of {_place(entry)} can't be loaded: {told}. {way_out}"
        broken.append(Broken(entry.name, said, error))
        return []
    each = list(declared) if isinstance(declared, (list, tuple)) else [declared]
    wrong = [one for one in each if not isinstance(one, kind) or not isinstance(one.name, str)]
    if not wrong:
        return each
    found = f"{type(wrong[0]).__name__} {str(wrong[0])[:60]!r}"
    said = f"Plugin {entry.name!r} of {_place(entry)} is no {kind.__name__} and no list of them, but {found}. "
    broken.append(Broken(entry.name, f"{said}Correct it, or uninstall {_package(entry)}."))
    return []


def _place(entry: EntryPoint) -> str:
    version = f" {entry.dist.version}" if entry.dist else ""
    return f"package {_package(entry)}{version} ({entry.value})"


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value.partition(".")[0]


def _noun(kind: type) -> str:
    return kind.__name__.removesuffix("Spec")
