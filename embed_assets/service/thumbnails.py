"""Thumbnails: small WebP pictures of items, made in the decoders' processes and kept in memory."""

import threading
from collections import OrderedDict
from typing import Any

from embed_assets.errors import UnknownNameError
from embed_assets.media.kinds.decoder_plugins import decoder_of
from embed_assets.media.thumbnail_file import picture_file, video_file
from embed_assets.pipeline.steps import Steps
from embed_assets.service.media_files import MediaFiles
from embed_assets.store.manifest_row import ManifestRow

SIDES = (64, 1024)  # smallest and largest, in pixels
_KEPT_BYTES = 64 * 2**20
_AT_ONCE = 4  # decoder processes; each may take limits.decode_megabytes


class Thumbnails:
    """Makes and keeps thumbnails. May be used from several threads."""

    def __init__(self, steps: Steps, media: MediaFiles) -> None:
        self._steps = steps
        self._media = media
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def of(self, row: ManifestRow, *, side: int, milliseconds: int = 0) -> bytes:
        """Return the thumbnail of a picture, or of what a video shows at a moment, as WebP.

        Raises UnknownNameError for an item of another kind, MediaError where it can't be decoded, SourceError where it
        can't be read.
        """
        if row["modality"] not in ("image", "video"):
            raise UnknownNameError("picture of item", row["media_id"])
        at = milliseconds if row["modality"] == "video" else 0
        key = row["content_hash"], side, at
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._room:
            made = self._made(row, side, at)
        self._keep(key, made)
        return made

    def _made(self, row: ManifestRow, side: int, milliseconds: int) -> bytes:
        data, context = self._media.data(row), self._steps.context
        options: dict[str, Any] = {"side": side, "limits": context.limits}
        task: Any = picture_file
        if row["modality"] == "video":
            task, options["milliseconds"] = video_file, milliseconds
        else:
            plugin = decoder_of(row["decoder"] or "", mime=row["mime"])
            options["decoder"] = plugin.name if plugin is not None else ""
        if context.decoders is None:
            return task(data, **options)
        seconds = context.limits.seconds_for(len(data))
        (made,) = context.decoders.decode(task, data, seconds=seconds, **options)
        return made

    def _keep(self, key: tuple[str, int, int], made: bytes) -> None:
        with self._lock:
            self._size += len(made) - len(self._kept.get(key, b""))
            self._kept[key] = made
            while self._size > _KEPT_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest)
