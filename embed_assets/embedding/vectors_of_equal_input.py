"""EqualInputVectors: equal input, equal vector; finds vectors of this encoder version by content hash."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.store.upsert import one_of
from embed_assets.store.vectors import VectorTable

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_CHUNK = 1000  # hashes in one filter
_TOGETHER = 65_536  # hashes that are read together
_DIGITS = 16  # of a hash, in hexadecimal, that are compared first


class EqualInputVectors:
    """Vectors that exist already, in the table or in this run's unwritten rows.

    Holds eight bytes a known hash, and the vectors of the latest segments, `remembered` bytes of them: what is older
    has been written and is read from the table.
    """

    def __init__(self, table: VectorTable, *, remembered: int = 64 * 2**20) -> None:
        self._table = table
        self._capacity = remembered
        self._recent: dict[str, np.ndarray] = {}
        hashes = table.read(["content_hash"])
        self._written = np.sort(_all_short(hashes)) if hashes is not None else np.empty(0, np.uint64)

    def lookup(self, hashes: Collection[str]) -> dict[str, np.ndarray]:
        """Map content hashes to float32 vectors, where they exist."""
        vectors = {key: self._recent[key] for key in hashes if key in self._recent}
        missing = [key for key in hashes if key not in vectors]
        likely = [key for key, hit in zip(missing, self._maybe(missing), strict=True) if hit]
        for start in range(0, len(likely), _CHUNK):
            vectors |= self._from_table(likely[start : start + _CHUNK])
        return vectors

    def remember(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep what was just encoded; the oldest go first, to be encoded again at worst."""
        self._recent.update(vectors)
        size = next(iter(vectors.values())).nbytes if vectors else 1
        while len(self._recent) * size > self._capacity:
            self._recent.pop(next(iter(self._recent)))

    def _maybe(self, hashes: Collection[str]) -> np.ndarray:
        short = np.fromiter(map(_short, hashes), dtype=np.uint64, count=len(hashes))
        if not len(self._written):
            return np.zeros(len(short), dtype=bool)
        place = np.searchsorted(self._written, short)
        return self._written[np.minimum(place, len(self._written) - 1)] == short

    def _from_table(self, hashes: list[str]) -> dict[str, np.ndarray]:
        rows = self._table.read(["content_hash", "vector"], where=one_of("content_hash", hashes))
        if rows is None or not rows.num_rows:  # replaced since this run began
            return {}
        vectors = rows.column("vector").combine_chunks()
        values = np.asarray(vectors.flatten()).reshape(len(rows), -1).astype(np.float32)
        return dict(zip(rows.column("content_hash").to_pylist(), values, strict=True))


def _all_short(hashes: pa.Table) -> np.ndarray:
    """Return the short form of all hashes: uint64, (n,); some at a time, and none as a text of its own."""
    column = hashes.column("content_hash")
    parts = [_short_of(column.slice(start, _TOGETHER)) for start in range(0, len(column), _TOGETHER)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _short_of(hashes: pa.ChunkedArray) -> np.ndarray:
    digits = np.frombuffer("".join(pc.utf8_slice_codeunits(hashes, 0, _DIGITS).to_pylist()).encode(), np.uint8)
    if len(digits) != _DIGITS * len(hashes):
        return np.fromiter(map(_short, hashes.to_pylist()), np.uint64, len(hashes))
    values = np.where(digits > ord("9"), digits - (ord("a") - 10), digits - ord("0")).reshape(-1, _DIGITS // 2, 2)
    return (values[:, :, 0] << 4 | values[:, :, 1]).astype(np.uint8).view(">u8").astype(np.uint64).reshape(-1)


def _short(content_hash: str) -> int:
    return int(content_hash[:_DIGITS], 16)
