"""Columns by name: which is not there, which is there twice, in words."""

from collections.abc import Collection, Sequence

_SHOWN = 12  # columns that a message lists
_CHARACTERS = 80  # of each


def missing_column(columns: Collection[str], names: Collection[str]) -> str:
    """The first column that is not among the names; "" where all are there."""
    for column in columns:
        if column not in names:
            shown = [_cut(name) for name, _ in zip(names, range(_SHOWN), strict=False)]
            told = [*shown, *(["…"] if len(names) > _SHOWN else [])]
            return f"no column {column!r}; it has {', '.join(told) or 'none'}"
    return ""


def twice(columns: Collection[str], names: Sequence[str]) -> str:
    """The first column that several of the names are; "" where none is: nobody can say which of them is meant."""
    return next((f"several columns {column!r}" for column in columns if names.count(column) > 1), "")


def _cut(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[:_CHARACTERS]}…"
