"""Walk: files below a local or remote folder, folder by folder; links that lead out; unreadable folders."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from embed_assets.media.files.glob_pattern import Selection
from embed_assets.media.files.source import is_below, local_key

_DEEPEST = 200  # levels of folders; a file system whose folders contain themselves would be walked for ever
# A link with one of these errors leads nowhere: a circle, a name too long, a file in place of a folder.
_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG)


class FileStat(NamedTuple):
    """What a listing needs of a file's stat; the whole takes five times the memory."""

    st_size: int
    st_mtime: float


@dataclass(frozen=True, kw_only=True)
class Walked:
    """Files by key with their stat, and unreadable folders with the reason."""

    files: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)  # path with a slash at its end → why


def walk_local(root: str, chosen: Selection, *, follow_links: bool) -> Walked:
    """Return the selected regular files of a local folder, each with its stat.

    Links to folders are not entered: they lead out, or in a circle. A link to a file counts as the file; one that
    leads out of the folder without `follow_links`, or whose file has no stat, is listed with the link's own stat, and
    reading it gives the reason. Raises OSError where the folder itself can't be read.
    """
    walked = Walked()
    inside = _inside(root) if not follow_links else lambda _: True
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            for entry in _scanned(f"{root}/{prefix}"):
                if _is_folder(entry):
                    folder = f"{prefix}{entry.name}/"
                    folders.extend([folder] if chosen.folder(local_key(folder)) else [])
                    continue
                key = local_key(prefix + entry.name)
                if chosen.file(key) and (status := _stat(entry, inside)) is not None:
                    walked.files[key] = FileStat(status.st_size, status.st_mtime)
        except OSError as error:
            if not prefix:
                raise
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # else it was deleted since its parent was read
                walked.unread[local_key(prefix)] = why(error)
    return walked


def walk_listed(ls: Callable[[str], list[Mapping[str, Any]]], root: str, chosen: Selection) -> Walked:
    """Return the same for a file system, listing one folder after the other by `ls`."""
    walked, visited = Walked(), set[str]()
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            entries = ls(f"{root}/{prefix}".rstrip("/"))
        except FileNotFoundError:
            if not prefix:
                raise
            continue
        except Exception as error:
            if not prefix:
                raise
            walked.unread[prefix] = why(error)
            continue
        for info in entries:
            key = _below(root, str(info["name"]))
            if not key or not key.startswith(prefix) or _hidden(key.removeprefix(prefix)):
                continue
            if info.get("type") == "directory":
                folder = f"{key}/"
                if folder not in visited and folder.count("/") <= _DEEPEST and chosen.folder(folder):
                    visited.add(folder)
                    folders.append(folder)
            elif chosen.file(key):
                walked.files[key] = info
    return walked


def why(error: Exception) -> str:
    """Return the error in a few words, without an address in it."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or type(error).__name__).lower()


def _below(root: str, name: str) -> str:
    """Return the key of a path of the file system; "" for the root itself and for paths that are not below it."""
    return name.removeprefix(f"{root}/").strip("/") if name.startswith(f"{root}/") else ""


def _hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _scanned(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # some file systems have no type in their listings
        return False


def _stat(entry: os.DirEntry[str], inside: Callable[[str], bool]) -> os.stat_result | None:
    """Return the stat of a file, or of a link that may not be followed; None for anything else."""
    try:
        status = entry.stat()
    except OSError as error:
        return None if error.errno in _NOWHERE else _own(entry)
    if not stat.S_ISREG(status.st_mode):
        return None
    return _own(entry) if entry.is_symlink() and not inside(entry.path) else status


def _own(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the stat of the link itself, or an empty one for a file whose folder may be listed but not entered."""
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        return None if error.errno in _NOWHERE else os.stat_result((0,) * 10)


def _inside(root: str) -> Callable[[str], bool]:
    real = os.path.realpath(root or "/")
    return lambda path: is_below(os.path.realpath(path), real)
