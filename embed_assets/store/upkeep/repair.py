"""Damaged tables: found, restored to the latest readable version, or renamed to be made again.

Lance keeps a file per version and data files that it never changes, so that damage to one of them leaves
earlier versions whole, as long as maintenance has not removed them.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from embed_assets.errors import StoreError, in_one_line
from embed_assets.store.asset_value_tables import is_landed
from embed_assets.store.buckets.lance_options import lance_options
from embed_assets.store.manifest import SOURCE_STATE, TABLE_MARKS
from embed_assets.store.manifest import TABLE as MANIFEST
from embed_assets.store.open_database import Database
from embed_assets.store.serving.releases import TABLE as RELEASES
from embed_assets.store.serving.releases import Releases

_LARGEST = 2**64 - 1  # version files are named by what is left to it, so that the latest is listed first
_EARLIER = 50  # versions that are tried

# What the next run does where a table is made again, by the table's name.
_AFTER_RENAME = {
    "canaries": "the canaries of versions are encoded again",
    "encoder_versions": "encoders are resolved again, to the same versions",
    "history": "events until now are lost",
    "manifest": "sources are listed and read again; equal content keeps its vectors",
    "manifest_tables": "tables are read again",
    "quarantine": "quarantined items are tried again",
    "releases": "versions are indexed and checked again",
    "source_state": "files that plugins or the setting `encoding` decide about are read again",
    "serving": "nothing serves until the next run has promoted",
}
_AFTER_RENAME_LANDED = "once the source's asset is materialized again"
_NOT_THE_FILES = (
    *("permission denied", "operation not permitted", "too many open files", "no space", "not supported", "upgrade"),
    *("credential", "access denied", "forbidden", "timed out", "timeout", "connect", "dns"),
)
_AFTER_RENAME_VECTORS = "its items are embedded again"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One damaged table, and what became of it; `way` is empty where nothing was done yet."""

    table: str
    what: str
    way: str = ""


def find_damage(database: Database) -> list[Damage]:
    """Return tables that can't be read whole. Reads the head of every data file.

    Raises StoreError where it is not the tables that are at fault: rights, network, another Lance's format.
    """
    return [Damage(table=table, what=what) for table in _tables(database) if (what := _fault(database, table))]


def repair(database: Database) -> list[Damage]:
    """Restore every damaged table to its latest readable version; one without is renamed, to be made again.

    Nothing is deleted: what can't be read stays beside, under a name that ends in "damaged". Not for a store that
    a run is at work on. Raises StoreError as `find_damage`, and where no table at all can be read.
    """
    damages = sorted(find_damage(database), key=lambda damage: damage.table != RELEASES)  # the others look into it
    if damages and len(damages) == len(_tables(database)):
        raise StoreError(
            f"No table of store {database.uri!r} can be read ({damages[0].table}: {damages[0].what}). That is hardly "
            "damage: check the installed lancedb and the address. Nothing was changed."
        )
    return [_repaired(database, damage) for damage in damages]


def _repaired(database: Database, damage: Damage) -> Damage:
    table, broken = damage.table, []
    for version in _versions(database, table)[:_EARLIER]:
        if not _fault(database, table, version):
            _restore(database, table, version, broken)
            way = f"version {version} is restored; the next run adds the rest"
            return Damage(table=table, what=damage.what, way=way)
        if _unreadable_version(database, table, version):
            broken.append(version)
    _rename(database, f"{table}.lance")
    _forget_releases(database, table)
    what = _AFTER_RENAME.get(table) or (_AFTER_RENAME_LANDED if is_landed(database, table) else _AFTER_RENAME_VECTORS)
    return Damage(table=table, what=damage.what, way=f"no version can be read, so the next run makes it again: {what}")


def _restore(database: Database, table: str, version: int, broken: list[int]) -> None:
    """Make a version the latest, under a number that none that is broken had: releases name tables by number."""
    for each in broken:  # a version file that can't be read would be the latest still
        _rename(database, f"{table}.lance/_versions/{_LARGEST - each}.manifest")
    _dataset(database, table, version).restore()
    while (latest := _dataset(database, table)).version <= max(broken, default=0):
        latest.restore()
    _forget_releases(database, table, versions=broken)
    for name in (TABLE_MARKS, SOURCE_STATE) if table == MANIFEST else ():
        if database.open_or_none(name) is not None:  # a newer one would say that items are as they were
            _rename(database, f"{name}.lance")


def _forget_releases(database: Database, table: str, *, versions: Collection[int] | None = None) -> None:
    """Remove the releases of some or all versions of a table: their numbers may be used again, for other rows."""
    releases = Releases(database)
    own = [one for one in releases.all() if one.table == table]
    releases.remove([one.key for one in own if versions is None or one.table_version in versions])


def _tables(database: Database) -> list[str]:
    fs, root = database.files()
    names = (PurePosixPath(path).name for path in (fs.ls(root, detail=False) if fs.exists(root) else ()))
    return sorted(name.removesuffix(".lance") for name in names if name.endswith(".lance"))


def _versions(database: Database, table: str) -> list[int]:
    """Return versions that have a file, the latest first."""
    fs, root = database.files()
    names = (PurePosixPath(path).stem for path in fs.ls(f"{root}/{table}.lance/_versions", detail=False))
    return sorted((_LARGEST - int(name) for name in names if name.isdigit()), reverse=True)


def _dataset(database: Database, table: str, version: int | None = None) -> Any:
    os.environ.setdefault("LANCE_LOG", "error")  # it warns of every look at an index
    import lance

    options = lance_options(database.storage_options)
    return lance.dataset(f"{database.uri.rstrip('/')}/{table}.lance", version=version, storage_options=options or None)


def _unreadable_version(database: Database, table: str, version: int) -> bool:
    try:
        _dataset(database, table, version)
    except Exception:  # Lance's own errors have no class of their own
        return True
    return False


def _fault(database: Database, table: str, version: int | None = None) -> str:
    """Return the unreadable part of a table; "" where it is whole."""
    try:
        dataset = _dataset(database, table, version)
    except Exception as error:  # Lance's own errors have no class of their own
        _require_fault_of_files(database, table, error)
        return f"its version file can't be read: {in_one_line(error)}"
    for what, read in _parts(dataset):
        try:
            read()
        except Exception as error:
            _require_fault_of_files(database, table, error)
            return f"{what} can't be read: {in_one_line(error)}"
    return ""


def _require_fault_of_files(database: Database, table: str, error: Exception) -> None:
    """Raise StoreError where the cause of an error is not in the files."""
    if any(word in str(error).lower() for word in _NOT_THE_FILES):
        raise StoreError(f"Table {table!r} of store {database.uri!r} can't be read: {in_one_line(error)}") from error


def _parts(dataset: Any) -> Iterator[tuple[str, Any]]:
    for fragment in dataset.get_fragments():
        files = ", ".join(file.path for file in fragment.data_files())
        yield f"data file {files}", lambda fragment=fragment: fragment.head(1)
    for index in dataset.describe_indices():
        yield f"index {index.name}", lambda index=index: dataset.stats.index_stats(index.name)


def _rename(database: Database, path: str) -> None:
    fs, root = database.files()
    number = 1
    while fs.exists(f"{root}/{path}.{number}.damaged"):
        number += 1
    fs.mv(f"{root}/{path}", f"{root}/{path}.{number}.damaged", recursive=True)
