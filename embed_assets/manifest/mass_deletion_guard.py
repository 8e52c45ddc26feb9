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

_FROM = 10  # of fewer items all may be deleted: too few to recognise an accident by share
_HINTS = {
    LINK_OUT: " Links that lead out of the source are read with follow_links: true.",
    OUTSIDE: " table.allow lists what rows may name beyond the source's uri.",
}

Unreadable = Sequence[tuple[ManifestRow, str]]  # rows that were usable until now, each with the reason


def guard(
    listed: ListedSource,
    rows: pa.Table,
    item_count: int,
    *,
    missing: Mapping[str, ManifestRow],
    added_per_file: Mapping[str, int],
    newly_unreadable: Unreadable,
) -> None:
    """Raise DeletionError where more than `max_deleted_share` of the known items, or of a part of them, would go.

    `missing` are rows to be deleted by key; rows that became unreadable lose their vectors as well. Parts are a table
    that is still listed, and a host or bucket that rows name. A table that is missing as a whole is meant to be.
    """
    lost = _count_missing(missing, added_per_file)
    reasons = [reason for _, reason in newly_unreadable]
    _stop(listed, "", known=item_count, lost=lost.total(), unreadable=reasons)
    if not (lost or newly_unreadable):
        return
    live = rows.filter(pc.not_equal(rows["status"], "deleted"))
    tables = {file.key for file in listed.files if listed.is_table(file)}
    _by_table(listed, live, {key: count for key, count in lost.items() if key in tables}, newly_unreadable)
    if listed.tables is None:
        _by_host(listed, live, newly_unreadable)


def _by_table(listed: ListedSource, live: pa.Table, lost: Mapping[str, int], unreadable: Unreadable) -> None:
    reasons = _grouped([(owner(row), reason) for row, reason in unreadable if owner(row) != row["key"]])
    rows = live.select(["key", "table_key"]).to_pylist() if lost or reasons else []
    known = Counter(owner(row) for row in rows)
    for table in {**lost, **reasons}:
        part = f"table {table}"
        _stop(listed, part, known=known[table], lost=lost.get(table, 0), unreadable=reasons.get(table, []))


def _by_host(listed: ListedSource, live: pa.Table, unreadable: Unreadable) -> None:
    """Check rows that are listed, but whose files a host reports as missing."""
    reasons = _grouped([(place_of(row["uri"]), reason) for row, reason in unreadable if "://" in row["uri"]])
    known = Counter(place_of(uri) for uri in live["uri"].to_pylist()) if reasons else Counter[str]()
    for place, found in reasons.items():
        _stop(listed, f"what is at {place}", known=known[place], lost=0, unreadable=found)


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, reason in pairs:
        groups.setdefault(name, []).append(reason)
    return groups


def _count_missing(missing: Mapping[str, ManifestRow], added_per_file: Mapping[str, int]) -> Counter[str]:
    """Count missing items by file. A table with other rows than before has lost as many as it is shorter."""
    by_file = Counter(owner(row) for row in missing.values())
    return Counter({key: lost for key, count in by_file.items() if (lost := count - added_per_file.get(key, 0)) > 0})


def _stop(listed: ListedSource, part: str, *, known: int, lost: int, unreadable: Sequence[str]) -> None:
    share = (lost + len(unreadable)) / known if known else 0.0
    if known < _FROM or share <= listed.max_deleted_share:
        return
    most = Counter(unreadable).most_common(1)[0][0] if unreadable else ""
    unusable = f"{len(unreadable)} of them can't be read or used any more: " if unreadable else ""
    what = "deleted or quarantined" if unreadable else "deleted"
    raise DeletionError(
        f"Source {listed.name!r} lists {known - lost} of {known} known items{f' of {part}' if part else ''}: {unusable}"
        f"{share:.0%} would be {what}, more than max_deleted_share={listed.max_deleted_share:.0%}. "
        f"{f'Most often: {most}. ' if most else ''}"
        "Check that the disk is mounted, the prefix is right and the files may be read; if they are really gone: "
        f"embed-assets run --accept-deletions. Nothing was deleted.{_HINTS.get(most, '')}"
    )
