"""Refresh: bring a source's manifest up to date with its listing; read only files that changed."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from embed_assets.embedding import progress
from embed_assets.errors import MediaError, SourceError
from embed_assets.media.hashing import content_hash
from embed_assets.media.item import Annotation, ListedFile
from embed_assets.media.sniff import refine, sniff
from embed_assets.store.manifest import Manifest, annotated

_GUARD_FROM = 10  # a source with fewer items may lose them all: too few to tell an accident by share


@dataclass(frozen=True, kw_only=True)
class ListedSource:
    """A source at this moment: its files, what is said of them, and how to read one."""

    name: str
    files: Sequence[ListedFile]
    annotations: Callable[[str], Annotation]
    read: Callable[[str], bytes]  # by key; raises MediaError
    max_deleted_share: float
    readers: int


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
    hence its vectors. Raises SourceError before anything is written where more than
    `max_deleted_share` of the known items are gone.
    """
    started = time.monotonic()
    known = manifest.rows(listed.name)
    live = {row["key"]: row for row in known if row["status"] != "deleted"}
    gone_before = {row["key"]: row for row in known if row["status"] == "deleted"}
    present = {file.key for file in listed.files}
    vanished = {key: row for key, row in live.items() if key not in present}

    fresh = [file for file in listed.files if not _same_stat(live.get(file.key), file)]
    looked = _look(listed, fresh)
    changes = _Changes(listed, shards=shards, ids={row["media_id"] for row in known}, vanished=vanished)
    for file in listed.files:
        changes.settle(file, looked.get(file.key), live.get(file.key), gone_before.get(file.key))
    _guard(listed, live, vanished)  # what was only renamed is not among the vanished any more
    for row in vanished.values():
        changes.delete(row)
    manifest.write(changes.rows)
    return changes.report(known, files_read=len(fresh), seconds=time.monotonic() - started)


def differs(listed: ListedSource, manifest: Manifest) -> bool:
    """Whether `refresh` would find work: a file that is new, gone, touched, or of which other things are said."""
    live = {row["key"]: row for row in manifest.rows(listed.name) if row["status"] != "deleted"}
    if live.keys() != {file.key for file in listed.files}:
        return True
    for file in listed.files:
        row = live[file.key]
        if not _same_stat(row, file):
            return True
        if _meta_hash(file.uri, annotated(listed.annotations(file.key))) != row["meta_hash"]:
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Look:
    """What reading a file told."""

    content_hash: str
    mime: str | None
    modality: str | None
    reason: str | None


def _look(listed: ListedSource, files: Sequence[ListedFile]) -> dict[str, _Look]:
    """Hash and sniff files on threads; a file that can't be used gets a reason."""

    def look(file: ListedFile) -> _Look:
        try:
            data = listed.read(file.key)
        except MediaError as error:
            stand_in = hashlib.sha256(f"{file.size}/{file.mtime}/{file.etag}".encode()).hexdigest()
            return _Look(stand_in, None, None, error.reason)
        kind = refine(data, sniff(data))
        reason = "empty file" if not data else None if kind.modality else f"unsupported type: {kind.mime}"
        return _Look(content_hash(data), kind.mime, kind.modality, reason)

    found: dict[str, _Look] = {}
    with ThreadPoolExecutor(max_workers=max(2, listed.readers)) as pool:
        for file, seen in zip(files, pool.map(look, files), strict=True):
            found[file.key] = seen
            if len(found) % 200 == 0 or len(found) == len(files):
                progress.report("list", listed.name, len(found), len(files))
    return found


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
        self.rows: list[dict[str, Any]] = []

    def settle(
        self,
        file: ListedFile,
        look: _Look | None,
        row: Mapping[str, Any] | None,
        deleted: Mapping[str, Any] | None,
    ) -> None:
        """Decide what became of one listed file, and take note of the row to write, if any."""
        if row is not None:
            edited = look is not None and look.content_hash != row["content_hash"]
            self._write(file, row, look, "edited" if edited else None)
        elif look is not None and look.reason is None and self._movable.get(look.content_hash):
            old = self._movable[look.content_hash].pop(0)
            del self._vanished[old["key"]]
            self._write(file, old, look, "renamed")
        elif look is not None and deleted is not None:
            self._write(file, deleted, look, "restored")
        else:
            self._write(file, None, look, "new")

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

    def _write(self, file: ListedFile, old: Mapping[str, Any] | None, look: _Look | None, change: str | None) -> None:
        annotation = annotated(self._listed.annotations(file.key))
        meta_hash = _meta_hash(file.uri, annotation)
        if old is not None and change is None and meta_hash != old["meta_hash"]:
            change = "relabelled"
        if look is None and change is None:
            return
        row = {
            **(old or self._identity(file, look)),
            **_seen(look, old),
            **annotation,
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

    def _identity(self, file: ListedFile, look: _Look | None) -> dict[str, Any]:
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


def _seen(look: _Look | None, old: Mapping[str, Any] | None) -> dict[str, Any]:
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


def _guard(listed: ListedSource, live: Mapping[str, Any], vanished: Mapping[str, Any]) -> None:
    share = len(vanished) / len(live) if live else 0.0
    if len(live) >= _GUARD_FROM and share > listed.max_deleted_share:
        raise SourceError(
            f"Source {listed.name!r} lists {len(live) - len(vanished)} of {len(live)} known items: "
            f"{share:.0%} would be deleted, more than max_deleted_share={listed.max_deleted_share:.0%}. "
            "Check that the disk is mounted and the prefix is right; if they are really gone, raise "
            f"sources.{listed.name}.max_deleted_share for one run. Nothing was deleted."
        )


def _meta_hash(uri: str, annotation: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([uri, annotation], sort_keys=True).encode()).hexdigest()[:16]


def _data_version(rows: Sequence[Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row["media_id"]):
        digest.update(f"{row['media_id']} {row['content_hash']} {row['meta_hash']} {row['status']}\n".encode())
    return digest.hexdigest()[:16]
