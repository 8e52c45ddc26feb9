"""list_source: every media item's key, size, time and etag in one listing, local or in an object store."""

import os
import stat
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from embed_assets.errors import SourceError
from embed_assets.media.item import ListedFile
from embed_assets.media.pattern import compile_pattern
from embed_assets.media.source import Source, local_key, local_path, open_source

_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")


def list_source(
    uri: str,
    *,
    pattern: str = "**/*",
    storage_options: Mapping[str, Any] | None = None,
    exclude: Collection[str] = (),
) -> list[ListedFile]:
    """The files below a folder whose key matches the pattern, sorted by key.

    `exclude` holds keys or patterns. Names that begin with a dot are left out, and so are links to
    folders, which may lead out of the source or in a circle; a link to a file counts as the file.
    Raises SourceError rather than returning half a listing: what is missing from one counts as deleted.
    """
    source = open_source(uri, storage_options)
    wanted = _wanted(pattern, exclude)
    files = _list_local(source, wanted) if source.fs is None else _list_remote(source, wanted)
    return sorted(files, key=lambda file: file.key)


def look_up(source: Source, key: str) -> ListedFile:
    """Size, time and etag of one file. Raises MediaError where it is not there, SourceError as a listing does."""
    try:
        if source.fs is None:
            found = local_path(source.root, key).stat()
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(f"{key} is no file")
            uri = source.uri_of(key)
            return ListedFile(key=key, uri=uri, size=found.st_size, mtime=found.st_mtime, etag="")
        info = source.fs.info(f"{source.root}/{key}")
        if info.get("type") == "directory":
            raise FileNotFoundError(f"{key} is no file")
        return _listed(source, key, info)
    except Exception as error:
        failure = source.refusal(key, error)
        raise failure from failure.__cause__


def _wanted(pattern: str, exclude: Collection[str]) -> Callable[[str], bool]:
    keep = compile_pattern(pattern).fullmatch
    if not exclude:
        return lambda key: keep(key) is not None
    keys = frozenset(exclude)
    dropped = [compile_pattern(each) for each in exclude]

    def wanted(key: str) -> bool:
        return keep(key) is not None and key not in keys and not any(each.fullmatch(key) for each in dropped)

    return wanted


def _missing(source: Source) -> SourceError:
    return SourceError(
        f"Source folder {source.uri!r} does not exist; create it, or correct the source's uri in the settings."
    )


def _is_a_file(source: Source) -> SourceError:
    return SourceError(
        f"Source {source.uri!r} is a file, where a folder was expected; name its folder as uri and the file as pattern."
    )


def _list_local(source: Source, wanted: Callable[[str], bool]) -> list[ListedFile]:
    root = Path(source.root or "/")
    if not root.exists():
        raise _missing(source)
    if not root.is_dir():
        raise _is_a_file(source)
    try:
        return _scan(source, str(root), wanted)
    except OSError as error:
        raise source.error(f"Can't list source folder {source.uri!r}", error)  # noqa: B904  it sets its cause


def _scan(source: Source, root: str, wanted: Callable[[str], bool]) -> list[ListedFile]:
    """All files below a folder, folder by folder: a recursion would cost each file a call a level."""
    found: list[ListedFile] = []
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{prefix}{name}/")
                    continue
                key = local_key(prefix + name)
                if not wanted(key):
                    continue
                try:
                    told = entry.stat()
                except FileNotFoundError:  # deleted since the folder was read, or a link to nothing
                    continue
                if stat.S_ISREG(told.st_mode):
                    uri, size, mtime = source.uri_of(key), told.st_size, told.st_mtime
                    found.append(ListedFile(key=key, uri=uri, size=size, mtime=mtime, etag=""))
    return found


def _list_remote(source: Source, wanted: Callable[[str], bool]) -> list[ListedFile]:
    try:
        found = source.fs.find(source.root, detail=True)
        exists = bool(found) or source.fs.exists(source.root)
    except FileNotFoundError:
        exists, found = False, {}
    except Exception as error:
        raise source.error(f"Can't list source folder {source.uri!r}", error)  # noqa: B904  it sets its cause
    if not exists:
        raise _missing(source)
    if source.root in found and found[source.root].get("type") == "file":
        raise _is_a_file(source)
    below = f"{source.root}/"
    files = ((path.removeprefix(below), info) for path, info in found.items() if path.startswith(below))
    return [
        _listed(source, key, info)
        for key, info in files
        # S3 keeps a folder without files as an empty object whose key ends in a slash.
        if info.get("type") == "file" and key and not key.endswith("/") and not _hidden(key) and wanted(key)
    ]


def _hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _listed(source: Source, key: str, info: Mapping[str, Any]) -> ListedFile:
    return ListedFile(
        key=key,
        uri=source.uri_of(key),
        size=int(info.get("size") or 0),
        mtime=_mtime(info),
        etag=str(info.get("ETag") or info.get("etag") or "").strip('"'),
    )


def _mtime(info: Mapping[str, Any]) -> float:
    """Seconds since the epoch; 0.0 where the file system has no time, or none that can be read."""
    value = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return 0.0
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, (int, float)) else 0.0
