"""Quarantined items: those that are not in the index, with the reason, or of a kind that no encoder takes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.files.redacted_uri import brief
from embed_assets.media.files.source import LINK_OUT
from embed_assets.media.uris.allowed_prefixes import OUTSIDE, PRIVATE
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionRecord

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_COLUMNS = ("media_id", "source", "key", "modality", "status", "reason", "content_hash", "uri")  # of the manifest
NOT_TAKEN = "no encoder takes it"  # the reason of items that can be read, and are of a kind that nothing is fed with
_WAYS_OUT = {
    OUTSIDE: "it names {}; table.allow lists what rows may name",
    PRIVATE: "it names {}; private addresses are read where table.allow names them",
    LINK_OUT: "follow_links: true reads it",
}


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """One item that has no vectors, and why. `encoder` is "" where it has none of any encoder."""

    source: str
    key: str
    encoder: str
    kind: str  # text, image, audio, video; "" where it is not known
    reason: str  # short, the same for all items of one fault
    detail: str  # what was found in this very item; "" where the reason says all


def quarantined(steps: Steps, *, sources: Sequence[str] = ()) -> list[Quarantined]:
    """List items without vectors by source and key, from the store alone: by the latest refresh and runs."""
    chosen = [name for name in steps.settings.sources if not sources or name in sources]
    rows = steps.manifest.table(chosen, columns=_COLUMNS).to_pylist()
    records = [record for name in steps.settings.encoders if (record := steps.current_version(name))]
    items = [*unreadable_items(rows), *map(_unencoded, unencoded_items(rows, steps, records))]
    for record in records:
        items += [item for _, item in _failed_items(rows, steps, record)]
    return sorted(items, key=lambda each: (each.source, each.key, each.encoder))


def unreadable_items(rows: Iterable[Mapping[str, Any]]) -> Iterator[Quarantined]:
    """Yield items (manifest rows) that could not be read, or are of no known kind."""
    for row in rows:
        if row["status"] == "quarantined":
            way_out = _WAYS_OUT.get(row["reason"], "")
            yield _item(row, reason=row["reason"] or "", detail=way_out.format(brief(row["uri"] or "")))


def unencoded_items(
    rows: Iterable[Mapping[str, Any]], steps: Steps, records: Sequence[VersionRecord]
) -> Iterator[Mapping[str, Any]]:
    """Yield usable items (manifest rows) of kinds that no encoder of their source takes."""
    fed: dict[str, set[str]] = {}
    # Of an encoder that has no version yet nothing is known: items of its sources wait for a run.
    unknown = set(steps.settings.encoders) - {record.encoder for record in records}
    waiting = {source for encoder in unknown for source in steps.settings.sources_of(encoder)}
    for record in records:
        for source in steps.settings.sources_of(record.encoder):
            fed.setdefault(source, set()).update(record.spec.media)
    for row in rows:
        is_taken = row["source"] in waiting or row["modality"] in fed.get(row["source"], ())
        if row["status"] == "ok" and not is_taken:
            yield row


def _unencoded(row: Mapping[str, Any]) -> Quarantined:
    return _item(row, reason=NOT_TAKEN, detail=f"it is {row['modality']}; add an encoder that takes such items")


def failed_by_shard(steps: Steps, record: VersionRecord) -> dict[str, list[Quarantined]]:
    """List items that one encoder version could not decode or encode, by source and key: shard → items."""
    found: dict[str, list[Quarantined]] = {}
    failed = pa.array(steps.store.quarantine(record.table).hashes(), pa.string())
    if len(failed):
        table = steps.manifest.table(steps.settings.sources_of(record.encoder), columns=(*_COLUMNS, "shard"))
        rows = table.filter(pc.is_in(table["media_id"], value_set=failed)).to_pylist()
        for row, item in _failed_items(sorted(rows, key=lambda row: (row["source"], row["key"])), steps, record):
            found.setdefault(row["shard"], []).append(item)
    return found


def _failed_items(
    rows: Iterable[Mapping[str, Any]], steps: Steps, record: VersionRecord
) -> Iterator[tuple[Mapping[str, Any], Quarantined]]:
    """Yield what one encoder version could not decode or encode, while its bytes are unchanged: rows and items."""
    quarantine = steps.store.quarantine(record.table)
    hashes = quarantine.hashes()
    details = {row["media_id"]: row["detail"] for row in quarantine.rows(["media_id", "detail"])} if hashes else {}
    read = set(steps.settings.sources_of(record.encoder))
    for row in rows:
        failed, reason = hashes.get(row["media_id"], ("", ""))
        if row["status"] == "ok" and row["source"] in read and failed == row["content_hash"]:
            detail = (details[row["media_id"]] or "").removeprefix(reason).removeprefix(": ")
            yield row, _item(row, encoder=record.encoder, reason=reason, detail=detail)


def _item(row: Mapping[str, Any], *, reason: str, encoder: str = "", detail: str = "") -> Quarantined:
    return Quarantined(
        source=row["source"],
        key=row["key"],
        encoder=encoder,
        kind=row["modality"] or "",
        reason=reason,
        detail=detail,
    )
