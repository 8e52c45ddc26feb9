"""Export folder: files of one export, named by a manifest that is replaced last; on a disk or a bucket."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from embed_assets.errors import SinkError
from embed_assets.settings import SinkSettings

MANIFEST = "_manifest.json"  # readers of a folder of Parquet pass over names that begin with _
_OURS = re.compile(r"^_?(part|index|ids)-[0-9a-f-]+\.(parquet|faiss)$")  # nothing else is ever removed


class ExportFolder:
    """The folder of a sink. New files are written as `_NAME`, and get their names when the export is finished."""

    def __init__(self, name: str, settings: SinkSettings) -> None:
        self._name, self._settings = name, settings
        self._before: str | None = None

    def manifest(self) -> dict[str, Any]:
        """Read the manifest; empty where there is none, or it is damaged."""
        try:
            document = json.loads(self._fs.cat_file(self._path(MANIFEST)))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return document if isinstance(document, dict) and isinstance(document.get("files"), dict) else {}

    def held(self) -> str | None:
        """Return the export of the manifest; None where one of its files is missing or has another size."""
        manifest, sizes = self.manifest(), self._sizes()
        whole = all(sizes.get(name) == facts.get("bytes") for name, facts in manifest.get("files", {}).items())
        return manifest.get("export") if whole else None

    def begin(self) -> None:
        """Make the folder."""
        self._fs.makedirs(self._place[1], exist_ok=True)
        self._before = self.manifest().get("export")

    @contextmanager
    def create(self, name: str) -> Iterator[Any]:
        """Open a new file for writing."""
        with self._fs.open(self._path(f"_{name}"), "wb") as file:
            yield file

    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        """Open a file of the manifest for reading."""
        with self._fs.open(self._path(name), "rb") as file:
            yield file

    def finish(self, facts: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> None:
        """Name the new files and replace the manifest, then remove files that it does not name, a killed export's too.

        `files`: what is known of each by name, old ones that stay included. Raises SinkError where another export was
        finished since `begin`.
        """
        if self.manifest().get("export") != self._before:
            raise SinkError(f"Sink {self._name!r}: another export has written it meanwhile. Run this one again.")
        for name in files:
            if self._fs.exists(self._path(f"_{name}")):
                self._fs.mv(self._path(f"_{name}"), self._path(name))
        sizes = self._sizes()
        document = {
            **facts,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {name: {**known, "bytes": sizes[name]} for name, known in files.items()},
        }
        self._replace(MANIFEST, json.dumps(document, indent=1).encode())
        self._remove_all_but(files)

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system, and the folder on it."""
        import fsspec.core

        try:
            fs, root = fsspec.core.url_to_fs(self._settings.uri, **self._settings.storage_options)
        except (ImportError, ValueError) as error:
            raise SinkError(f"Sink {self._name!r}: its uri can't be opened: {error}") from error
        return fs, root.rstrip("/")

    @property
    def _fs(self) -> Any:
        return self._place[0]

    def _replace(self, name: str, data: bytes) -> None:
        if "file" not in self._fs.protocol:  # an object appears when it is whole
            self._fs.pipe_file(self._path(name), data)
            return
        self._fs.pipe_file(self._path(f"_{name}"), data)
        self._fs.mv(self._path(f"_{name}"), self._path(name))

    def _remove_all_but(self, files: Mapping[str, Any]) -> None:
        for name in self._sizes():
            if name not in files and _OURS.match(name):
                self._fs.rm_file(self._path(name))

    def _sizes(self) -> dict[str, int]:
        self._fs.invalidate_cache()
        try:
            listed = self._fs.ls(self._place[1], detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {each["name"].rpartition("/")[2]: each["size"] for each in listed if each["type"] == "file"}

    def _path(self, name: str) -> str:
        return f"{self._place[1]}/{name}"
