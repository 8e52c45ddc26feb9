"""Model copies: local model files, kept by content, so that a version outlives its folder.

A folder's weights may be swapped in place. The versions that serve, or that roll-back returns to, are then
loaded from here. Models of a hub are not kept: the hub keeps their revisions.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from embed_assets.store.open_database import Database

FOLDER = "models"  # below the store


class ModelCopies:
    """The model files that a store keeps: one file for each content, named by its sha256."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, files: Mapping[str, tuple[Path, str]]) -> None:
        """Copy what is not there yet; name → (path, sha256) of each file."""
        for path, sha in files.values():
            self._keep(path, sha)

    def folder(self, files: Mapping[str, str]) -> Path | None:
        """Return a folder with these files (name → sha256), made on first use; None where one is not kept.

        Links to the store's files where that is a folder of this machine, copies of a bucket's.
        """
        listed = "\n".join([self._database.uri, *(f"{name} {sha}" for name, sha in sorted(files.items()))])
        target = _cache() / hashlib.sha256(listed.encode()).hexdigest()[:16]
        if target.is_dir() and all((target / name).exists() for name in files):
            return target
        if not files or not all(self._fs.exists(self._blob(sha)) for sha in files.values()):
            return None
        shutil.rmtree(target, ignore_errors=True)  # its links may lead to files that were cleaned away
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent))
        for name, sha in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            self._fetch(sha, staging / name)
        try:
            staging.rename(target)
        except OSError:  # another process made it first
            shutil.rmtree(staging)
        return target

    def clean(self, needed: Collection[str], *, before: datetime) -> int:
        """Remove older files whose sha256 is not wanted; returns how many bytes that frees.

        A younger one may be of a version that is being registered at this moment.
        """
        root = self._root
        if not self._fs.exists(root):
            return 0
        freed = 0
        for entry in self._fs.ls(root, detail=True):
            if Path(entry["name"]).name not in needed and self._fs.modified(entry["name"]) < before:
                freed += int(entry["size"] or 0)
                self._fs.rm_file(entry["name"])
        return freed

    @property
    def _local(self) -> bool:
        return "://" not in self._database.uri

    @property
    def _fs(self) -> Any:
        return self._database.files()[0]

    @property
    def _root(self) -> str:
        return f"{self._database.files()[1].rstrip('/')}/{FOLDER}"

    def _blob(self, sha: str) -> str:
        return f"{self._root}/{sha}"

    def _keep(self, path: Path, sha: str) -> None:
        blob = self._blob(sha)
        if self._fs.exists(blob):
            if self._local:  # a clean-up that runs now sees that it is wanted
                self._fs.touch(blob, truncate=False)
            return
        self._fs.makedirs(self._root, exist_ok=True)
        part = f"{blob}.{os.getpid()}.part" if self._local else blob  # a bucket's put is whole or absent
        self._fs.put_file(str(path), part)
        if part != blob:
            self._fs.mv(part, blob)

    def _fetch(self, sha: str, target: Path) -> None:
        if self._local:
            target.symlink_to(self._blob(sha))
        else:
            self._fs.get_file(self._blob(sha), str(target))


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "embed-assets" / "models"
