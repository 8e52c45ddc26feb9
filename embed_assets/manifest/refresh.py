"""Refresh: bring a source's manifest up to date with its listing; read only files that changed."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

from embed_assets.manifest.inspect_files import Entry, ListedSource, Look, entries
from embed_assets.manifest.listing_diff import Compared
from embed_assets.manifest.mass_deletion_guard import guard
from embed_assets.manifest.unmatched_sidecar_rows import Unmatched, unmatched, unmatched_as
from embed_assets.manifest.unreachable_items import (
    OutOfReach,
    beyond_listing,
    beyond_reading,
    kept_as,
    still_shut,
    unread_folder,
)
from embed_assets.media.files.redacted_uri import place_of
from embed_assets.media.files.unreachable import KEPT, Away
from embed_assets.media.kinds.decoder_plugins import plugin_fingerprint
from embed_assets.media.media_types import PLAIN, ListedFile
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.store.manifest import Manifest
from embed_assets.store.manifest_row import ManifestRow, owner
from embed_assets.store.source_state import SourceState

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_JSON = json.JSONEncoder(sort_keys=True).encode
_PASSING = ("vanished", *sorted(KEPT))  # reasons that may be gone at the next look


@dataclass(frozen=True, kw_only=True)
class RefreshReport:
    """What a refresh found. Items are counted once: `edited` excludes new ones."""

    source: str
    items: int = 0
    new: int = 0
    edited: int = 0
    renamed: int = 0
    relabelled: int = 0
    deleted: int = 0
    restored: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    files_read: int = 0
    seconds: float = 0.0
    data_version: str = ""
    out_of_reach: Sequence[OutOfReach] = ()
    unmatched: Unmatched | None = None  # rows of the sidecar

    @property
    def changed(self) -> int:
        """Items whose rows were written."""
        return self.new + self.edited + self.renamed + self.relabelled + self.deleted + self.restored

    def figures(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What of a listing is not as the manifest has it."""

    listed: ListedSource
    rows: pa.Table  # all rows of the manifest, deleted ones too
    fresh: Sequence[ListedFile]  # to be read
    said_anew: Sequence[ListedFile]  # unread, but of which other things are said
    absent: pa.Table  # manifest rows that are in the listing no more, or in tables that changed
    live: Mapping[str, ManifestRow]  # manifest rows of all these by key
    known: int  # items of the manifest, changed or not
    marks: Mapping[str, str]  # of all tables
    other_plugins: bool  # whether the files were shown to other decoder plugins before
    other_encoding: bool  # whether texts that are not UTF-8 were read by another setting before
    beyond: Sequence[OutOfReach]  # what the listing could not get at
    still: Sequence[Away]  # what could not be read before, and can't be now
    beyond_before: str  # what the latest refresh could not get at, as it is kept

    @property
    def has_changes(self) -> bool:
        """Whether a file is new, gone, touched, or other things are said of it; or others can't be reached."""
        changed = self.fresh or self.said_anew or self.absent.num_rows
        return bool(changed) or kept_as(self.out_of_reach()) != self.beyond_before

    def out_of_reach(self, read: Sequence[Entry] = ()) -> list[OutOfReach]:
        """What can't be got at, what was just read included."""
        return [*self.beyond, *beyond_reading(read, self.listed.away, self.still)]


def find_change(listed: ListedSource, manifest: Manifest) -> Change:
    """Compare listing and manifest by columns; what is as it was becomes no object.

    Reads no media, but for a try of what could not be read before.
    """
    state = manifest.state(listed.name)
    decoders = _decoders(state)
    return _compared(
        replace(listed, decoders=decoders),
        manifest.table_marks(listed.name),
        manifest.table([listed.name]),
        noted=state.unreachable,
        other_plugins=state.decoders != decoders,
        other_encoding=state.encoding != (listed.encoding or ""),
    )


def refresh(change: Change, manifest: Manifest, *, shards: int) -> RefreshReport:
    """Read what changed, write changed rows in one commit.

    A key that is new, with the bytes of one that vanished, is that item renamed: it keeps its media id,
    hence its vectors. Of a table that is unchanged no row is looked at. What can't be reached stays as it was: only
    what is known to be gone is deleted. Raises SourceError before anything is written where more than
    `max_deleted_share` of the known items, of a table's or of a host's, are gone.
    """
    started = time.monotonic()
    listed = change.listed
    found = _looked(change)
    keys = [entry.file.key for entry in found]
    vanished = {row["key"]: row for row in change.absent.to_pylist()}
    for key in keys:
        vanished.pop(key, None)  # a row of a table is in no listing
    for key in vanished.keys() & (manifest.keys_since(listed.name, listed.at) if vanished else set()):
        del vanished[key]  # another refresh found it after this listing began
    deleted = _by_key(change.rows.filter(pc.equal(change.rows["status"], "deleted")), keys)

    changes = _Changes(listed, shards=shards, known=change.rows, vanished=vanished)
    for entry in found:
        changes.settle(entry, change.live.get(entry.file.key), deleted.get(entry.file.key))
    # What was only renamed is not among the vanished any more.
    guard(listed, change.rows, change.known, vanished=vanished, arrived=changes.arrived, spoiled=changes.spoiled)
    for row in vanished.values():
        changes.delete(row)
    manifest.write(changes.rows)
    beyond = change.out_of_reach(found)
    marks = {key: mark for key, mark in change.marks.items() if key not in changes.unread_tables}
    unnamed = unmatched(listed, changes.live["key"].to_pylist()) if listed.annotations.named else None
    state = SourceState(
        decoders=listed.decoders,
        encoding=listed.encoding or "",
        unreachable=kept_as(beyond),
        unmatched=unmatched_as(unnamed),
    )
    manifest.write_state(listed.name, state)
    manifest.mark_tables(listed.name, marks)
    seconds = time.monotonic() - started
    return changes.report(files_read=len(change.fresh), seconds=seconds, beyond=beyond, unmatched=unnamed)


def _looked(change: Change) -> list[Entry]:
    """The items of what changed. The workers that looked at them end: those that wait hold memory."""
    listed = change.listed
    try:
        return entries(
            listed, [*change.fresh, *change.said_anew], fresh={f.key for f in change.fresh}, live=change.live
        )
    finally:
        if listed.workers is not None:
            listed.workers.rest()


def _compared(
    listed: ListedSource,
    before: Mapping[str, str],
    table: pa.Table,
    *,
    noted: str,
    other_plugins: bool,
    other_encoding: bool,
) -> Change:
    """What of the listing is not as in the manifest's rows; of unchanged tables no row is looked at."""
    rows = table.filter(pc.not_equal(table["status"], "deleted"))
    known = rows.num_rows
    told = rows.select(["key", "table_key"]).to_pylist() if listed.unread else []
    beyond, rows = beyond_listing(listed, told), _within_reach(listed, rows, told)
    # Of what could not be read nothing is known: neither that it is as it was, nor that its rows are gone.
    shut = still_shut(listed, _seen_tables(listed, before, rows) if noted else (), noted)
    marks, same, rows, still = _marks(listed, before, rows, shut)
    away = set(rows["key"].to_pylist()).intersection(listed.away) if listed.away else set[str]()
    out = same | away | shut.keys()
    files = [file for file in listed.files if file.key not in out] if out else listed.files
    tables = {file.key: file for file in files if listed.is_table(file)} if listed.tables is not None else {}
    # A table is no item, unless it can't be read: a row of its own key is absent until it is found again.
    if away:
        rows = rows.filter(pc.invert(pc.is_in(rows["key"], value_set=pa.array(sorted(away), pa.string()))))
    seen = Compared([f for f in files if f.key not in tables] if tables else files, listed.annotations, rows)
    edited = _by_key(rows, [file.key for file in seen.touched]) if noted else {}
    shut = still_shut(listed, [file for file in seen.touched if file.key in edited], noted)
    still += shut.values()
    fresh = {file.key: file for file in seen.touched if file.key not in shut} | tables
    shown = _shown_anew(rows, other_plugins=other_plugins, other_encoding=other_encoding) - shut.keys()
    fresh |= {file.key: file for file in files if file.key in shown} if shown else {}
    aside = rows.select(["key", "reason"]).filter(pc.is_in(rows["reason"], value_set=pa.array(_PASSING, pa.string())))
    unread = {row["key"]: row["reason"] for row in aside.to_pylist() if row["key"] not in shut.keys() | fresh.keys()}
    waiting = [file for file in files if file.key in unread] if unread else []
    for file, fault in zip(waiting, listed.faults(waiting), strict=True):
        if fault is None:  # though its size and time are as they were
            fresh[file.key] = file
        elif unread[file.key] in KEPT:
            still.append(Away(place_of(file.uri), unread[file.key]))
    said_anew = [file for file in seen.said_anew if file.key not in fresh]
    live = _by_key(rows, [*fresh, *(file.key for file in said_anew)]) | _by_key(seen.absent)
    return Change(
        listed=listed,
        rows=table,
        fresh=list(fresh.values()),
        said_anew=said_anew,
        absent=seen.absent,
        live=live,
        known=known,
        marks=marks,
        other_plugins=other_plugins,
        other_encoding=other_encoding,
        beyond=beyond,
        still=still,
        beyond_before=noted,
    )


def _shown_anew(rows: pa.Table, *, other_plugins: bool, other_encoding: bool) -> set[str]:
    """Keys of the rows of which other plugins, or another encoding in the settings, may make something else."""
    if not (other_plugins or other_encoding):
        return set()
    return {
        row["key"]
        for row in rows.select(["key", "mime", "modality", "status", "decoder", "table_key"]).to_pylist()
        if (other_plugins and _for_plugins(row)) or (other_encoding and _for_encodings(row))
    }


def _within_reach(listed: ListedSource, rows: pa.Table, told: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows but for those below folders that could not be listed; `told` are their keys and types."""
    if not listed.unread:
        return rows
    return rows.filter(pa.array([unread_folder(owner(row), listed.unread) is None for row in told], pa.bool_()))


def _by_key(rows: pa.Table, keys: Collection[str] | None = None) -> dict[str, ManifestRow]:
    """Rows by key, those of these keys or all."""
    if keys is not None:
        rows = rows.filter(pc.is_in(rows["key"], value_set=pa.array(keys, pa.string())))
    return {row["key"]: row for row in rows.to_pylist()}


def _marks(
    listed: ListedSource, before: Mapping[str, str], rows: pa.Table, shut: Mapping[str, Away]
) -> tuple[dict[str, str], set[str], pa.Table, list[Away]]:
    """The mark of every table of the listing, keys of those that are as they were, and the rows of all others.

    Tables below a folder that could not be listed keep their marks. Those that are `shut` have none, and of them
    there is told by row where it is.
    """
    beyond = {key: mark for key, mark in before.items() if unread_folder(key, listed.unread)}
    marks = {file.key: listed.mark(file) for file in listed.files if listed.is_table(file)}
    if not marks:
        return beyond, set(), rows, []
    told = rows.select(["key", "table_key", "status"]).to_pylist()
    owners = [owner(row) for row in told]
    # Of a table that could not be read there is one row, its own.
    with_rows = {name for name, row in zip(owners, told, strict=True) if row["table_key"] or row["status"] != "ok"}
    same = {key for key, mark in marks.items() if before.get(key) == mark and key in with_rows}
    out = pa.array(sorted(same | shut.keys()), pa.string())
    others = pc.invert(pc.is_in(pa.array(owners, pa.string()), value_set=out))
    marks = {key: mark for key, mark in marks.items() if key not in shut}
    return marks | beyond, same, rows.filter(others), [shut[name] for name in owners if name in shut]


def _seen_tables(listed: ListedSource, before: Mapping[str, str], rows: pa.Table) -> list[ListedFile]:
    """Tables without a mark, of which there are rows: they could not be read."""
    unmarked = [file for file in listed.files if listed.is_table(file) and file.key not in before]
    known = {owner(row) for row in rows.select(["key", "table_key"]).to_pylist()} if unmarked else set[str]()
    return [file for file in unmarked if file.key in known]


def _decoders(state: SourceState) -> str:
    """Return the installed decoder plugins; while one is broken those of the latest refresh.

    Then they count as unchanged: its files keep their rows until it works again.
    """
    fingerprint = plugin_fingerprint()
    return state.decoders if fingerprint is None else fingerprint


def _for_plugins(row: Mapping[str, Any]) -> bool:
    """Whether other decoder plugins may see something else in a file."""
    plain = row["mime"] == PLAIN and row["table_key"] is None
    return row["status"] == "quarantined" or plain or bool(row["decoder"])


def _for_encodings(row: Mapping[str, Any]) -> bool:
    """Whether another encoding in the settings may make another text of a file."""
    return row["status"] == "quarantined" or (row["modality"] == "text" and row["mime"] not in (PDF, DOCX))


class _Changes:
    """Collects the rows to write and counts them by kind; takes from `vanished` what was only renamed."""

    def __init__(self, listed: ListedSource, *, shards: int, known: pa.Table, vanished: dict[str, ManifestRow]) -> None:
        self._listed = listed
        self._shards = shards
        self._known = known
        self._vanished = vanished
        self._movable: dict[str, list[ManifestRow]] = {}  # vanished rows by content hash
        for row in vanished.values():
            self._movable.setdefault(row["content_hash"], []).append(row)
        self._now = datetime.now(UTC)
        self._counts: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()  # by file: items that it did not have
        self.spoiled: list[tuple[ManifestRow, str]] = []  # rows that were good and can't be used any more, why
        self.unread_tables: set[str] = set()  # they are read again, though they be as they were
        self.rows: list[ManifestRow] = []

    def settle(self, entry: Entry, row: ManifestRow | None, deleted: ManifestRow | None) -> None:
        """Decide what became of one listed item, and take note of the row to write, if any."""
        look = entry.look
        if look is not None and look.reason in KEPT:
            if entry.table or self._listed.is_table(entry.file):
                self.unread_tables.add(entry.table or entry.file.key)
            if row is not None:  # nothing is known of it: it stays as it was
                return
        if row is not None:
            if look is not None and look.reason is not None and row["status"] == "ok":
                self.spoiled.append((row, look.reason))
            self._write(entry, row, "edited" if look is not None and _other(look, row, entry) else None)
            return
        self.arrived[entry.table or entry.file.key] += 1
        moved = self._moved(entry)
        if moved is not None:
            self._write(entry, moved, "renamed")
        elif look is not None and deleted is not None:
            self._write(entry, deleted, "restored")
        else:
            self._write(entry, None, "new")

    def _moved(self, entry: Entry) -> ManifestRow | None:
        """The vanished item whose bytes these are; of several table rows the one with the same id."""
        look = entry.look
        candidates = self._movable.get(look.content_hash) if look is not None and look.reason is None else None
        if not candidates:
            return None
        same = (place for place, row in enumerate(candidates) if row["row_id"] == entry.file.row_id)
        old = candidates.pop(next(same, 0))
        del self._vanished[old["key"]]
        return old

    def delete(self, row: ManifestRow) -> None:
        """Mark an item deleted; its row stays, so that the accounts close."""
        self.rows.append({**row, "status": "deleted", "reason": None, "updated_at": self._now})
        self._counts["deleted"] += 1

    def report(
        self, *, files_read: int, seconds: float, beyond: Sequence[OutOfReach], unmatched: Unmatched | None
    ) -> RefreshReport:
        """The counts, and the data version of the manifest as it is now."""
        live = self.live
        reasons = Counter(live.filter(pc.equal(live["status"], "quarantined"))["reason"].to_pylist())
        return RefreshReport(
            source=self._listed.name,
            items=live.num_rows,
            quarantined=dict(reasons),
            files_read=files_read,
            seconds=seconds,
            data_version=_data_version(live),
            out_of_reach=beyond,
            unmatched=unmatched,
            **{name: self._counts[name] for name in ("new", "edited", "renamed", "relabelled", "deleted", "restored")},
        )

    @cached_property
    def live(self) -> pa.Table:
        """All rows that are not deleted, once every item is settled."""
        written = pa.Table.from_pylist(self.rows, schema=self._known.schema)
        replaced = pc.is_in(self._known["media_id"], value_set=written["media_id"].combine_chunks())
        now = pa.concat_tables([self._known.filter(pc.invert(replaced)), written])
        return now.filter(pc.not_equal(now["status"], "deleted"))

    @cached_property
    def _ids(self) -> set[str]:
        """All media ids there are, asked for once something is new."""
        return set(self._known["media_id"].to_pylist())

    def _write(self, entry: Entry, old: ManifestRow | None, change: str | None) -> None:
        file, look = entry.file, entry.look
        meta_hash = _meta_hash(file.uri, entry.said)
        if old is not None and change is None and meta_hash != old["meta_hash"]:
            change = "relabelled"
        stamp = entry.row_stamp
        stamped = stamp is not None and old is not None and (file.etag, stamp) != (old["etag"], old["row_stamp"])
        if change is None and (look is None or entry.table is not None) and not stamped:
            return  # a touched file's new time is kept, a row's is only that of its table
        row = {
            **(old or self._identity(file, look)),
            **_seen(look, old),
            **entry.said,
            "key": file.key,
            "uri": file.uri,
            "size": file.size,
            "mtime": file.mtime,
            "etag": file.etag,
            "table_key": entry.table,
            "row_id": file.row_id,
            "row_stamp": stamp,
            "table_kind": self._listed.table_kind(entry.table) if entry.table else None,
            "meta_hash": meta_hash,
            "updated_at": self._now,
        }
        self.rows.append(cast("ManifestRow", row))
        if change is not None:
            self._counts[change] += 1

    def _identity(self, file: ListedFile, look: Look | None) -> dict[str, Any]:
        """A media id of its own, and the shard that follows from it."""
        seed = f"{self._listed.name}\0{file.key}\0{look.content_hash if look else ''}"
        media_id = hashlib.sha256(seed.encode()).hexdigest()[:20]
        while media_id in self._ids:  # an item that was renamed away and came back
            media_id = hashlib.sha256(media_id.encode()).hexdigest()[:20]
        self._ids.add(media_id)
        return {"media_id": media_id, "source": self._listed.name, "shard": shard_of(media_id, self._shards)}


def shard_of(media_id: str, shards: int) -> str:
    """The stable bucket of a media id."""
    return shard_names(shards)[int(media_id[:8], 16) % shards]


def shard_names(shards: int) -> list[str]:
    """Keys of all shards, in order: s00, s01, …"""
    width = max(2, len(str(shards - 1)))
    return [f"s{number:0{width}d}" for number in range(shards)]


def _seen(look: Look | None, old: ManifestRow | None) -> dict[str, Any]:
    """The columns that reading fills. An item that became unreadable keeps the modality it was known by."""
    if look is None:
        return {}
    modality = look.modality or (old["modality"] if old else None)
    status = "quarantined" if look.reason else "ok"
    return {
        "content_hash": look.content_hash,
        "mime": look.mime,
        "decoder": look.decoder or None,
        "charset": look.charset,
        "modality": modality,
        "status": status,
        "reason": look.reason,
    }


def _other(look: Look, row: ManifestRow, entry: Entry) -> bool:
    """Whether an item is another than before. A table's row may become good, or be set aside, by a setting alone."""
    if entry.table is not None and look.reason != row["reason"]:
        return True
    return look.content_hash != row["content_hash"]


def _meta_hash(uri: str, annotation: Mapping[str, Any]) -> str:
    return hashlib.sha256(_JSON([uri, annotation]).encode()).hexdigest()[:16]


def _data_version(rows: pa.Table) -> str:
    told = rows.select(["media_id", "content_hash", "meta_hash", "status"]).sort_by("media_id")
    lines = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in told.columns), " ")
    return hashlib.sha256("\n".join(lines.to_pylist()).encode()).hexdigest()[:16]
