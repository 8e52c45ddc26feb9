"""Maintenance: compact, index, remove old table versions; never what a pointer or a roll-back needs.

Driven by the tables' statistics and bounded in time, so that it may run at any moment, also beside a
promotion, an embedding run or another maintenance: a unit whose commit another one preempts is left for the
next time.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from embed_assets.errors import StoreError
from embed_assets.settings import MaintenanceSettings
from embed_assets.store import canary_vectors as canaries
from embed_assets.store import history, manifest, quarantine, versions
from embed_assets.store.asset_value_tables import is_landed
from embed_assets.store.query_vectors import queries_table
from embed_assets.store.records import Records
from embed_assets.store.serving import releases
from embed_assets.store.serving import serving_pointer as serving
from embed_assets.store.serving.releases import TAG, Release, newest
from embed_assets.store.serving.serving_pointer import protect, releases_named
from embed_assets.store.serving.vector_index import MOST_SEGMENTS, refresh_index
from embed_assets.store.store import Store
from embed_assets.store.upkeep.retire_version import drop_leftovers
from embed_assets.store.upsert import is_conflict, retried
from embed_assets.store.versions import VersionId

RECORD_TABLES = tuple(module.TABLE for module in (manifest, quarantine, versions, releases, serving, history, canaries))
_SMALL_ROWS = 100_000  # a fragment of fewer rows is small
_PROTECT = "protect releases"


@dataclass(kw_only=True)
class MaintenanceReport:
    """Work of a maintenance run by table, and the work left."""

    compacted: dict[str, int] = field(default_factory=dict)  # fragments that were rewritten
    indexed: dict[str, int] = field(default_factory=dict)  # rows that an index lacked
    cleaned: dict[str, int] = field(default_factory=dict)  # old table versions removed
    bytes_removed: int = 0
    tagged: list[str] = field(default_factory=list)  # releases that are kept from now on
    untagged: list[str] = field(default_factory=list)  # releases that the next run may remove
    retired: list[VersionId] = field(default_factory=list)  # versions that nothing needed
    dropped: list[str] = field(default_factory=list)  # vector tables of versions that were retired
    skipped: dict[str, str] = field(default_factory=dict)  # unit → why; the next run tries again
    left: list[str] = field(default_factory=list)  # units that the time did not suffice for
    vector_tables: frozenset[str] = frozenset()
    seconds: float = 0.0

    @property
    def forgotten(self) -> list[VersionId]:
        """Versions that are no more: retired now, or by a run that was killed."""
        return sorted({*self.retired, *map(VersionId.of_table, self.dropped)})

    @property
    def changed(self) -> list[str]:
        """Vector tables at a new Lance version: to be indexed, checked and served as any other change."""
        return sorted((set(self.compacted) | set(self.indexed)) & self.vector_tables)

    def figures(self) -> dict[str, Any]:
        """Return the report for the history and for metadata."""
        figures = {name: value for name, value in asdict(self).items() if name != "vector_tables"}
        figures["retired"] = [(one.encoder, one.version) for one in self.retired]
        return figures | {"changed": self.changed, "versions_removed": sum(self.cleaned.values())}


def maintain(
    store: Store,
    settings: MaintenanceSettings,
    *,
    seconds: float | None = None,
    keep: timedelta | None = None,
    now: datetime | None = None,
) -> MaintenanceReport:
    """Do what the tables' statistics ask for; after `seconds` nothing new is begun.

    Table versions younger than `keep` stay (by default the settings' hours), and whatever the age those
    that a pointer names, that are the candidate of a registered version, or that a pointer named within
    `keep`: their tags hold them.
    """
    keep = timedelta(hours=settings.keep_hours) if keep is None else keep
    return _Maintenance(store, settings, keep=keep, now=now).run(settings.seconds if seconds is None else seconds)


def clean_releases(
    store: Store, settings: MaintenanceSettings, table: str, *, keep: timedelta, clean: Callable[[], None]
) -> None:
    """Tag what is needed of a vector table, `clean` it, untag what nothing needs, forget releases that are gone.

    In the order of `maintain`: between a tag's removal and its version's there is a whole run.
    """
    run = _Maintenance(store, settings, keep=keep, now=None)
    run.protect()
    if table in run.unprotected:
        return
    clean()
    run.forget_releases(table)
    run.untag(table)


class _Maintenance:
    """One run."""

    def __init__(self, store: Store, settings: MaintenanceSettings, *, keep: timedelta, now: datetime | None) -> None:
        self._store = store
        self._settings = settings
        self._keep = keep
        self._cutoff = (now or datetime.now(UTC)) - keep
        present = store.table_names()  # before the versions are read: a table without one is not about to get one
        registered = [VersionId(one["encoder"], one["version"]) for one in Records(store, versions.TABLE).all()]
        self._registered = frozenset(registered)
        vectors = {version.table for version in registered}
        self._vectors = sorted(vectors & present)
        of_sources = {name for name in present - vectors if is_landed(store, name)}
        own = {*RECORD_TABLES, *vectors, *map(queries_table, vectors), *of_sources}
        self._tables = sorted(own & present)
        self._others = sorted(present - own) if registered else []
        self._report = MaintenanceReport(vector_tables=frozenset(self._vectors))
        self.unprotected = set[str]()  # tables that must not be cleaned
        self._deadline = 0.0

    def run(self, seconds: float) -> MaintenanceReport:
        started = time.monotonic()
        self._deadline = started + seconds
        for name, unit in self._units():
            if self._out_of_time:
                self._report.left.append(name)
                continue
            try:
                unit()
            except (OSError, RuntimeError, ValueError, StoreError) as error:
                if name == _PROTECT or not (is_conflict(error) or _is_gone(error)):
                    raise
                self._report.skipped[name] = str(error).splitlines()[0]
        self._report.seconds = round(time.monotonic() - started, 3)
        return self._report

    def _units(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield units of work in order.

        Needed versions are tagged before anything is removed; tags are removed last, so that a whole run lies between
        the removal of a tag and of its version, and tags again what a pointer names.
        """
        yield _PROTECT, self.protect
        for name in self._others:
            yield f"drop {name}", lambda name=name: self._drop(name)
        for name in self._tables:
            yield f"clean {name}", lambda name=name: self._clean(name)
        for name in sorted(self._tables, key=self._fragments, reverse=True):
            yield f"compact {name}", lambda name=name: self._compact(name)
        for name in self._vectors:
            yield f"index {name}", lambda name=name: self._index(name)
        for name in self._vectors:
            yield f"untag {name}", lambda name=name: self.untag(name)

    @property
    def _out_of_time(self) -> bool:
        return time.monotonic() >= self._deadline

    def _needed(self) -> dict[str, Release]:
        """Return releases that pointers name, and the candidates of registered versions."""
        candidates = newest(self._store.releases.all())
        named = releases_named(self._store.serving.pointers())
        return named | {one.key: one for of, one in candidates.items() if of in self._registered}

    def protect(self) -> None:
        """Tag what is needed. Where that fails, the table is not cleaned."""
        for release in self._needed().values():
            try:
                tagged = self._tags(release.table)
                if any(tag.startswith(TAG) and it["version"] == release.table_version for tag, it in tagged.items()):
                    continue
                protect(self._store, release)
            except (OSError, RuntimeError, ValueError, StoreError) as error:
                self.unprotected.add(release.table)
                self._report.skipped[f"tag {release.key}"] = str(error).splitlines()[0]
                continue
            self._report.tagged.append(release.key)

    def _clean(self, name: str) -> None:
        if name in self.unprotected:
            return
        keep = max(self._keep, timedelta(milliseconds=1))  # Lance takes zero for no bound
        dataset = self._store.dataset(name)
        removed = dataset.cleanup_old_versions(older_than=keep, error_if_tagged_old_versions=False)
        self._report.bytes_removed += removed.bytes_removed
        if removed.old_versions:
            self._report.cleaned[name] = removed.old_versions
            self.forget_releases(name)

    def forget_releases(self, name: str) -> None:
        """Remove records of releases whose table version is gone; the history keeps their figures."""
        recorded = [release for release in self._store.releases.all() if release.table == name]
        present = {version["version"] for version in self._store.dataset(name).versions()}
        needed = self._needed()
        removed = [one.key for one in recorded if one.table_version not in present and one.key not in needed]
        self._store.releases.remove(removed)

    def _compact(self, name: str) -> None:
        fragments = self._store.dataset(name).get_fragments()
        small = sum(fragment.physical_rows < _SMALL_ROWS for fragment in fragments)
        rows = sum(fragment.physical_rows for fragment in fragments)
        deleted = sum(fragment.num_deletions for fragment in fragments)
        if small <= self._settings.max_small_fragments and deleted <= self._settings.max_deleted_share * rows:
            return
        rewritten = retried(lambda: self._compacted(name), attempts=3)
        if rewritten:
            self._report.compacted[name] = rewritten

    def _compacted(self, name: str) -> int:
        """Rewrite fragments group by group while there is time, in one commit; return their number."""
        from lance.optimize import Compaction

        dataset = self._store.dataset(name)
        threshold = self._settings.max_deleted_share
        plan = Compaction.plan(dataset, options={"materialize_deletions_threshold": threshold})
        done = []
        for number, task in enumerate(plan.tasks):
            if number and self._out_of_time:
                self._report.left.append(f"compact {name}")
                break
            done.append(task.execute(dataset))
        if not done:
            return 0
        return Compaction.commit(dataset, done).fragments_removed

    def _index(self, name: str) -> None:
        table = self._store.open(name)
        rows = table.count_rows()
        for index in table.list_indices():
            stats = table.index_stats(index.name)
            if stats is None:
                continue
            lacking, segments = stats.num_unindexed_rows or 0, stats.num_indices or 1
            if lacking <= self._settings.max_unindexed_share * rows and segments < MOST_SEGMENTS:
                continue
            if self._out_of_time:
                self._report.left.append(f"index {name}")
                return
            retried(lambda index=index: refresh_index(self._store, name, index.name), attempts=3)
            self._report.indexed[name] = max(lacking, self._report.indexed.get(name, 0))

    def untag(self, name: str) -> None:
        """Remove tags of releases that nothing needs any more, as it is at this moment."""
        recorded = {release.key: release for release in self._store.releases.all()}
        protected = set(self._needed()) | self._mentioned()
        tags = self._tags(name)
        for tag, metadata in tags.items():
            key = f"{name}@{metadata['version']}"
            release = recorded.get(key)
            young = metadata["updated_at"] >= self._cutoff or (release and _time(release.at) >= self._cutoff)
            if tag.startswith(TAG) and key not in protected and not young:
                self._store.dataset(name).tags.delete(tag)
                self._report.untagged.append(key)

    def _mentioned(self) -> set[str]:
        """Return releases that a pointer named within the time that is kept."""
        moves = self._store.history.moves_since(self._cutoff)
        named = [key for move in moves for key in (move.get("release"), move.get("live"), *move.get("earlier", ()))]
        return {key for key in named if key}

    def _drop(self, name: str) -> None:
        """Drop a vector table without a registered version: the rest of a killed retirement."""
        metadata = self._store.open(name).schema.metadata or {}
        version = VersionId(
            *(metadata.get(f"embed_assets/{key}".encode(), b"").decode() for key in ("encoder", "encoder_version"))
        )
        named = {release.table for release in releases_named(self._store.serving.pointers()).values()}
        if name == version.table and name not in named:
            drop_leftovers(self._store, version)
            self._report.dropped.append(name)

    def _tags(self, name: str) -> dict[str, Any]:
        """List tags; repeated where another process removes one meanwhile."""
        return retried(lambda: self._store.dataset(name).tags.list(), when=_is_gone)

    def _fragments(self, name: str) -> int:
        try:
            return len(self._store.dataset(name).get_fragments())
        except (OSError, ValueError):  # dropped meanwhile
            return 0


def _time(at: str) -> datetime:
    return datetime.fromisoformat(at) if at else datetime.max.replace(tzinfo=UTC)


def _is_gone(error: Exception) -> bool:
    """Return whether a table was dropped meanwhile."""
    return any(words in str(error).lower() for words in ("not found", "no table", "does not exist"))
