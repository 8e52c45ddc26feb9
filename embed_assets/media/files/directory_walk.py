"""Walk: a local folder folder by folder, or a file system's; what links lead out, and which folders can't be read."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from embed_assets.media.files.glob_pattern import Selection
from embed_assets.media.files.source import is_below, local_key

_DEEPEST = 200  # folders in each other; a file system whose folders hold themselves would be walked for ever
# A link with this answer leads to nothing: a circle, a name too long, a file where a folder was meant.
_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True, kw_only=True)
class Walked:
    """Files by key with what tells of each, and folders that could not be read with the reason."""

    files: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)  # path with a slash at its end → why


def walk_local(root: str, chosen: Selection, *, follow_links: bool) -> Walked:
    """The regular files of a local folder that are wanted, each with its stat.

    Links to folders are not entered: they lead out, or in a circle. A link to a file counts as the file; where it
    leads out of the folder and `follow_links` does not hold, and where its file can't be asked, it is listed by
    the link's own stat: reading it tells why it can't be used. Raises OSError where the folder itself can't be read.
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
                if chosen.file(key) and (told := _told(entry, inside)) is not None:
                    walked.files[key] = told
        except OSError as error:
            if not prefix:
                raise
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # else it went since its own folder was read
                walked.unread[local_key(prefix)] = why(error)
    return walked


def walk_listed(ls: Callable[[str], list[Mapping[str, Any]]], root: str, chosen: Selection) -> Walked:
    """The same of a file system that is asked for one folder after the other by `ls`."""
    walked, seen = Walked(), set[str]()
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            found = ls(f"{root}/{prefix}".rstrip("/"))
        except FileNotFoundError:
            if not prefix:
                raise
            continue
        except Exception as error:
            if not prefix:
                raise
            walked.unread[prefix] = why(error)
            continue
        for info in found:
            key = _below(root, str(info["name"]))
            if not key or not key.startswith(prefix) or _hidden(key.removeprefix(prefix)):
                continue
            if info.get("type") == "directory":
                folder = f"{key}/"
                if folder not in seen and folder.count("/") <= _DEEPEST and chosen.folder(folder):
                    seen.add(folder)
                    folders.append(folder)
            elif chosen.file(key):
                walked.files[key] = info
    return walked


def why(error: Exception) -> str:
    """What went wrong, in few words, without an address in it."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or type(error).__name__).lower()


def _below(root: str, name: str) -> str:
    """The key of what a file system names; "" for what does not lie below the root, the root itself among it."""
    return name.removeprefix(f"{root}/").strip("/") if name.startswith(f"{root}/") else ""


def _hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _scanned(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # some file systems tell no kind before they are asked for more
        return False


def _told(entry: os.DirEntry[str], inside: Callable[[str], bool]) -> os.stat_result | None:
    """The stat of a file, or of a link that may not be followed; None for what is no file."""
    try:
        told = entry.stat()
    except OSError as error:
        return None if error.errno in _NOWHERE else _own(entry)
    if not stat.S_ISREG(told.st_mode):
        return None
    return _own(entry) if entry.is_symlink() and not inside(entry.path) else told


def _own(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The stat of the link itself; of a file whose folder tells names alone, that of an empty one."""
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        return None if error.errno in _NOWHERE else os.stat_result((0,) * 10)


def _inside(root: str) -> Callable[[str], bool]:
    real = os.path.realpath(root or "/")
    return lambda path: is_below(os.path.realpath(path), real)
