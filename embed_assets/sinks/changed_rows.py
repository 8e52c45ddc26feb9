"""Changed rows: what a sink lacks or holds too much of, by the fingerprints of what it holds and of what serves."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them


@dataclass(frozen=True)
class ChangedRows:
    """Rows to write and to delete."""

    written: np.ndarray  # int64, (n,): places of the rows that are new or others than before
    deleted: pa.Table  # segment_id and shard of those that are gone, or in another shard now
    unchanged: int

    @property
    def any(self) -> bool:
        """Whether there is something to do."""
        return bool(len(self.written) or self.deleted.num_rows)


def changed_rows(held: pa.Table, now: pa.Table) -> ChangedRows:
    """Compare two tables of FINGERPRINTS, whose orders do not matter."""
    ids, held_ids = now["segment_id"].combine_chunks(), held["segment_id"].combine_chunks()
    place = pc.fill_null(pc.index_in(ids, value_set=held_ids), -1).to_numpy(zero_copy_only=False)
    prints, held_prints = (each["fingerprint"].to_numpy() for each in (now, held))
    same = place >= 0
    same[same] = prints[same] == held_prints[place[same]]
    is_gone = np.ones(len(held_ids), bool)
    is_gone[place[place >= 0]] = False
    others = np.flatnonzero(~same & (place >= 0))
    if len(others):
        shards, held_shards = now["shard"].take(pa.array(others)), held["shard"].take(pa.array(place[others]))
        moved = pc.not_equal(shards, held_shards).to_numpy(zero_copy_only=False)
        is_gone[place[others[moved]]] = True
    deleted = held.select(["segment_id", "shard"]).filter(pa.array(is_gone))
    return ChangedRows(np.flatnonzero(~same), deleted, int(same.sum()))


def content_hash(rows: pa.Table) -> str:
    """Return the hash of a set of rows by their fingerprints, in whatever order: 16 hex digits."""
    total = int(rows["fingerprint"].to_numpy().astype(np.uint64).sum(dtype=np.uint64)) if rows.num_rows else 0
    return f"{total:016x}"
