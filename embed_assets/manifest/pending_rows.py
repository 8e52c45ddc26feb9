"""PendingRows: manifest rows of a plan, read as they are used: a million of them as objects take gigabytes."""

from collections.abc import Iterator, Sequence
from typing import Any, cast, overload

import pyarrow as pa

from embed_assets.manifest.stored_rows import KeyPlaces
from embed_assets.store.manifest import Manifest
from embed_assets.store.manifest_row import ManifestRow

COLUMNS = (
    "media_id", "source", "key", "uri", "shard", "size", "content_hash", "meta_hash",
    "mime", "modality", "status", "reason", "caption", "labels", "table_key", "row_id", "decoder", "charset",
    "mtime", "extra",
)  # fmt: skip

_FEW = 10_000  # rows that are looked for by their ids, rather than by reading all
_LOOKED_FOR = 2000  # ids in one filter
_OBJECTS = 1024  # rows that are objects at one time


class PendingRows(Sequence[ManifestRow]):
    """Rows of some media ids, in the manifest's order, as of the table version that was planned by."""

    def __init__(self, manifest: Manifest, media_ids: Any, *, sources: Sequence[str], version: int) -> None:
        self._manifest = manifest
        self._ids = media_ids
        self._sources = sources
        self._version = version

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[ManifestRow]:
        for table in self._few() if len(self) <= _FEW else self._many():
            for batch in table.to_batches(max_chunksize=_OBJECTS):
                yield from cast("list[ManifestRow]", batch.to_pylist())

    @overload
    def __getitem__(self, place: int) -> ManifestRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ManifestRow]: ...
    def __getitem__(self, place: int | slice) -> ManifestRow | Sequence[ManifestRow]:
        return list(self)[place]

    def _few(self) -> Iterator[pa.Table]:
        for start in range(0, len(self), _LOOKED_FOR):
            ids = self._ids.slice(start, _LOOKED_FOR).to_pylist()
            yield self._manifest.of_ids(ids, columns=COLUMNS, version=self._version)

    def _many(self) -> Iterator[pa.Table]:
        chosen = KeyPlaces(self._ids)
        for table in self._manifest.tables(self._sources, columns=COLUMNS, version=self._version):
            own = pa.array(chosen.of(table["media_id"]) >= 0)
            yield table.filter(own)
