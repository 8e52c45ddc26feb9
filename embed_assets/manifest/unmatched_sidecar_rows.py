"""Unmatched: rows of a sidecar that name no item; kept with the manifest until the next refresh."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from embed_assets.errors import named
from embed_assets.manifest.inspect_files import ListedSource

_NAMED = 20  # names that are kept


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """Number of rows that name no item, and the first of their names."""

    rows: int
    names: tuple[str, ...]

    def summary(self) -> str:
        """Return one line, for people."""
        what = "1 row of the sidecar names" if self.rows == 1 else f"{self.rows:,} rows of the sidecar name"
        return f"{what} no item: {named(self.names, of=self.rows)}"


def unmatched(listed: ListedSource, keys: Iterable[str]) -> Unmatched | None:
    """Return rows of the sidecar that name neither one of these keys nor a listed table; None where none does."""
    names = listed.annotations.unknown([*keys, *(file.key for file in listed.files)])
    return Unmatched(rows=len(names), names=tuple(names[:_NAMED])) if names else None


def unmatched_as_text(rows: Unmatched | None) -> str:
    """Return a text that `read_unmatched` reads; "" for nothing."""
    return json.dumps(asdict(rows)) if rows else ""


def read_unmatched(text: str) -> Unmatched | None:
    """Read what `unmatched_as_text` wrote."""
    if not text:
        return None
    document = json.loads(text)
    return Unmatched(rows=document["rows"], names=tuple(document["names"]))
