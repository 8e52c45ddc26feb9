"""Guard: a refresh that would lose most of a source, of a table or of a host stops before it writes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import DeletionError
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.media.files.redacted_uri import place_of
from embed_assets.media.files.source import LINK_OUT
from embed_assets.media.uris.allowed_prefixes import OUTSIDE
from embed_assets.store.manifest_row import ManifestRow, owner

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_FROM = 10  # of fewer items all may go: too few to tell an accident by share
_HINTS = {
    LINK_OUT: " Links that lead out of the source are read with follow_links: true.",
    OUTSIDE: " table.allow lists what rows may name beyond the source's uri.",
}

Rows = Mapping[str, ManifestRow]
Spoiled = Sequence[tuple[ManifestRow, str]]


def guard(
    listed: ListedSource, rows: pa.Table, known: int, *, vanished: Rows, arrived: Mapping[str, int], spoiled: Spoiled
) -> None:
    """Raises DeletionError where more than `max_deleted_share` of the known items would go, or of a part of them.

    `vanished` are rows to be deleted by key, `arrived` says how many new items there are by file, `spoiled` are rows
    that were good and can't be used any more, each with the reason: they lose their vectors as well. Parts are a
    table that is still there, and a host or bucket that rows name. A table that is gone as a whole is known to be.
    """
    lost = _lost(vanished, arrived)
    _stop(listed, "", known=known, lost=lost.total(), spoiled=[reason for _, reason in spoiled])
    if not (lost or spoiled):
        return
    live = rows.filter(pc.not_equal(rows["status"], "deleted"))
    tables = {file.key for file in listed.files if listed.is_table(file)}
    _by_table(listed, live, {key: count for key, count in lost.items() if key in tables}, spoiled)
    if listed.tables is None:
        _by_host(listed, live, spoiled)


def _by_table(listed: ListedSource, live: pa.Table, lost: Mapping[str, int], spoiled: Spoiled) -> None:
    reasons = _grouped([(owner(row), reason) for row, reason in spoiled if owner(row) != row["key"]])
    told = live.select(["key", "table_key"]).to_pylist() if lost or reasons else []
    known = Counter(owner(row) for row in told)
    for table in {**lost, **reasons}:
        _stop(listed, f"table {table}", known=known[table], lost=lost.get(table, 0), spoiled=reasons.get(table, []))


def _by_host(listed: ListedSource, live: pa.Table, spoiled: Spoiled) -> None:
    """Rows that are listed, but of whose files a host says that they are gone."""
    reasons = _grouped([(place_of(row["uri"]), reason) for row, reason in spoiled if "://" in row["uri"]])
    known = Counter(place_of(uri) for uri in live["uri"].to_pylist()) if reasons else Counter[str]()
    for place, found in reasons.items():
        _stop(listed, f"what is at {place}", known=known[place], lost=0, spoiled=found)


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in pairs:
        found.setdefault(name, []).append(reason)
    return found


def _lost(vanished: Rows, arrived: Mapping[str, int]) -> Counter[str]:
    """How many items are gone, by file. A table whose rows are others now has lost as many as it is shorter."""
    by_file = Counter(owner(row) for row in vanished.values())
    return Counter({key: lost for key, count in by_file.items() if (lost := count - arrived.get(key, 0)) > 0})


def _stop(listed: ListedSource, part: str, *, known: int, lost: int, spoiled: Sequence[str]) -> None:
    share = (lost + len(spoiled)) / known if known else 0.0
    if known < _FROM or share <= listed.max_deleted_share:
        return
    most = Counter(spoiled).most_common(1)[0][0] if spoiled else ""
    unusable = f"{len(spoiled)} of them can't be read or used any more: " if spoiled else ""
    what = "deleted or set aside" if spoiled else "deleted"
    raise DeletionError(
        f"Source {listed.name!r} lists {known - lost} of {known} known items{f' of {part}' if part else ''}: {unusable}"
        f"{share:.0%} would be {what}, more than max_deleted_share={listed.max_deleted_share:.0%}. "
        f"{f'Most often: {most}. ' if most else ''}"
        "Check that the disk is mounted, the prefix is right and the files may be read; if they are really gone: "
        f"embed-assets run --accept-deletions. Nothing was deleted.{_HINTS.get(most, '')}"
    )
