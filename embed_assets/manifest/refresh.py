"""Refresh: bring a source's manifest up to date with its listing; read only files that changed."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

from embed_assets.manifest.entry import Entry, FileProbe
from embed_assets.manifest.inspect_files import Items, ListedSource, inspected
from embed_assets.manifest.mass_deletion_guard import guard
from embed_assets.manifest.source_changes import SourceChanges
from embed_assets.manifest.stored_rows import KeyPlaces, StoredRows, in_one_piece
from embed_assets.manifest.unmatched_sidecar_rows import Unmatched, unmatched, unmatched_as_text
from embed_assets.manifest.unreachable_items import UnreachableItems, unreachable_as_text
from embed_assets.manifest.user_column_counts import counted_columns
from embed_assets.media.files.unreachable import KEPT
from embed_assets.media.media_types import ListedFile
from embed_assets.store.manifest import MOST_NEW, Manifest
from embed_assets.store.manifest_row import SCHEMA, ManifestRow
from embed_assets.store.source_state import SourceState
from embed_assets.unused_memory import give_back

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_COUNTED = ("media_id", "key", "content_hash", "meta_hash", "status", "reason", "extra", "table_kind")
_PACKED = 4096  # rows to write that are objects at one time
_HASHED = 65_536  # lines that are hashed together

_JSON = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, kw_only=True)
class RefreshReport:
    """Counts of a refresh. Items are counted once: `edited` excludes new ones."""

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
    out_of_reach: Sequence[UnreachableItems] = ()
    unmatched: Unmatched | None = None  # rows of the sidecar

    @property
    def changed(self) -> int:
        """Items whose rows were written."""
        return self.new + self.edited + self.renamed + self.relabelled + self.deleted + self.restored

    def figures(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)


def refresh(changes: SourceChanges, manifest: Manifest, *, shards: int) -> RefreshReport:
    """Read changed files, write changed rows in one commit; new ones that are very many follow in others.

    A new key with the bytes of a missing one is that item renamed: it keeps its media id, hence its vectors. Of an
    unchanged table no row is looked at. Unreachable items stay unchanged: only items that are known to be missing are
    deleted. Raises DeletionError before anything is written where more than `max_deleted_share` of the known items, of
    a table's or of a host's, are missing.
    """
    started = time.monotonic()
    listed, stored = changes.listed, changes.stored(manifest)
    give_back()
    items = _inspected(changes, stored)
    give_back()
    unreachable = changes.all_unreachable([*items.unreachable()])
    for keys in items.keys_of_files():  # those of tables are noted already
        stored.note(stored.places(pa.array(keys, pa.string())))
    writer = _RowChanges(listed, shards=shards, stored=stored.rows, missing=_missing(changes, manifest, stored))
    _classify(items, stored, writer)
    # Renamed items are not among the missing any more.
    guard(
        listed,
        stored.rows,
        changes.item_count,
        missing=writer.missing,
        added_per_file=writer.added_per_file,
        newly_unreadable=writer.newly_unreadable,
    )
    for row in writer.missing.values():
        writer.delete(row)
    if writer.new and writer.written.num_rows > MOST_NEW:  # the counts are wrong from the first commit to the last
        manifest.write_state(listed.name, replace(manifest.state(listed.name), columns=""))
    manifest.write_table(writer.written, new=writer.new)
    give_back()
    unnamed = unmatched(listed, writer.live["key"].to_pylist()) if listed.annotations.named else None
    _write_state(changes, manifest, writer, unreachable=unreachable, unnamed=unnamed)
    return writer.report(
        files_read=len(changes.to_read),
        seconds=time.monotonic() - started,
        unreachable=unreachable,
        unmatched=unnamed,
    )


def _classify(items: Items, stored: StoredRows, writer: "_RowChanges") -> None:
    """Decide on every item, some at a time."""
    is_deleted = pc.equal(stored.rows["status"], "deleted")
    deleted = StoredRows(stored.rows, chosen=is_deleted, may_be_missing=is_deleted)
    for batch in items.taken():
        keys = [entry.file.key for entry in batch]
        for entry, row, gone in zip(batch, stored.of(keys), deleted.of(keys), strict=True):
            writer.classify(entry, row, gone)


def _missing(changes: SourceChanges, manifest: Manifest, stored: StoredRows) -> dict[str, ManifestRow]:
    """Return the rows by key that neither the listing nor what was read has."""
    listed = changes.listed
    missing = {row["key"]: row for row in stored.missing()}
    for key in missing.keys() & (manifest.keys_since(listed.name, listed.listed_at) if missing else set()):
        del missing[key]  # another refresh has written it after this listing began
    return missing


def _write_state(
    changes: SourceChanges,
    manifest: Manifest,
    writer: "_RowChanges",
    *,
    unreachable: Sequence[UnreachableItems],
    unnamed: Unmatched | None,
) -> None:
    """Keep what the next refresh has to know of this one, once the rows are written."""
    listed = changes.listed
    columns = counted_columns(changes.previous_columns, stored=writer.stored, written=writer.written, live=writer.live)
    state = SourceState(
        decoders=listed.decoders,
        encoding=listed.encoding or "",
        unreachable=unreachable_as_text(unreachable),
        unmatched=unmatched_as_text(unnamed),
        columns=columns,
    )
    manifest.write_state(listed.name, state)
    marks = {key: mark for key, mark in changes.marks.items() if key not in writer.unread_tables}
    manifest.mark_tables(listed.name, marks)


def _inspected(changes: SourceChanges, stored: StoredRows) -> Items:
    """Return the items of changed files. Worker processes that hold much memory end."""
    listed = changes.listed
    try:
        return inspected(
            listed,
            [*changes.to_read, *changes.metadata_changed],
            to_read={file.key for file in changes.to_read},
            stored=stored,
        )
    finally:
        if listed.workers is not None:
            listed.workers.release_memory()


class _Packed:
    """Rows, kept as columns: as objects they take ten times the memory."""

    def __init__(self) -> None:
        self._rows: list[ManifestRow] = []
        self._tables: list[pa.Table] = []  # of rows that came before

    def append(self, row: ManifestRow) -> None:
        self._rows.append(row)
        if len(self._rows) >= _PACKED:
            self._pack()

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables([SCHEMA.empty_table(), *self._tables])

    def _pack(self) -> None:
        if not self._rows:
            return
        self._tables.append(pa.Table.from_pylist([dict(row) for row in self._rows], schema=SCHEMA))
        self._rows = []


class _RowChanges:
    """Rows to write, counted by kind of change. Renamed items are taken out of `missing`."""

    def __init__(self, listed: ListedSource, *, shards: int, stored: pa.Table, missing: dict[str, ManifestRow]) -> None:
        self._listed = listed
        self._shards = shards
        self.stored = stored
        self.missing = missing
        self._rename_candidates: dict[str, list[ManifestRow]] = {}  # missing rows by content hash
        for row in missing.values():
            self._rename_candidates.setdefault(row["content_hash"], []).append(row)
        self._now = datetime.now(UTC)
        self._counts: Counter[str] = Counter()
        self.added_per_file: Counter[str] = Counter()
        self.newly_unreadable: list[tuple[ManifestRow, str]] = []  # rows that were usable until now, and the reason
        self.unread_tables: set[str] = set()  # to be read again, even if unchanged
        self._old, self._new = _Packed(), _Packed()  # rows of items that the manifest has, and of new ones
        self._renamed_ids = set[str]()

    def classify(self, entry: Entry, row: ManifestRow | None, deleted: ManifestRow | None) -> None:
        """Decide what became of one listed item, and collect the row to write, if any."""
        probe = entry.probe
        if probe is not None and probe.reason in KEPT:
            if entry.table_key or self._listed.is_table(entry.file):
                self.unread_tables.add(entry.table_key or entry.file.key)
            if row is not None:  # its state is unknown: it stays unchanged
                return
        if row is not None:
            if probe is not None and probe.reason is not None and row["status"] == "ok":
                self.newly_unreadable.append((row, probe.reason))
            self._write(entry, row, "edited" if probe is not None and _content_changed(probe, row, entry) else None)
            return
        self.added_per_file[entry.table_key or entry.file.key] += 1
        moved = self._moved(entry)
        if moved is not None:
            self._write(entry, moved, "renamed")
        elif probe is not None and deleted is not None:
            self._write(entry, deleted, "restored")
        else:
            self._write(entry, None, "new")

    def _moved(self, entry: Entry) -> ManifestRow | None:
        """Return the missing item with these bytes; of several table rows the one with the same id."""
        probe = entry.probe
        candidates = (
            self._rename_candidates.get(probe.content_hash) if probe is not None and probe.reason is None else None
        )
        if not candidates:
            return None
        same_id = (place for place, row in enumerate(candidates) if row["row_id"] == entry.file.row_id)
        old = candidates.pop(next(same_id, 0))
        del self.missing[old["key"]]
        return old

    def delete(self, row: ManifestRow) -> None:
        """Mark an item deleted; its row stays, so that the accounts close."""
        self._old.append({**row, "status": "deleted", "reason": None, "updated_at": self._now})
        self._counts["deleted"] += 1

    def report(
        self, *, files_read: int, seconds: float, unreachable: Sequence[UnreachableItems], unmatched: Unmatched | None
    ) -> RefreshReport:
        """Return the counts, and the data version of the manifest as it is now."""
        live = self.live
        reasons = Counter(live.filter(pc.equal(live["status"], "quarantined"))["reason"].to_pylist())
        return RefreshReport(
            source=self._listed.name,
            items=live.num_rows,
            quarantined=dict(reasons),
            files_read=files_read,
            seconds=seconds,
            data_version=_data_version(live),
            out_of_reach=unreachable,
            unmatched=unmatched,
            **{name: self._counts[name] for name in ("new", "edited", "renamed", "relabelled", "deleted", "restored")},
        )

    @cached_property
    def written(self) -> pa.Table:
        """The rows to write, once every item is classified; those of new items last."""
        return pa.concat_tables([self._old.table(), self._new.table()])

    @property
    def new(self) -> int:
        """How many of `written` are of new items."""
        return self._new.table().num_rows

    @cached_property
    def live(self) -> pa.Table:
        """All rows that are not deleted, once every item is classified, with the columns that are counted."""
        stored, written = self.stored.select(_COUNTED), self.written.select(_COUNTED)
        replaced = pc.is_in(stored["media_id"], value_set=written["media_id"].combine_chunks())
        kept = pc.and_(pc.invert(replaced), pc.not_equal(stored["status"], "deleted"))
        return pa.concat_tables([stored.filter(kept), written.filter(pc.not_equal(written["status"], "deleted"))])

    @cached_property
    def _ids(self) -> KeyPlaces:
        """All media ids of the source before."""
        return KeyPlaces(self.stored["media_id"])

    def _is_taken(self, media_id: str) -> bool:
        return media_id in self._renamed_ids or media_id in self._ids

    def _write(self, entry: Entry, old: ManifestRow | None, change: str | None) -> None:
        file, probe = entry.file, entry.probe
        meta_hash = _meta_hash(file.uri, entry.annotation)
        if old is not None and change is None and meta_hash != old["meta_hash"]:
            change = "relabelled"
        stamp = entry.row_stamp
        stamped = stamp is not None and old is not None and (file.etag, stamp) != (old["etag"], old["row_stamp"])
        if change is None and (probe is None or entry.table_key is not None) and not stamped:
            return  # the new time of a changed file is stored; a row's is only that of its table
        row = {
            **(old or self._identity(file, probe)),
            **_probe_columns(probe, old),
            **entry.annotation,
            "key": file.key,
            "uri": file.uri,
            "size": file.size,
            "mtime": file.mtime,
            "etag": file.etag,
            "table_key": entry.table_key,
            "row_id": file.row_id,
            "row_stamp": stamp,
            "table_kind": self._listed.table_kind(entry.table_key) if entry.table_key else None,
            "meta_hash": meta_hash,
            "updated_at": self._now,
        }
        (self._new if old is None else self._old).append(cast("ManifestRow", row))
        if change is not None:
            self._counts[change] += 1

    def _identity(self, file: ListedFile, probe: FileProbe | None) -> dict[str, Any]:
        """Return a new media id, and the shard that follows from it."""
        seed = f"{self._listed.name}\0{file.key}\0{probe.content_hash if probe else ''}"
        first = media_id = hashlib.sha256(seed.encode()).hexdigest()[:20]
        while self._is_taken(media_id):  # an item that was renamed and is restored
            media_id = hashlib.sha256(media_id.encode()).hexdigest()[:20]
        if media_id != first:
            self._renamed_ids.add(media_id)
        return {"media_id": media_id, "source": self._listed.name, "shard": shard_of(media_id, self._shards)}


def shard_of(media_id: str, shards: int) -> str:
    """Return the stable bucket of a media id."""
    return shard_names(shards)[int(media_id[:8], 16) % shards]


def shard_names(shards: int) -> list[str]:
    """Return the keys of all shards, in order: s00, s01, …"""
    width = max(2, len(str(shards - 1)))
    return [f"s{number:0{width}d}" for number in range(shards)]


def _probe_columns(probe: FileProbe | None, old: ManifestRow | None) -> dict[str, Any]:
    """Return the columns that a probe fills. An item that became unreadable keeps its modality."""
    if probe is None:
        return {}
    modality = probe.modality or (old["modality"] if old else None)
    status = "quarantined" if probe.reason else "ok"
    return {
        "content_hash": probe.content_hash,
        "mime": probe.mime,
        "decoder": probe.decoder or None,
        "charset": probe.charset,
        "modality": modality,
        "status": status,
        "reason": probe.reason,
    }


def _content_changed(probe: FileProbe, row: ManifestRow, entry: Entry) -> bool:
    """Return whether an item changed. A setting alone may make a table's row usable, or quarantine it."""
    if entry.table_key is not None and probe.reason != row["reason"]:
        return True
    return probe.content_hash != row["content_hash"]


def _meta_hash(uri: str, annotation: Mapping[str, Any]) -> str:
    return hashlib.sha256(_JSON([uri, annotation]).encode()).hexdigest()[:16]


def _data_version(rows: pa.Table) -> str:
    """Hash the rows by media id, a line each; some lines at a time."""
    columns = in_one_piece(rows.select(["media_id", "content_hash", "meta_hash", "status"]))
    order, digest = pc.sort_indices(columns["media_id"]), hashlib.sha256()
    for start in range(0, len(order), _HASHED):
        part = columns.take(order.slice(start, _HASHED)).columns
        lines = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in part), " ").to_pylist()
        digest.update(("\n" if start else "").encode() + "\n".join(lines).encode())
    return digest.hexdigest()[:16]
