"""Listing: key, size, time and etag of every media file of a source, local or in an object store."""

import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from embed_assets.errors import SourceError
from embed_assets.media.files.directory_walk import Walked, walk_listed, walk_local
from embed_assets.media.files.glob_pattern import Selection
from embed_assets.media.files.s3_listing import ObjectStat, each_object, is_s3
from embed_assets.media.files.source import Source, open_source
from embed_assets.media.media_types import ListedFile

_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files sorted by key, and unreadable folders, whose files are unknown."""

    files: list[ListedFile]
    unread: Mapping[str, str] = field(default_factory=dict)  # path with a slash at its end → why


def list_readable(
    uri: str,
    *,
    pattern: str = "**/*",
    storage_options: Mapping[str, Any] | None = None,
    exclude: Collection[str] = (),
    follow_links: bool = False,
) -> Listing:
    """Return the files below a folder whose key matches the pattern, as far as its folders are readable.

    `exclude` holds keys or patterns of files, or of folders with all their files. Folders that the pattern can't match
    are not entered. Names that begin with a dot are left out, and so are links to folders, which may lead out of the
    source or in a circle; a link to a file counts as the file, and one that leads out of the source fails when it is
    read. Raises SourceError where the folder itself can't be listed.
    """
    source = open_source(uri, storage_options)
    chosen = Selection(pattern, exclude)
    if source.fs is None:
        walked = _walk(source, chosen, follow_links=follow_links)
        files = [_local_file(source, key, status) for key, status in _taken(walked.files)]
    else:
        walked = _list_remote(source, chosen)
        files = [_listed(source, key, info) for key, info in _taken(walked.files)]
    return Listing(files=sorted(files, key=lambda file: file.key), unread=walked.unread)


def list_source(uri: str, **chosen: Any) -> list[ListedFile]:
    """Return the files of `list_readable`, with the same arguments, of a source that must be complete.

    Raises SourceError rather than returning a partial listing: files that are missing from it count as deleted.
    """
    listing = list_readable(uri, **chosen)
    if listing.unread:
        folder, reason = next(iter(listing.unread.items()))
        where = open_source(uri, chosen.get("storage_options")).uri_of(folder)
        raise SourceError(
            f"Can't list folder {where!r}: {reason}. Check what may be listed and read, or leave it out by exclude."
        )
    return listing.files


def look_up(source: Source, key: str) -> ListedFile:
    """Return size, time and etag of one file. Raises MediaError where it is missing, SourceError as a listing does."""
    try:
        if source.fs is None:
            status = source.local(key).stat()
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(f"{key} is no file")
            return _local_file(source, key, status)
        info = source.fs.info(f"{source.root}/{key}")
        if info.get("type") == "directory":
            raise FileNotFoundError(f"{key} is no file")
        return _listed(source, key, info)
    except Exception as error:
        failure = source.read_error(key, error)
        raise failure from failure.__cause__


def _taken(files: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is in a dictionary, and take it out: of a million files there is never all of it twice."""
    while files:
        yield files.popitem()


def _missing(source: Source) -> SourceError:
    return SourceError(
        f"Source folder {source.uri!r} does not exist; create it, or correct the source's uri in the settings."
    )


def _is_a_file(source: Source) -> SourceError:
    return SourceError(
        f"Source {source.uri!r} is a file, where a folder was expected; name its folder as uri and the file as pattern."
    )


def _walk(source: Source, chosen: Selection, *, follow_links: bool) -> Walked:
    root = Path(source.root or "/")
    try:
        if not root.exists():
            raise _missing(source)
        if not root.is_dir():
            raise _is_a_file(source)
        return walk_local(str(root), chosen, follow_links=follow_links)
    except OSError as error:
        raise source.error(f"Can't list source folder {source.uri!r}", error)  # noqa: B904  it sets its cause


def _local_file(source: Source, key: str, status: Any) -> ListedFile:
    return ListedFile(key=key, uri=source.uri_of(key), size=status.st_size, mtime=status.st_mtime, etag="")


def _list_remote(source: Source, chosen: Selection) -> Walked:
    try:
        if is_s3(source.fs):
            return _objects(source, chosen)
        return _by_folder(source, chosen) if _lists_by_folder(source.fs) else _at_once(source, chosen)
    except FileNotFoundError:
        raise _missing(source) from None
    except SourceError:
        raise
    except Exception as error:
        raise source.error(f"Can't list source folder {source.uri!r}", error)  # noqa: B904  it sets its cause


def _lists_by_folder(fs: Any) -> bool:
    """Return whether the file system has no recursive listing of its own.

    The inherited one silently leaves out folders that it may not read.
    """
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    if isinstance(fs, AsyncFileSystem):
        return type(fs)._find is AsyncFileSystem._find
    return type(fs).find is AbstractFileSystem.find


def _by_folder(source: Source, chosen: Selection) -> Walked:
    fs = source.fs
    fs.invalidate_cache()  # fsspec shares one file system between all callers
    if not fs.isdir(source.root):
        raise _is_a_file(source) if fs.exists(source.root) else FileNotFoundError(source.root)
    return walk_listed(lambda folder: fs.ls(folder, detail=True), source.root, chosen)


def _objects(source: Source, chosen: Selection) -> Walked:
    below = f"{source.root}/"
    files, some = {}, False
    for each in each_object(source.fs, source.root):
        some, key = True, each.path.removeprefix(below)
        if not _hidden(key) and chosen.file(key):
            files[key] = each
    if not some:
        source.fs.invalidate_cache()
        if source.fs.isfile(source.root):
            raise _is_a_file(source)
        if not source.fs.exists(source.root):
            raise FileNotFoundError(source.root)
    return Walked(files=files)


def _at_once(source: Source, chosen: Selection) -> Walked:
    infos = source.fs.find(source.root, detail=True)
    if not infos and not source.fs.exists(source.root):
        raise FileNotFoundError(source.root)
    if source.root in infos and infos[source.root].get("type") == "file":
        raise _is_a_file(source)
    below = f"{source.root}/"
    files = ((path.removeprefix(below), info) for path, info in infos.items() if path.startswith(below))
    # S3 keeps a folder without files as an empty object whose key ends in a slash.
    named = ((key, info) for key, info in files if info.get("type") == "file" and key and not key.endswith("/"))
    return Walked(files={key: info for key, info in named if not _hidden(key) and chosen.file(key)})


def _hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _listed(source: Source, key: str, info: Mapping[str, Any] | ObjectStat) -> ListedFile:
    if isinstance(info, ObjectStat):
        return ListedFile(key=key, uri=source.uri_of(key), size=info.size, mtime=info.mtime, etag=info.etag)
    return ListedFile(
        key=key,
        uri=source.uri_of(key),
        size=int(info.get("size") or 0),
        mtime=_mtime(info),
        etag=str(info.get("ETag") or info.get("etag") or "").strip('"'),
    )


def _mtime(info: Mapping[str, Any]) -> float:
    """Return seconds since the epoch; 0.0 where the file system has no time, or an unreadable one."""
    value = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return 0.0
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, (int, float)) else 0.0
