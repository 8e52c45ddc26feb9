"""Column names: messages for a missing column and for one that occurs twice."""

from collections.abc import Collection, Sequence

_SHOWN = 12  # columns that a message lists
_CHARACTERS = 80  # of each


def missing_column(columns: Collection[str], names: Collection[str]) -> str:
    """Return a message for the first column that is not among the names, "" where all are."""
    for column in columns:
        if column not in names:
            shown = [_cut(name) for name, _ in zip(names, range(_SHOWN), strict=False)]
            listed = [*shown, *(["…"] if len(names) > _SHOWN else [])]
            return f"no column {column!r}; it has {', '.join(listed) or 'none'}"
    return ""


def twice(columns: Collection[str], names: Sequence[str]) -> str:
    """Return a message for the first column that occurs twice, which is ambiguous; "" where none does."""
    return next((f"several columns {column!r}" for column in columns if names.count(column) > 1), "")


def _cut(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[:_CHARACTERS]}…"
