"""Item details: how one item was cut for each encoder version, its hashes and history, or why it was quarantined."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embed_assets.errors import UnknownNameError
from embed_assets.pipeline.quarantined_items import unreadable_items
from embed_assets.pipeline.space_versions import SpaceVersion, space_versions
from embed_assets.pipeline.steps import Steps
from embed_assets.store.history import MOVES
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.upsert import quoted
from embed_assets.store.versions import VersionId

_SPANS = 1000  # of one version that are listed
_SUGGESTED_AMONG = 20_000  # items: comparing the names of a million takes half a minute
_COLUMNS = ("kind", "start", "end", "text", "content_hash", "media_hash", "embedded_at")


@dataclass(frozen=True, kw_only=True)
class ItemSpan:
    """A segment: characters of a text, milliseconds of a sound or video; without start and end the whole."""

    kind: str
    start: int | None
    end: int | None
    text: str | None
    content_hash: str  # sha256 of what went into the encoder


@dataclass(frozen=True, kw_only=True)
class ItemVersion:
    """An item in the vectors of one encoder version."""

    encoder: str
    version: str
    space: str
    state: str  # of the version: live, previous, candidate, …
    segments: int
    stale: bool  # whether the item's bytes are others by now
    media_hash: str  # of the bytes that were embedded
    embedded_at: str
    spans: tuple[ItemSpan, ...]  # in order, the first thousand
    reason: str = ""  # why it was quarantined for this version; "" where it is embedded
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemDetails:
    """One item of the manifest."""

    media_id: str
    source: str
    key: str
    uri: str
    modality: str
    mime: str
    size: int | None
    status: str  # ok, quarantined
    reason: str  # why no encoder could read it; "" where they can
    detail: str
    content_hash: str
    text: str | None  # its caption
    labels: tuple[str, ...]
    columns: Mapping[str, Any]  # the user's own
    updated_at: str
    versions: tuple[ItemVersion, ...] = ()
    history: tuple[Mapping[str, str], ...] = field(default=())  # at, event, detail; oldest first

    def document(self) -> dict[str, Any]:
        """Return JSON-able values."""
        from embed_assets.media.cells.cell_values import plain

        return {**asdict(self), "columns": plain(dict(self.columns))}


def find_item(steps: Steps, name: str, *, suggests: bool = True) -> ManifestRow:
    """Return the row of an item by its id, by SOURCE/KEY, or by a key that only one source has.

    Raises UnknownNameError where there is none, with the nearest names if it `suggests` any: that reads many.
    """
    row = steps.manifest.item(name)
    if row is not None:
        return row
    source, _, key = name.partition("/")
    if source in steps.settings.sources and key and (row := steps.manifest.media(source, key)) is not None:
        return row
    found = [row for each in steps.settings.sources if (row := steps.manifest.media(each, name)) is not None]
    if len(found) == 1:
        return found[0]
    if found:
        known = [f"{row['source']}/{row['key']}" for row in found]
        raise UnknownNameError("one item", name, hint=f"Several sources have it: {', '.join(known)}.")
    raise UnknownNameError("item", name, _names(steps) if suggests else ())


def item_details(steps: Steps, row: ManifestRow) -> ItemDetails:
    """Return what the store knows of an item, from the store alone."""
    versions = tuple(_versions(steps, row))
    detail = next((each.detail for each in unreadable_items([row])), "")
    return ItemDetails(
        media_id=row["media_id"],
        source=row["source"],
        key=row["key"],
        uri=row["uri"],
        modality=row["modality"] or "",
        mime=row["mime"] or "",
        size=row["size"],
        status=row["status"],
        reason=row["reason"] or "",
        detail=detail,
        content_hash=row["content_hash"] or "",
        text=row["caption"],
        labels=tuple(row["labels"] or ()),
        columns=json.loads(row["extra"] or "{}"),
        updated_at=_moment(row["updated_at"]),
        versions=versions,
        history=tuple(_history(steps, row, versions)),
    )


def _names(steps: Steps) -> list[str]:
    table = steps.manifest.table(steps.settings.sources, columns=["source", "key", "status"])
    rows = table.slice(0, _SUGGESTED_AMONG).to_pylist()
    return [
        name for row in rows if row["status"] != "deleted" for name in (row["key"], f"{row['source']}/{row['key']}")
    ]


def _versions(steps: Steps, row: ManifestRow) -> Iterable[ItemVersion]:
    records = [record for encoder in steps.store.versions.encoders() for record in steps.store.versions.of(encoder)]
    for space in dict.fromkeys(record.spec.space for record in records):
        for version in space_versions(steps, space):
            found = _version(steps, row, version, space)
            if found is not None:
                yield found


def _version(steps: Steps, row: ManifestRow, version: SpaceVersion, space: str) -> ItemVersion | None:
    name = VersionId(version.encoder, version.version)
    where = f"media_id = {quoted(row['media_id'])}"
    table = steps.store.vectors(name).read(_COLUMNS, where=where)
    rows = [] if table is None else table.to_pylist()
    failed = [each for each in steps.store.quarantine(name.table).rows(["media_id", "reason", "detail"])
              if each["media_id"] == row["media_id"]]  # fmt: skip
    if not rows and not failed:
        return None
    rows.sort(key=lambda each: (each["start"] is not None, each["start"] or 0))
    failure = failed[0] if failed else {"reason": "", "detail": ""}
    return ItemVersion(
        encoder=version.encoder,
        version=version.version,
        space=space,
        state=version.state,
        segments=len(rows),
        stale=bool(rows) and rows[0]["media_hash"] != row["content_hash"],
        media_hash=rows[0]["media_hash"] if rows else "",
        embedded_at=max((_moment(each["embedded_at"]) for each in rows), default=""),
        spans=tuple(map(_span, rows[:_SPANS])),
        reason=failure["reason"],
        detail=(failure["detail"] or "").removeprefix(failure["reason"]).removeprefix(": "),
    )


def _span(row: Mapping[str, Any]) -> ItemSpan:
    return ItemSpan(
        kind=row["kind"], start=row["start"], end=row["end"], text=row["text"], content_hash=row["content_hash"]
    )


def _history(steps: Steps, row: ManifestRow, versions: Iterable[ItemVersion]) -> list[Mapping[str, str]]:
    """Return what happened to an item: when it was read, embedded for each version, and what then began to serve."""
    events = [{"at": _moment(row["updated_at"]), "event": "read", "detail": row["content_hash"] or ""}]
    embedded = {(each.space, each.version): each for each in versions if each.embedded_at}
    for each in embedded.values():
        detail = f"{each.encoder} {each.version}: {each.segments} segments"
        events.append({"at": each.embedded_at, "event": "embedded", "detail": detail})
    for event in steps.store.history.events():
        if event["kind"] in MOVES and (event["space"], event.get("version")) in embedded:
            detail = f"space {event['space']}: {event['encoder']} {event['version']} by {event['by']}"
            events.append({"at": str(event["at"]), "event": event["kind"], "detail": detail})
    return sorted(events, key=lambda each: each["at"])


def _moment(value: Any) -> str:
    return value.isoformat() if value is not None and hasattr(value, "isoformat") else str(value or "")
