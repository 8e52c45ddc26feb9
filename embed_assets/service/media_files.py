"""MediaFiles: bytes of the manifest's items, whole or a range: of files, object stores, web servers and tables."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from embed_assets.errors import UnknownNameError
from embed_assets.manifest.open_sources import media_reader, open_files
from embed_assets.media.files.regular_file import open_regular
from embed_assets.media.files.source import Source
from embed_assets.pipeline.steps import Steps
from embed_assets.store.manifest_row import ManifestRow

_PART = 2**18  # bytes that are sent at a time from a file
_REMOTE_PART = 2**22  # bytes of one request to an object store

# Kinds that a browser shows without running anything. All others are downloaded.
_SHOWN = {
    "image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp", "image/tiff",
    "audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "audio/x-flac", "audio/mp4", "audio/aac",
    "audio/webm", "audio/opus", "audio/x-m4a",
    "video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-matroska", "video/x-m4v",
    "application/pdf",
}  # fmt: skip
_RUN = ("text/html", "text/xml", "text/javascript", "text/css")  # texts that a browser does not show as such
_DOWNLOAD = "application/octet-stream"


@dataclass(frozen=True)
class OpenMedia:
    """An item's bytes: how many, as what they are sent, and how a range of them is read, the end excluded."""

    size: int
    etag: str
    content_type: str
    download: bool  # rather than shown
    name: str
    read: Callable[[int, int], Iterator[bytes]]


class MediaFiles:
    """Reads items by their rows of the manifest: nothing else can be named. May be used from several threads."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._readers: dict[str, Callable[[ManifestRow], bytes]] = {}
        self._sources: dict[str, Source] = {}

    def row(self, media_id: str) -> ManifestRow:
        """Return the row of an item by its id. Raises UnknownNameError where there is none, or not any more."""
        row = self._steps.manifest.item(media_id)
        if row is None or row["source"] not in self._steps.settings.sources:
            raise UnknownNameError("item", media_id)
        return row

    def data(self, row: ManifestRow) -> bytes:
        """Return the bytes of an item that was listed. Raises MediaError, SourceError."""
        name = row["source"]
        if name not in self._readers:
            context = self._steps.context
            self._readers[name] = media_reader(
                name,
                self._steps.settings.sources[name],
                limits=context.limits,
                store=self._steps.store,
                cache=context.media_cache,
                decoders=context.decoders,
            )
        return self._readers[name](row)

    def open(self, row: ManifestRow) -> OpenMedia:
        """Return the bytes of an item as they are now, without reading all of them where they are a file.

        Raises MediaError where the item can't be read, SourceError where its source can't.
        """
        if self._steps.settings.sources[row["source"]].kind == "files" and row["table_key"] is None:
            source = self._source(row["source"])
            return self._local(row, source) if source.fs is None else self._remote(row, source)
        data = self.data(row)

        def read(start: int, end: int) -> Iterator[bytes]:
            yield data[start:end]

        return self._opened(row, len(data), row["content_hash"][:32], read)

    def _source(self, name: str) -> Source:
        if name not in self._sources:
            self._sources[name] = open_files(name, self._steps.settings.sources[name], None)
        return self._sources[name]

    def _local(self, row: ManifestRow, source: Source) -> OpenMedia:
        try:
            path = source.local(row["key"])
            with open_regular(path) as file:
                facts = os.fstat(file.fileno())
        except Exception as error:
            failure = source.read_error(row["key"], error)
            raise failure from failure.__cause__

        def read(start: int, end: int) -> Iterator[bytes]:
            with open_regular(path) as file:
                file.seek(start)
                while start < end and (part := file.read(min(_PART, end - start))):
                    start += len(part)
                    yield part

        mark = f"{row['content_hash'][:16]}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
        return self._opened(row, facts.st_size, mark, read)

    def _remote(self, row: ManifestRow, source: Source) -> OpenMedia:
        path = f"{source.root}/{row['key']}"
        try:
            facts = source.fs.info(path)
        except Exception as error:
            failure = source.read_error(row["key"], error)
            raise failure from failure.__cause__
        size = int(facts["size"])

        def read(start: int, end: int) -> Iterator[bytes]:
            for at in range(start, end, _REMOTE_PART):
                yield source.fs.cat_file(path, start=at, end=min(end, at + _REMOTE_PART))

        mark = str(facts.get("ETag") or facts.get("LastModified") or size).strip('"')
        return self._opened(row, size, f"{row['content_hash'][:16]}-{mark[:64]}", read)

    @staticmethod
    def _opened(row: ManifestRow, size: int, mark: str, read: Callable[[int, int], Iterator[bytes]]) -> OpenMedia:
        kind, download = content_type(row)
        name = PurePosixPath(row["key"]).name or "item"
        return OpenMedia(size=size, etag=f'"{mark}"', content_type=kind, download=download, name=name, read=read)


def content_type(row: ManifestRow) -> tuple[str, bool]:
    """Return the type that an item is sent as, and whether it is downloaded: all that a browser could run is."""
    kind = (row["mime"] or "").lower()
    if row["table_key"] is not None and row["modality"] == "text":
        return "text/plain; charset=utf-8", False
    if kind in _SHOWN:
        return kind, False
    if kind == "" and row["modality"] != "text":
        return _DOWNLOAD, True
    if kind == "" or (kind.startswith("text/") and kind not in _RUN):
        return f"text/plain; charset={row['charset'] or 'utf-8'}", False
    return _DOWNLOAD, True


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return start and end, excluded, of a Range header's one range; None for the whole.

    Several ranges, and units other than bytes, are answered by the whole. Raises ValueError for a range that is none,
    or beyond the end.
    """
    unit, _, ranges = (header or "").partition("=")
    if unit.strip().lower() != "bytes" or "," in ranges:
        return None
    first, dash, last = (part.strip() for part in ranges.partition("-"))
    if not dash or not (first or last) or not all(part.isascii() and part.isdigit() for part in (first, last) if part):
        raise ValueError(f"{ranges[:80]!r} is no range of bytes")
    if len(first) > 18 or len(last) > 18:
        raise ValueError("the range is beyond the end")
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size or end <= start:
        raise ValueError("the range is beyond the end")
    return start, end
