"""Serving pointers: which release of a space search reads; moved by one atomic write, and back by one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embed_assets.errors import PromotionError, StoreError
from embed_assets.store.connection import Store
from embed_assets.store.releases import Release, from_document
from embed_assets.store.rows import first, quoted

TABLE = "serving"

SCHEMA = pa.schema(
    [
        pa.field("space", pa.string(), nullable=False),
        pa.field("generation", pa.int64(), nullable=False),
        pa.field("live", pa.string()),
        pa.field("previous", pa.string()),
        pa.field("by", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """What a space serves. `generation` counts the moves; 0 is before the first."""

    space: str
    generation: int
    live: Release | None
    previous: Release | None
    by: str = ""
    at: str = ""


class Serving:
    """Reads and moves the pointers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def pointer(self, space: str) -> Pointer:
        """Where the space stands; generation 0 where nothing was ever promoted."""
        table = self._store.open_or_none(TABLE)
        row = None if table is None else first(table, where=f"space = {quoted(space)}")
        return _pointer(row) if row else Pointer(space=space, generation=0, live=None, previous=None)

    def spaces(self) -> list[str]:
        """Spaces that were set up."""
        table = self._store.open_or_none(TABLE)
        return [] if table is None else sorted(row["space"] for row in table.search().limit(10_000).to_list())

    def set_up(self, space: str) -> None:
        """Make the row that later moves compare against; a second call changes nothing.

        The first insert of a key is not protected by the condition on `generation`, so it happens here.
        """
        table = self._store.open_or_create(TABLE, SCHEMA)
        if first(table, where=f"space = {quoted(space)}") is None:
            row = {
                "space": space,
                "generation": 0,
                "live": None,
                "previous": None,
                "by": "",
                "at": datetime.now(UTC),
            }
            merge = table.merge_insert("space").when_not_matched_insert_all()
            merge.execute(pa.Table.from_pylist([row], schema=SCHEMA))

    def promote(self, release: Release, *, required: frozenset[str], by: str) -> Pointer:
        """Make a release live, if every blocking check passed on this very table version.

        The table version is tagged first, so that no clean-up can remove what the pointer names. Raises
        PromotionError where a check failed or is missing, or where another promotion came first.
        """
        failures = release.failures(required)
        if failures:
            raise PromotionError(f"{release.key} stays a candidate of space {release.space!r}: " + "; ".join(failures))
        now = self.pointer(release.space)
        if now.live is not None and now.live.key == release.key:
            return now
        self._protect(release)
        return self._move(now, live=release, previous=now.live, by=by)

    def roll_back(self, space: str, *, by: str) -> Pointer:
        """Back to the previous release; nothing is encoded or rebuilt."""
        now = self.pointer(space)
        if now.previous is None:
            raise PromotionError(f"Space {space!r} has no previous release to roll back to.")
        return self._move(now, live=now.previous, previous=now.live, by=by)

    def _protect(self, release: Release) -> None:
        tags = self._store.open(release.table).tags
        tag = f"release-{release.space}-{release.table_version}"
        if tag not in tags.list():
            tags.create(tag, release.table_version)

    def _move(self, now: Pointer, *, live: Release, previous: Release | None, by: str) -> Pointer:
        self.set_up(now.space)
        row = {
            "space": now.space,
            "generation": now.generation + 1,
            "live": _text(live),
            "previous": None if previous is None else _text(previous),
            "by": by,
            "at": datetime.now(UTC),
        }
        table = self._store.open(TABLE)
        merge = table.merge_insert("space").when_matched_update_all(where=f"target.generation = {now.generation}")
        result = merge.execute(pa.Table.from_pylist([row], schema=SCHEMA))
        if result.num_updated_rows != 1:
            raise PromotionError(
                f"Space {now.space!r} was moved by someone else meanwhile. Look at its status, then promote again."
            )
        return replace(self.pointer(now.space), live=live)


def live_release(store: Store, space: str) -> Release:
    """The release that search reads. Raises StoreError where nothing was promoted yet."""
    serving = Serving(store)
    release = serving.pointer(space).live
    if release is None:
        live = [name for name in serving.spaces() if serving.pointer(name).live is not None]
        known = f"Spaces that serve: {', '.join(live)}." if live else "No space serves yet: run the pipeline first."
        raise StoreError(f"Space {space!r} serves nothing. {known}")
    return release


def _text(release: Release) -> str:
    return json.dumps(release.document(), sort_keys=True)


def _pointer(row: Mapping[str, Any]) -> Pointer:
    live, previous = (from_document(json.loads(row[n])) if row[n] else None for n in ("live", "previous"))
    at = row["at"].isoformat() if row["at"] else ""
    return Pointer(space=row["space"], generation=row["generation"], live=live, previous=previous, by=row["by"], at=at)
