"""Unmatched: rows of a sidecar that name no item; kept with the manifest until the next refresh."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from embed_assets.errors import named
from embed_assets.manifest.inspect_files import ListedSource

_NAMED = 20  # names that are kept


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """How many rows name nothing, and the first of these names."""

    rows: int
    names: tuple[str, ...]

    def told(self) -> str:
        """One line, for people."""
        what = "1 row of the sidecar names" if self.rows == 1 else f"{self.rows:,} rows of the sidecar name"
        return f"{what} no item: {named(self.names, of=self.rows)}"


def unmatched(listed: ListedSource, keys: Iterable[str]) -> Unmatched | None:
    """What the sidecar names and is neither among these keys nor a table of the listing; None where all is there."""
    names = listed.annotations.unknown([*keys, *(file.key for file in listed.files)])
    return Unmatched(rows=len(names), names=tuple(names[:_NAMED])) if names else None


def unmatched_as(found: Unmatched | None) -> str:
    """As a text that `read_unmatched` reads; "" for nothing."""
    return json.dumps(asdict(found)) if found else ""


def read_unmatched(text: str) -> Unmatched | None:
    """What `unmatched_as` wrote."""
    if not text:
        return None
    kept = json.loads(text)
    return Unmatched(rows=kept["rows"], names=tuple(kept["names"]))
