"""Cleanup after a run: what its small writes left in a store is bounded, at a cost spread over many runs.

Maintenance does the same by age, thoroughly and for as long as it may take; this bounds what piles up between.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from embed_assets.settings import MaintenanceSettings
from embed_assets.store.manifest import SOURCE_STATE, TABLE_MARKS
from embed_assets.store.store import Store
from embed_assets.store.upkeep.maintenance import RECORD_TABLES, clean_releases
from embed_assets.store.upsert import retried

_RECORDS = (*RECORD_TABLES, TABLE_MARKS, SOURCE_STATE)
_IN_USE = timedelta(minutes=10)  # a reader of a version that is not tagged is done by then
_SLACK = 1.25  # so many times more versions than are kept: then the oldest go, so that a run seldom pays for it


def tidy(store: Store, settings: MaintenanceSettings, *, in_use: timedelta = _IN_USE) -> None:
    """Compact tables of records that have many small files, remove the oldest versions of tables that have many.

    Versions stay that are tagged (live, to go back to, candidates), or younger than `in_use`. Tags of releases that
    nothing needs any more go after the versions: theirs go the next time.
    """
    for name in _tables(store):
        if name in _RECORDS:
            _compact(store, name, settings)
        if not _has_many(store, name, settings):
            continue
        clean = partial(_clean, store, name, settings, in_use)
        clean() if name in _RECORDS else clean_releases(store, settings, name, keep=in_use, clean=clean)


def _tables(store: Store) -> list[str]:
    versions = store.versions
    vectors = {record.table for name in versions.encoders() for record in versions.of(name)}
    return sorted({*_RECORDS, *vectors} & store.table_names())


def _compact(store: Store, name: str, settings: MaintenanceSettings) -> None:
    if len(store.dataset(name).get_fragments()) > settings.max_small_fragments:
        retried(lambda: store.dataset(name).optimize.compact_files(), attempts=3)


def _clean(store: Store, name: str, settings: MaintenanceSettings, in_use: timedelta) -> None:
    dataset = store.dataset(name)
    old = sorted(_old(dataset, in_use))
    surplus = len(dataset.versions()) - settings.keep_versions
    if gone := old[: max(0, surplus)]:
        dataset.cleanup_old_versions(versions=gone, error_if_tagged_old_versions=False)


def _has_many(store: Store, name: str, settings: MaintenanceSettings) -> bool:
    fs, root = store.files()
    return len(fs.ls(f"{root}/{name}.lance/_versions", detail=False)) > settings.keep_versions * _SLACK


def _old(dataset: Any, in_use: timedelta) -> Iterator[int]:
    before = datetime.now() - in_use  # Lance gives local times without a zone
    tagged = {tag["version"] for tag in dataset.tags.list().values()}
    for version in dataset.versions():
        if version["timestamp"] < before and version["version"] not in {dataset.version, *tagged}:
            yield version["version"]
