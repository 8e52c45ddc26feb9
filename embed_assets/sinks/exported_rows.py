"""Exported rows: the columns of a release that go to a sink, and a fingerprint of each row by which changes show."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import SettingsError
from embed_assets.lance_rows import rows_at
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.user_columns import user_columns

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

ALWAYS = ("segment_id", "media_id")
FINGERPRINTS = pa.schema([("segment_id", pa.string()), ("shard", pa.string()), ("fingerprint", pa.int64())])

_OWN = (
    *ALWAYS, "source", "key", "uri", "modality", "kind", "start", "end", "text", "labels", "encoder", "encoder_version"
)  # fmt: skip
# What differs when a row's exported columns do: hashes of input and of key, caption, labels and user columns.
_PRINTED = ("segment_id", "shard", "media_hash", "meta_hash", "content_hash", "segment_count", "end", "embedded_at")
_AT_ONCE = 4096  # rows of a batch
_SCANNED_SHARE = 0.01  # of the rows: from there a scan takes less time than as many single rows


class ExportedRows:
    """Rows of a release's table as they are exported. Raises SettingsError for columns that it lacks."""

    def __init__(self, table: "Table", release: Release, columns: Sequence[str] | None = None) -> None:
        self._dataset: Any = table.to_lance()
        self._encoder = release.encoder
        stored = table.schema
        users = {name if name not in _OWN else field.name: field for name, field in user_columns(stored).items()}
        places = {name: name for name in _OWN} | {name: field.name for name, field in users.items()}
        known = [*_OWN, *users]
        for name in columns or ():
            if name not in known:
                raise SettingsError(f"columns names {name!r}; the columns are: {', '.join(known)}.")
        chosen = [name for name in known if columns is None or name in columns or name in ALWAYS]
        self._stored = {name: places[name] for name in chosen}
        fields = [pa.field(name, _type(stored, place)) for name, place in self._stored.items()]
        dim = stored.field("vector").type.list_size
        self.schema = pa.schema([*fields, pa.field("vector", pa.list_(pa.float32(), dim))])

    def fingerprints(self) -> pa.Table:
        """Return segment_id, shard and fingerprint of all rows, in the table's order; reads no vectors."""
        batches = []
        for batch in self._dataset.to_batches(columns=list(_PRINTED), batch_size=_AT_ONCE):
            texts = [batch[name].cast(pa.int64()).cast(pa.string()) if name == "embedded_at" else
                     batch[name].cast(pa.string()) for name in _PRINTED]  # fmt: skip
            joined = pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="")
            digests = b"".join(hashlib.blake2b(row.encode(), digest_size=8).digest() for row in joined.to_pylist())
            prints = pa.array(np.frombuffer(digests, "<i8"), pa.int64())
            batches.append(pa.record_batch([batch["segment_id"], batch["shard"], prints], schema=FINGERPRINTS))
        return pa.Table.from_batches(batches, schema=FINGERPRINTS)

    def batches(self, places: np.ndarray | None = None) -> Iterator[pa.Table]:
        """Yield rows of `schema` and their shard: all, or those at places of the order of `fingerprints`."""
        columns = [*dict.fromkeys(each for each in self._stored.values() if each != "encoder"), "shard", "vector"]
        rows = self._dataset.count_rows()
        if places is not None and len(places) < _SCANNED_SHARE * rows:
            for start in range(0, len(places), _AT_ONCE):
                yield self._exported(rows_at(self._dataset, places[start : start + _AT_ONCE], columns))
            return
        first = 0
        for batch in self._dataset.to_batches(columns=columns, batch_size=_AT_ONCE):
            found = pa.Table.from_batches([batch])
            if places is not None:
                inside = places[(places >= first) & (places < first + len(batch))] - first
                found = found.take(pa.array(inside))
            first += len(batch)
            if found.num_rows:
                yield self._exported(found)

    def _exported(self, rows: pa.Table) -> pa.Table:
        arrays: list[Any] = []
        for name, place in self._stored.items():
            arrays.append(pa.array([self._encoder] * len(rows)) if name == "encoder" else rows[place])
        numbers = matrix(rows["vector"].combine_chunks()).astype(np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), numbers.shape[1])
        return pa.Table.from_arrays(
            [*arrays, vectors, rows["shard"]], schema=self.schema.append(pa.field("shard", pa.string()))
        )


def _type(stored: pa.Schema, place: str) -> pa.DataType:
    return pa.string() if place == "encoder" else stored.field(place).type
