"""Serving pointers: which release of a space search reads; moved by one atomic write, and back by one."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embed_assets.errors import EmbedAssetsError, MovedError, PromotionError, StoreError
from embed_assets.store.open_database import Database
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release, Releases, from_document, release_tag
from embed_assets.store.upsert import ALL_ROWS, KEY, add_missing_columns, is_conflict, quoted, retried
from embed_assets.store.versions import VersionId

if TYPE_CHECKING:
    from lancedb.table import Table

TABLE = "serving"

SCHEMA = pa.schema(
    [
        pa.field("space", pa.string(), nullable=False, metadata=KEY),
        pa.field("generation", pa.int64(), nullable=False),
        pa.field("live", pa.string()),
        pa.field("previous", pa.string()),  # a list of releases; in older stores a single one
        pa.field("by", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("held", pa.string()),  # a list of encoder versions; older stores lack the column
    ]
)


_ATTEMPTS = 5  # of a renewal


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Live release and roll-back targets of a space. `generation` counts the moves; 0 is before the first."""

    space: str
    generation: int
    live: Release | None
    rollback_targets: tuple[Release, ...] = ()  # newest first
    held: tuple[str, ...] = ()  # encoder versions that were rolled back from: only promoted by hand
    moved_by: str = ""
    moved_at: str = ""

    @property
    def previous(self) -> Release | None:
        """The release that a roll-back goes to."""
        return self.rollback_targets[0] if self.rollback_targets else None

    @property
    def releases(self) -> tuple[Release, ...]:
        """All that it names, the live one first."""
        return self.rollback_targets if self.live is None else (self.live, *self.rollback_targets)

    def serves(self, version: VersionId) -> bool:
        """Return whether a release of this encoder version is live."""
        return self.live is not None and self.live.version_id == version

    def names(self, version: VersionId) -> bool:
        """Return whether a release of this encoder version is live or a roll-back target."""
        return any(release.version_id == version for release in self.releases)


class Serving:
    """Reads and moves the pointers of a store. Of two moves at once one wins; the other raises MovedError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pointer(self, space: str) -> Pointer:
        """Return the pointer of a space; generation 0 where nothing was ever promoted."""
        pointers = self._pointers(f"space = {quoted(space)}")
        return pointers[0] if pointers else Pointer(space=space, generation=0, live=None)

    def live_release(self, space: str) -> Release:
        """Return the release that search reads. Raises StoreError where nothing was promoted yet."""
        release = self.pointer(space).live
        if release is None:
            live = [pointer.space for pointer in self.pointers() if pointer.live is not None]
            known = f"Spaces that serve: {', '.join(live)}." if live else "No space serves yet: run the pipeline first."
            raise StoreError(f"Space {space!r} serves nothing. {known}")
        return release

    def pointers(self) -> list[Pointer]:
        """Return the pointers of all spaces that were set up, by name."""
        return self._pointers(None)

    def spaces(self) -> list[str]:
        """Return the names of spaces that were set up."""
        return [pointer.space for pointer in self.pointers()]

    def set_up(self, space: str) -> None:
        """Make the row that later moves compare against; a second call changes nothing.

        The first insert of a key is not protected by the condition on `generation`, so it happens here.
        """
        table = self._table()
        if self._pointers(f"space = {quoted(space)}"):
            return
        merge = table.merge_insert("space").when_not_matched_insert_all()
        merge.execute(_row(Pointer(space=space, generation=0, live=None)))

    def promote(
        self, release: Release, *, required: frozenset[str], by: str, keep: int = 1, despite: Collection[str] = ()
    ) -> Pointer:
        """Make a release live, if every blocking check passed on this very table version.

        `keep` releases stay to go back to. Another release of the live encoder version takes its place and
        leaves those as they are. Raises PromotionError where a check failed that `despite` doesn't name, or is
        missing, or where another move came first.
        """
        _require_checks_passed(release, required, despite=despite)
        now = self.pointer(release.space)
        held = tuple(version for version in now.held if version != release.encoder_version)
        same = now.live is not None and now.live.identity == release.identity
        if same and held == now.held and len(now.rollback_targets) <= keep:
            return now
        targets = now.rollback_targets
        if now.live is not None and now.live.version_id != release.version_id:
            targets = (now.live, *targets)
        targets = tuple(one for one in targets if one.version_id != release.version_id)[:keep]
        return self._tag_and_swap(now, replace(now, live=release, rollback_targets=targets, held=held), release, by=by)

    def renew(self, release: Release, *, required: frozenset[str], by: str) -> Pointer:
        """Put a newer release in the place of one of its version, live or a roll-back target; the order stays.

        Where another move comes first it tries again: renewals of two versions do not contradict each other.
        Raises PromotionError as `promote`, and where the pointer names no release of this version.
        """

        def renew() -> Pointer:
            return self._renew(release, required=required, by=by)

        return retried(renew, when=lambda error: isinstance(error, MovedError), attempts=_ATTEMPTS)

    def _renew(self, release: Release, *, required: frozenset[str], by: str) -> Pointer:
        now = self.pointer(release.space)
        own = [one for one in now.releases if one.version_id == release.version_id]
        if not own:
            raise PromotionError(
                f"Space {now.space!r} serves no release of {release.encoder} {release.encoder_version}, "
                f"nor goes back to one: there is nothing to renew. Promote {release.key} instead."
            )
        if own[0].table_version > release.table_version or own[0].identity == release.identity:
            return now
        _require_checks_passed(release, required)
        live, *targets = (release if one.version_id == release.version_id else one for one in now.releases)
        return self._tag_and_swap(now, replace(now, live=live, rollback_targets=tuple(targets)), release, by=by)

    def roll_back(self, space: str, *, by: str, to: str | None = None) -> Pointer:
        """Return to the previous release, or to the roll-back target of version `to`; nothing is encoded or rebuilt.

        One write: what the pointer can go back to was tagged when it went live. The version that is left is
        held: only a promotion by hand makes it live again.
        """
        now = self.pointer(space)
        if now.live is None or not now.rollback_targets:
            raise PromotionError(f"Space {space!r} has no previous release to roll back to.")
        chosen = _rollback_target(now, to)
        targets = (now.live, *(one for one in now.rollback_targets if one.key != chosen.key))
        left = now.live.encoder_version
        held = dict.fromkeys((*now.held, left) if left != chosen.encoder_version else now.held)
        held.pop(chosen.encoder_version, None)
        return self._move(now, replace(now, live=chosen, rollback_targets=targets, held=tuple(held)), by=by)

    def _tag_and_swap(self, now: Pointer, then: Pointer, release: Release, *, by: str) -> Pointer:
        """Move to a release that is tagged before, and still whole after, in one conditional write.

        A retirement or a clean-up that had decided on the release before it was tagged shows after the
        write; then the pointer goes back to where it was.
        """
        protect(self._database, release)
        releases = Releases(self._database)
        recorded = releases.get(release.key) is not None
        moved = self._move(now, then, by=by)
        try:
            protect(self._database, release)
            if recorded and releases.get(release.key) is None:  # a retirement begins with it
                raise StoreError("its version is retired")
        except EmbedAssetsError as error:
            self._move(moved, now, by=f"{by}, undone")
            raise PromotionError(f"{release.key} was removed while it was promoted: {error}") from error
        return moved

    def _move(self, now: Pointer, then: Pointer, *, by: str) -> Pointer:
        if now.generation == 0:
            self.set_up(now.space)
            if self.pointer(now.space).generation:  # somebody was faster since `now` was read
                raise self._lost(now)
        moved = replace(then, generation=now.generation + 1, moved_by=by, moved_at=datetime.now(UTC).isoformat())
        table = self._table()
        merge = table.merge_insert("space").when_matched_update_all(where=f"target.generation = {now.generation}")
        try:
            result = merge.execute(_row(moved))
        except (OSError, RuntimeError, ValueError) as error:
            if not is_conflict(error):
                raise
            raise self._lost(now) from error
        # A store that is older than the primary key may hold the row twice: both were updated alike.
        if result.num_updated_rows < 1:
            raise self._lost(now)
        return moved

    def _lost(self, now: Pointer) -> MovedError:
        winner = self.pointer(now.space)
        serves = winner.live.key if winner.live else "nothing"
        return MovedError(
            f"Space {now.space!r} was moved by someone else meanwhile: by {winner.moved_by or 'another process'}, "
            f"it serves {serves} since {winner.moved_at or 'now'} (generation {winner.generation}). "
            "Look at its status, then try again."
        )

    def _table(self) -> "Table":
        """Return the table, with the columns that a move writes."""
        return add_missing_columns(self._database, TABLE, SCHEMA)

    def _pointers(self, where: str | None) -> list[Pointer]:
        table = self._database.open_or_none(TABLE)
        if table is None:
            return []
        query = table.search().limit(ALL_ROWS)
        rows = (query.where(where) if where else query).to_list()
        rows.sort(key=lambda row: row["generation"])
        latest = {row["space"]: row for row in rows}  # of a space that is there twice, the one that was moved
        return [_pointer(latest[space]) for space in sorted(latest)]


def releases_named(pointers: Iterable[Pointer]) -> dict[str, Release]:
    """Map keys to the releases that pointers name: maintenance must keep them."""
    return {release.key: release for pointer in pointers for release in pointer.releases}


def move_event(pointer: Pointer, release: Release | None = None) -> dict[str, Any]:
    """Return the history event of a move: kind "promote", "roll back" or "renew". `release`: the one renewed."""
    about = release or pointer.live
    checks = about.checks if about else ()
    return {
        "space": pointer.space,
        "release": about.key if about else None,
        "encoder": about.encoder if about else None,
        "version": about.encoder_version if about else None,
        "live": pointer.live.key if pointer.live else None,
        "earlier": [one.key for one in pointer.rollback_targets],
        "held": list(pointer.held),
        "generation": pointer.generation,
        "by": pointer.moved_by,
        "checks": {check.name: {"passed": check.passed, **check.figures} for check in checks},
    }


def protect(database: Database, release: Release) -> None:
    """Tag the release's table version, so that no clean-up removes it. Raises StoreError where it is gone."""
    table, tag = open_release(database, release), release_tag(release)
    try:
        table.tags.create(tag, release.table_version)
    except (OSError, RuntimeError, ValueError) as error:
        # The tag's name says which version it is of. Tags are not listed: that fails while others go.
        if "already exists" not in str(error):
            raise StoreError(f"Release {release.key} can't be tagged: {error}") from error


def _require_checks_passed(release: Release, required: frozenset[str], *, despite: Collection[str] = ()) -> None:
    if refusal := release.refusal(required, despite=despite):
        raise PromotionError(refusal)


def _rollback_target(now: Pointer, to: str | None) -> Release:
    """Return the roll-back target of this version or key; the first without one."""
    if to is None:
        return now.rollback_targets[0]
    matches = [
        release for release in now.rollback_targets if release.encoder_version.startswith(to) or release.key == to
    ]
    if len(matches) == 1:
        return matches[0]
    targets = ", ".join(f"{release.encoder} {release.encoder_version}" for release in now.rollback_targets)
    raise PromotionError(f"Space {now.space!r} can't go back to version {to!r}; it can to: {targets}.")


def _row(pointer: Pointer) -> pa.Table:
    row = {
        "space": pointer.space,
        "generation": pointer.generation,
        "live": None if pointer.live is None else _text(pointer.live.document()),
        "previous": _text([release.document() for release in pointer.rollback_targets]),
        "by": pointer.moved_by,
        "at": datetime.fromisoformat(pointer.moved_at) if pointer.moved_at else datetime.now(UTC),
        "held": _text(list(pointer.held)),
    }
    return pa.Table.from_pylist([row], schema=SCHEMA)


def _text(document: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(document, sort_keys=True)


def _pointer(row: Mapping[str, Any]) -> Pointer:
    previous = json.loads(row["previous"]) if row["previous"] else []
    return Pointer(
        space=row["space"],
        generation=row["generation"],
        live=from_document(json.loads(row["live"])) if row["live"] else None,
        rollback_targets=tuple(map(from_document, previous if isinstance(previous, list) else [previous])),
        held=tuple(json.loads(row.get("held") or "[]")),
        moved_by=row["by"],
        moved_at=row["at"].isoformat() if row["at"] else "",
    )
