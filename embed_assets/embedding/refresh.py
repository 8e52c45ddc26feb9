"""Refresh: bring a source's manifest up to date with its listing; read only files that changed."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.embedding.look import Entry, ListedSource, Look, entries, owner
from embed_assets.errors import SourceError
from embed_assets.media.added import PLAIN, decoded_by, installed
from embed_assets.media.item import ListedFile
from embed_assets.media.tables import row_id, table_of
from embed_assets.store.manifest import DECODERS, Manifest, annotated

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_JSON = json.JSONEncoder(sort_keys=True).encode
_GUARD_FROM = 10  # a source with fewer items may lose them all: too few to tell an accident by share
# Of all files' rows these columns are looked at; captions and labels only of those that go.
_KNOWN = ["media_id", "source", "key", "shard", "size", "mtime", "etag", "content_hash", "meta_hash", "mime"]
_KNOWN += ["modality", "status", "reason"]
_COMPARED = ("key", "size", "mtime", "etag", "meta_hash", "mime", "status")


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

    @property
    def changed(self) -> int:
        """Items whose rows were written."""
        return self.new + self.edited + self.renamed + self.relabelled + self.deleted + self.restored

    def figures(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


def refresh(listed: ListedSource, manifest: Manifest, *, shards: int) -> RefreshReport:
    """Compare listing and manifest, read what changed, write changed rows in one commit.

    A key that is new, with the bytes of one that vanished, is that item renamed: it keeps its media id,
    hence its vectors. Of a table that is unchanged no row is looked at. Raises SourceError before
    anything is written where more than `max_deleted_share` of the known items are gone.
    """
    started = time.monotonic()
    table = manifest.table([listed.name])
    known = (table if listed.tables is not None else table.select(_KNOWN)).to_pylist()
    live = {row["key"]: row for row in known if row["status"] != "deleted"}
    gone_before = {row["key"]: row for row in known if row["status"] == "deleted"}
    marks, same = _marks(listed, manifest, live.values())

    files = [file for file in listed.files if file.key not in same]
    told, now = _decoders(listed, manifest)
    fresh = {
        file.key
        for file in files
        if listed.is_table(file)
        or not _same_stat(live.get(file.key), file)
        or (told != now and _for_plugins(live[file.key]))
    }
    said_anew = [file for file in files if file.key not in fresh and not _same_said(listed, file, live[file.key])]
    found = entries(listed, [*(f for f in files if f.key in fresh), *said_anew], fresh=fresh, live=live)
    present = {file.key for file in files if file.key not in fresh} | {entry.file.key for entry in found}
    vanished = {key: row for key, row in live.items() if key not in present and owner(row) not in same}

    changes = _Changes(listed, shards=shards, ids={row["media_id"] for row in known}, vanished=vanished)
    for entry in found:
        changes.settle(entry, live.get(entry.file.key), gone_before.get(entry.file.key))
    _guard(listed, live, _lost(vanished, changes.arrived))  # what was only renamed is not among the vanished any more
    gone = pa.array([row["media_id"] for row in vanished.values()], pa.string())
    for row in table.filter(pc.is_in(table["media_id"], gone)).to_pylist():
        changes.delete(row)
    manifest.write(changes.rows)
    if listed.tables is not None or told != now:
        manifest.mark_tables(listed.name, marks | ({DECODERS: now} if now else {}))
    return changes.report(known, files_read=len(fresh), seconds=time.monotonic() - started)


def differs(listed: ListedSource, manifest: Manifest) -> bool:
    """Whether `refresh` would find work: a file that is new, gone, touched, or of which other things are said."""
    rows = manifest.rows(listed.name, columns=_COMPARED)
    live = {row["key"]: row for row in rows if row["status"] != "deleted"}
    marks, same = _marks(listed, manifest, live.values())
    told, now = _decoders(listed, manifest)
    if len(same) < len(marks) or (told != now and any(_for_plugins(row) for row in live.values())):
        return True
    files = [file for file in listed.files if file.key not in same]
    if {row["key"] for row in live.values() if owner(row) not in same} != {file.key for file in files}:
        return True
    for file in files:
        row = live[file.key]
        if not _same_stat(row, file):
            return True
        if not _same_said(listed, file, row):
            return True
    return False


def _marks(
    listed: ListedSource, manifest: Manifest, live: Collection[Mapping[str, Any]]
) -> tuple[dict[str, str], set[str]]:
    """The mark of every table of the listing, and the keys of those that are as they were."""
    marks = {file.key: listed.mark(file) for file in listed.files if listed.is_table(file)}
    if not marks:
        return {}, set()
    before = manifest.table_marks(listed.name)
    # Of a table that could not be read there is one row, its own.
    owners = {row["key"] if row["status"] == "quarantined" else None for row in live} | {table_of(row) for row in live}
    return marks, {key for key, mark in marks.items() if before.get(key) == mark and key in owners}


def _decoders(listed: ListedSource, manifest: Manifest) -> tuple[str, str]:
    """The decoder plugins that the source's files were shown to, and those of now.

    While one is broken they count as unchanged: its files keep their rows until it can be asked again.
    """
    told, now = manifest.table_marks(listed.name).get(DECODERS, ""), installed()
    return told, told if now is None else now


def _for_plugins(row: Mapping[str, Any]) -> bool:
    """Whether other decoder plugins may see something else in a file."""
    return row["status"] == "quarantined" or row["mime"] == PLAIN or decoded_by(row["mime"]) != ""


class _Changes:
    """Collects the rows to write and counts them by kind; takes from `vanished` what was only renamed."""

    def __init__(
        self, listed: ListedSource, *, shards: int, ids: set[str], vanished: dict[str, dict[str, Any]]
    ) -> None:
        self._listed = listed
        self._shards = shards
        self._ids = ids
        self._vanished = vanished
        self._movable: dict[str, list[dict[str, Any]]] = {}  # vanished rows by content hash
        for row in vanished.values():
            self._movable.setdefault(row["content_hash"], []).append(row)
        self._now = datetime.now(UTC)
        self._counts: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()  # by file: items that it did not have
        self.rows: list[dict[str, Any]] = []

    def settle(self, entry: Entry, row: Mapping[str, Any] | None, deleted: Mapping[str, Any] | None) -> None:
        """Decide what became of one listed item, and take note of the row to write, if any."""
        look = entry.look
        if row is not None:
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

    def _moved(self, entry: Entry) -> dict[str, Any] | None:
        """The vanished item whose bytes these are; of several table rows the one with the same id."""
        look = entry.look
        candidates = self._movable.get(look.content_hash) if look is not None and look.reason is None else None
        if not candidates:
            return None
        same = (place for place, row in enumerate(candidates) if row_id(row["key"]) == row_id(entry.file.key))
        old = candidates.pop(next(same, 0))
        del self._vanished[old["key"]]
        return old

    def delete(self, row: Mapping[str, Any]) -> None:
        """Mark an item deleted; its row stays, so that the accounts close."""
        self.rows.append({**row, "status": "deleted", "reason": None, "updated_at": self._now})
        self._counts["deleted"] += 1

    def report(self, known: Sequence[Mapping[str, Any]], *, files_read: int, seconds: float) -> RefreshReport:
        """The counts, and the data version of the manifest as it is now."""
        now = {row["media_id"]: row for row in [*known, *self.rows]}
        live = [row for row in now.values() if row["status"] != "deleted"]
        reasons = Counter(row["reason"] for row in live if row["status"] == "quarantined")
        return RefreshReport(
            source=self._listed.name,
            items=len(live),
            quarantined=dict(reasons),
            files_read=files_read,
            seconds=seconds,
            data_version=_data_version(live),
            **{name: self._counts[name] for name in ("new", "edited", "renamed", "relabelled", "deleted", "restored")},
        )

    def _write(self, entry: Entry, old: Mapping[str, Any] | None, change: str | None) -> None:
        file, look = entry.file, entry.look
        meta_hash = _meta_hash(file.uri, entry.said)
        if old is not None and change is None and meta_hash != old["meta_hash"]:
            change = "relabelled"
        if change is None and (look is None or entry.table is not None):
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
            "meta_hash": meta_hash,
            "updated_at": self._now,
        }
        self.rows.append(row)
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


def _seen(look: Look | None, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns that reading fills. An item that became unreadable keeps the modality it was known by."""
    if look is None:
        return {}
    modality = look.modality or (old["modality"] if old else None)
    status = "quarantined" if look.reason else "ok"
    return {
        "content_hash": look.content_hash,
        "mime": look.mime,
        "modality": modality,
        "status": status,
        "reason": look.reason,
    }


def _same_stat(row: Mapping[str, Any] | None, file: ListedFile) -> bool:
    if row is None:
        return False
    return (row["size"], row["mtime"], row["etag"]) == (file.size, file.mtime, file.etag)


def _same_said(listed: ListedSource, file: ListedFile, row: Mapping[str, Any]) -> bool:
    """Whether address, caption, labels and user columns of a file are those of its row."""
    return _meta_hash(file.uri, annotated(listed.annotations.of(file.key))) == row["meta_hash"]


def _other(look: Look, row: Mapping[str, Any], entry: Entry) -> bool:
    """Whether an item is another than before. A table's row may become good, or be set aside, by a setting alone."""
    if entry.table is not None and look.reason != row["reason"]:
        return True
    return look.content_hash != row["content_hash"]


def _lost(vanished: Mapping[str, Mapping[str, Any]], arrived: Mapping[str, int]) -> int:
    """How many items are gone. A table whose rows are others now has lost only as many as it is shorter."""
    by_file = Counter(owner(row) for row in vanished.values())
    return sum(max(0, count - arrived.get(key, 0)) for key, count in by_file.items())


def _guard(listed: ListedSource, live: Mapping[str, Any], lost: int) -> None:
    share = lost / len(live) if live else 0.0
    if len(live) >= _GUARD_FROM and share > listed.max_deleted_share:
        raise SourceError(
            f"Source {listed.name!r} lists {len(live) - lost} of {len(live)} known items: "
            f"{share:.0%} would be deleted, more than max_deleted_share={listed.max_deleted_share:.0%}. "
            "Check that the disk is mounted and the prefix is right; if they are really gone, raise "
            f"sources.{listed.name}.max_deleted_share for one run. Nothing was deleted."
        )


def _meta_hash(uri: str, annotation: Mapping[str, Any]) -> str:
    return hashlib.sha256(_JSON([uri, annotation]).encode()).hexdigest()[:16]


def _data_version(rows: Sequence[Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row["media_id"]):
        digest.update(f"{row['media_id']} {row['content_hash']} {row['meta_hash']} {row['status']}\n".encode())
    return digest.hexdigest()[:16]
