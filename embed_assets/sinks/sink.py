"""Sink: what each kind of place for exported rows does, and which kinds there are."""

import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import ClassVar

import pyarrow as pa

from embed_assets.encoders.spec import Distance
from embed_assets.errors import SettingsError
from embed_assets.settings import SinkSettings
from embed_assets.sinks import kinds


@dataclass(frozen=True, kw_only=True)
class Export:
    """One export: what a sink holds once it is finished."""

    id: str  # 12 hex digits; the sink says by it what it holds
    space: str
    encoder: str
    encoder_version: str
    release: str
    distance: Distance
    rows: int  # in the sink
    schema: pa.Schema  # of the rows: segment_id and media_id first, vector last: float32, a list of dim numbers

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self.schema.field("vector").type.list_size

    @property
    def facts(self) -> dict[str, str]:
        """What it is of, for people and for who reads the sink."""
        names = ("space", "encoder", "encoder_version", "release", "distance")
        return {name: getattr(self, name) for name in names}


class Sink(ABC):
    """A place that holds exported rows. An export calls begin, delete, write for each batch, finish, in this order.

    Until `finish` returns, `held` is what it was before, or None: a killed export is never taken for a finished one.
    Raises SinkError where the place can't be opened or written, MissingExtraError without its library.
    """

    KIND: ClassVar[str]
    OPTIONS: ClassVar[frozenset[str]] = frozenset()  # keys of `options`

    def __init__(self, name: str, settings: SinkSettings) -> None:
        self.name, self.settings = name, settings

    @property
    def rebuilt(self) -> bool:
        """Whether single rows can't be replaced: then each change is a whole export."""
        return False

    @abstractmethod
    def held(self) -> str | None:
        """Return the id of the export that it holds; None where there is none, or it was changed by another hand."""

    @abstractmethod
    def begin(self, export: Export, *, whole: bool) -> None:
        """Begin an export. `whole`: beside what is there, all rows follow; else those that changed."""

    @abstractmethod
    def delete(self, rows: pa.Table) -> None:
        """Remove rows: segment_id and shard of each. Never called in a whole export."""

    @abstractmethod
    def write(self, rows: pa.Table) -> None:
        """Add rows of the export's schema, and their shard; of a segment that is there they replace the row."""

    @abstractmethod
    def finish(self) -> None:
        """Make the export the one that readers see, in one step, and remove what it replaces."""


@cache
def sink_kinds() -> dict[str, type[Sink]]:
    """Return the kinds of sinks by name."""
    found: list[type[Sink]] = []
    for module in pkgutil.iter_modules(kinds.__path__):
        found.append(import_module(f"{kinds.__name__}.{module.name}").SINK)
    return {kind.KIND: kind for kind in found}


def open_sink(name: str, settings: SinkSettings) -> Sink:
    """Make a sink of the settings; nothing is opened yet. Raises SettingsError for a kind or option that is none."""
    known = sink_kinds()
    if settings.kind not in known:
        raise SettingsError(f"sinks.{name}.kind: {settings.kind!r} is none of {', '.join(sorted(known))}.")
    kind = known[settings.kind]
    for option in settings.options:
        if option not in kind.OPTIONS:
            options = ", ".join(sorted(kind.OPTIONS)) or "none"
            raise SettingsError(f"sinks.{name}.options: {option!r} is no option of {kind.KIND}; it has: {options}.")
    return kind(name, settings)
