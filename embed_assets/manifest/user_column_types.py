"""Types of user columns: of each column the one that holds the values of all sources, and what conflicts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from embed_assets.manifest.user_column_counts import column_kinds
from embed_assets.media.cells.value_kinds import Kind, as_meant, common_kind
from embed_assets.settings import SourceSettings
from embed_assets.store.manifest import Manifest
from embed_assets.store.user_columns import MOST_COLUMNS, storage_name

# What a message calls the values of a kind.
_GROUPS: Mapping[Kind, str] = {
    "int": "numbers",
    "float": "numbers",
    "bool": "true or false",
    "date": "times",
    "time": "times",
    "text": "text",
    "nested": "text",
}
_MOSTLY = 0.9  # of a column's values


@dataclass(frozen=True, kw_only=True)
class ColumnTypes:
    """Kinds of some sources' user columns, the most used first, and a line for each conflict."""

    kinds: Mapping[str, Kind]
    conflicts: tuple[str, ...] = ()


def column_types(manifest: Manifest, sources: Mapping[str, SourceSettings]) -> ColumnTypes:
    """Return the types of the user columns of these sources, by their latest refresh."""
    columns: dict[str, list[_OfSource]] = {}
    for name, settings in sources.items():
        written = (settings.sidecar or "").lower().endswith(".csv")
        for column, counts in column_kinds(manifest.state(name).columns).items():
            columns.setdefault(column, []).append(_of_source(name, counts, written=written))
    kinds: dict[str, Kind] = {}
    conflicts: list[str] = []
    for column in sorted(columns, key=lambda each: (-sum(one.values for one in columns[each]), each)):
        found = columns[column]
        kind = common_kind((one.kind for one in found), written=True)
        assert kind is not None, "a column without a value is not counted"
        kinds[column] = kind
        if kind == "text" and len({group for one in found for group in one.groups}) > 1:
            conflicts.append(_mixed(column, found))
    return ColumnTypes(kinds=kinds, conflicts=(*conflicts, *_alike(kinds), *_too_many(kinds)))


@dataclass(frozen=True)
class _OfSource:
    """A column in one source."""

    source: str
    kind: Kind
    groups: tuple[str, ...]  # of its values, as messages call them
    values: int


def _of_source(source: str, counts: Counter[str], *, written: bool) -> _OfSource:
    kind = common_kind(counts, written=written)
    assert kind is not None, "a column without a value is not counted"
    groups = Counter[str]()
    for each, count in counts.items():
        groups[_GROUPS[as_meant(each, written=written)]] += count
    mostly_text = groups["text"] >= _MOSTLY * counts.total()  # titles, and "1984" is one of them
    return _OfSource(source, kind, ("text",) if mostly_text else tuple(sorted(+groups)), counts.total())


def _mixed(column: str, found: Iterable[_OfSource]) -> str:
    sources: dict[str, list[str]] = {}
    for one in found:
        for group in one.groups:
            sources.setdefault(group, []).append(one.source)
    groups: dict[str, list[str]] = {}
    for group, names in sources.items():
        groups.setdefault(" and ".join(names), []).append(group)
    parts = [f"{' and '.join(together)} in {names}" for names, together in groups.items()]
    return f"{column}: {', '.join(parts)}: kept as text"


def _alike(names: Iterable[str]) -> list[str]:
    """Return a line for names that differ by their case, or by characters that a column's name can't hold."""
    by_column: dict[str, list[str]] = {}
    for name in names:
        by_column.setdefault(storage_name(name).casefold(), []).append(name)
    return [
        f"{', '.join(map(repr, sorted(alike)))}: almost one name: kept as columns of their own"
        for alike in by_column.values()
        if len(alike) > 1
    ]


def _too_many(names: Mapping[str, Kind]) -> list[str]:
    more = len(names) - MOST_COLUMNS
    return [f"{more:,} more columns: only the {MOST_COLUMNS} with most values can be searched"] if more > 0 else []
