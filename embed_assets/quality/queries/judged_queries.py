"""Judged queries: marks of people on results, kept below judgements/ in the store as a query set of each space."""

import contextlib
import fcntl
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embed_assets.errors import SettingsError, StoreError
from embed_assets.store.open_database import Database

FOLDER = "judgements"
_FILES = "files"  # pictures and sounds that were searched with
_MARKS = ("relevant", "not_relevant")
_lock = threading.Lock()


def query_set(database: Database, space: str) -> str:
    """Return the address of a space's judged queries; it can be named as spaces.SPACE.queries."""
    return f"{database.uri.rstrip('/')}/{FOLDER}/{space}.jsonl"


def judge(database: Database, space: str, *, query: str | bytes, key: str, good: bool) -> dict[str, Any]:
    """Keep that an item, SOURCE/KEY, is a good or a bad result of a query, in words or as a file; return its line.

    A later mark of the same item takes the place of the earlier one. Of a store in a bucket one service at a time may
    keep marks. Raises StoreError where they can't be written, SettingsError for a name of a space that is none.
    """
    if not space or "/" in space or space.startswith("."):
        raise SettingsError(f"{space!r} is no name of a space.")
    fs, root = database.files()
    folder = f"{root.rstrip('/')}/{FOLDER}"
    path = f"{folder}/{space}.jsonl"
    named = {"query": query} if isinstance(query, str) else {"query_file": f"{_FILES}/{_digest(query)}"}
    try:
        with _lock, _locked(database, folder):
            fs.makedirs(folder, exist_ok=True)
            if isinstance(query, bytes):
                fs.makedirs(f"{folder}/{_FILES}", exist_ok=True)
                fs.pipe_file(f"{folder}/{named['query_file']}", query)
            lines = _lines(fs, path)
            line = _marked(lines, named, key, good=good)
            text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines)
            database.write_file(f"{FOLDER}/{space}.jsonl", text)
    except (OSError, ValueError) as error:
        raise StoreError(f"Judgements of store {database.uri!r} can't be kept: {error}") from error
    return line


def _marked(lines: list[dict[str, Any]], named: dict[str, Any], key: str, *, good: bool) -> dict[str, Any]:
    """Put a mark into the line of its query, added where there is none."""
    found = [line for line in lines if all(line.get(name) == value for name, value in named.items())]
    line = found[0] if found else dict(named)
    if not found:
        lines.append(line)
    for name in _MARKS:
        others = [each for each in line.get(name, []) if each != key]
        line[name] = [*others, key] if (name == "relevant") is good else others
        if not line[name]:
            del line[name]
    return line


def _lines(fs: Any, path: str) -> list[dict[str, Any]]:
    try:
        text = fs.cat_file(path).decode()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n") if line.strip()]  # JSON leaves U+2028 in a line


@contextlib.contextmanager
def _locked(database: Database, folder: str) -> Iterator[None]:
    """Keep other processes of this machine from writing meanwhile, where the store is a folder."""
    if "://" in database.uri:
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
