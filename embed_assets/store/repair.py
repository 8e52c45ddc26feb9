"""Damaged tables: found, brought back to the latest version that can be read, or set aside to be made anew.

Lance keeps a file per version and data files that it never changes, so that damage to one of them leaves
earlier versions whole, as long as maintenance has not removed them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from embed_assets.store.connection import Store, lance_options
from embed_assets.store.releases import TABLE as RELEASES
from embed_assets.store.releases import Releases

_LARGEST = 2**64 - 1  # version files are named by what is left to it, so that the latest is listed first
_EARLIER = 50  # versions that are tried

# What the next run does where a table is made anew, by name or by the part before its version.
_ANEW = {
    "canaries": "the canaries of versions are encoded again",
    "encoder_versions": "encoders are resolved again, to the same versions",
    "history": "what was done until now is not told any more",
    "manifest": "sources are listed and read again; equal content keeps its vectors",
    "manifest_tables": "tables are read again",
    "releases": "versions are indexed and checked again",
    "serving": "nothing serves until the next run has promoted",
}
_ANEW_VECTORS = "its items are embedded again"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One damaged table, and what became of it; `way` is empty where nothing was done yet."""

    table: str
    what: str
    way: str = ""


def find_damage(store: Store) -> list[Damage]:
    """Tables that can't be read whole. Reads the head of every data file, of a sound store nothing else."""
    return [Damage(table=table, what=what) for table in _tables(store) if (what := _fault(store, table))]


def repair(store: Store) -> list[Damage]:
    """Bring every damaged table to its latest version that can be read; one without is renamed, to be made anew.

    Nothing is deleted: what can't be read stays beside, under a name that ends in "damaged".
    """
    found = sorted(find_damage(store), key=lambda damage: damage.table != RELEASES)  # the others look into it
    return [_repaired(store, damage) for damage in found]


def _repaired(store: Store, damage: Damage) -> Damage:
    table, broken = damage.table, []
    for version in _versions(store, table)[:_EARLIER]:
        if not _fault(store, table, version):
            for each in broken:  # a version file that can't be read would be the latest still
                _rename(store, f"{table}.lance/_versions/{_LARGEST - each}.manifest")
            _dataset(store, table, version).restore()
            return Damage(
                table=table, what=damage.what, way=f"version {version} is restored; the next run adds the rest"
            )
        if _unreadable_version(store, table, version):
            broken.append(version)
    _rename(store, f"{table}.lance")
    releases = Releases(store)  # of a vector table: they name versions that will come again with other rows
    releases.remove([release.key for release in releases.all() if release.table == table])
    what = _ANEW.get(table, _ANEW_VECTORS)
    return Damage(table=table, what=damage.what, way=f"no version can be read, so the next run makes it anew: {what}")


def _tables(store: Store) -> list[str]:
    fs, root = store.files()
    names = (PurePosixPath(path).name for path in (fs.ls(root, detail=False) if fs.exists(root) else ()))
    return sorted(name.removesuffix(".lance") for name in names if name.endswith(".lance"))


def _versions(store: Store, table: str) -> list[int]:
    """Versions that have a file, the latest first."""
    fs, root = store.files()
    names = (PurePosixPath(path).stem for path in fs.ls(f"{root}/{table}.lance/_versions", detail=False))
    return sorted((_LARGEST - int(name) for name in names if name.isdigit()), reverse=True)


def _dataset(store: Store, table: str, version: int | None = None) -> Any:
    os.environ.setdefault("LANCE_LOG", "error")  # it warns of every look at an index
    import lance

    options = lance_options(store.storage_options)
    return lance.dataset(f"{store.uri.rstrip('/')}/{table}.lance", version=version, storage_options=options or None)


def _unreadable_version(store: Store, table: str, version: int) -> bool:
    try:
        _dataset(store, table, version)
    except Exception:  # Lance's own errors have no class of their own
        return True
    return False


def _fault(store: Store, table: str, version: int | None = None) -> str:
    """What can't be read of a table; "" where it is whole."""
    try:
        dataset = _dataset(store, table, version)
    except Exception as error:  # Lance's own errors have no class of their own
        return f"its version file can't be read: {_said(error)}"
    for what, read in _parts(dataset):
        try:
            read()
        except Exception as error:
            return f"{what} can't be read: {_said(error)}"
    return ""


def _parts(dataset: Any) -> Iterator[tuple[str, Any]]:
    for fragment in dataset.get_fragments():
        files = ", ".join(file.path for file in fragment.data_files())
        yield f"data file {files}", lambda fragment=fragment: fragment.head(1)
    for index in dataset.describe_indices():
        yield f"index {index.name}", lambda index=index: dataset.stats.index_stats(index.name)


def _rename(store: Store, path: str) -> None:
    fs, root = store.files()
    number = 1
    while fs.exists(f"{root}/{path}.{number}.damaged"):
        number += 1
    fs.mv(f"{root}/{path}", f"{root}/{path}.{number}.damaged", recursive=True)


def _said(error: Exception) -> str:
    """The first words of an error of Lance's, without the place in its source."""
    return " ".join(str(error).split()).partition(", /")[0][:200]
