"""Errors that are the machine's or the store's, in one line with the way out: full disks, rights, damaged tables."""

import errno
import os
from collections.abc import Iterator

from embed_assets.errors import in_one_line

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left", "disk is full", "file too large", "quota exceeded")
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_REFUSED_WORDS = ("read-only file system", "permission denied", "readonly database", "operation not permitted")
_LANCE_WORDS = ("lanceerror", "lance error")


def explained(error: BaseException) -> str | None:
    """Explain an error of the machine (disk, memory, network) and its way out; None where it is a bug."""
    chain = list(_chain(error))
    if found := _one_of(chain, _FULL, _FULL_WORDS):
        return (
            f"The disk is full: {found}. What was written before is whole; make room, and run the same command again: "
            "it goes on from there."
        )
    if found := _one_of(chain, _REFUSED, _REFUSED_WORDS):
        return f"Not permitted: {found}. Check the rights of that folder; status, plan and search need to read alone."
    if found := _one_of(chain, (), ("disk i/o error", "database is locked", "database disk image is malformed")):
        home = os.environ.get("DAGSTER_HOME", "the Dagster home")
        return (
            f"Dagster's database in {home} can't be used: {found.partition(' [SQL')[0]}. Check that the disk works and "
            "has room, and run the same command again. If it stays so, remove that folder: the index is not in it."
        )
    if _one_of(chain, (), _LANCE_WORDS):
        return _damage() or f"LanceDB failed: {in_one_line(chain[-1])}"
    return None


def _damage() -> str | None:
    """Return the first damaged table of the stores that this process has opened."""
    from embed_assets.store.open_database import opened_databases
    from embed_assets.store.upkeep.repair import find_damage

    for database in opened_databases():
        for damage in find_damage(database):
            return (
                f"Table {damage.table!r} of store {database.uri!r} is damaged: {damage.what}. Restore the store from a "
                f"backup, or: embed-assets repair --store {database.uri}"
            )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _one_of(chain: list[BaseException], codes: tuple[int, ...], words: tuple[str, ...]) -> str:
    """Return the innermost error of the chain with one of the codes or words."""
    for each in reversed(chain):
        coded = isinstance(each, OSError) and each.errno in codes
        if coded or any(word in str(each).lower() for word in words):
            return in_one_line(each)
    return ""
