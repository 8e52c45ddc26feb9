"""Quarantine: items that could not be decoded or segmented for an encoder version, with the reason."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embed_assets.errors import MediaError
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.open_database import Database
from embed_assets.store.upsert import KEY, quoted, read, upsert

TABLE = "quarantine"

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False, metadata=KEY),
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("vectors", pa.string(), nullable=False),  # name of the vector table
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


_AGAIN = "again:"  # before the hash of bytes that could not be read


class Quarantine:
    """Items that were quarantined while encoding into one vector table.

    An item is retried when its bytes change; one that could not be read, at every run.
    """

    def __init__(self, database: Database, vectors: str) -> None:
        self._database = database
        self._vectors = vectors

    def hashes(self, *, again: bool = False) -> dict[str, tuple[str, str]]:
        """Map media ids to (content hash that failed, reason); `again` leaves out items to be retried."""
        rows = self.rows(["media_id", "content_hash", "reason"])
        return {
            row["media_id"]: (row["content_hash"].removeprefix(_AGAIN), row["reason"])
            for row in rows
            if not (again and row["content_hash"].startswith(_AGAIN))
        }

    def rows(self, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return all rows of this vector table."""
        table = self._database.open_or_none(TABLE)
        return [] if table is None else read(table, columns, where=f"vectors = {quoted(self._vectors)}").to_pylist()

    def add(self, items: Iterable[tuple[ManifestRow, MediaError]]) -> None:
        """Quarantine items (manifest rows), each with its error."""
        now = datetime.now(UTC)
        rows = [
            {
                **{name: row[name] for name in ("media_id", "source", "shard", "key")},
                "content_hash": f"{_AGAIN if error.again else ''}{row['content_hash']}",
                "id": f"{self._vectors}/{row['media_id']}",
                "vectors": self._vectors,
                "reason": error.reason,
                "detail": str(error),
                "at": now,
            }
            for row, error in items
        ]
        if rows:
            upsert(self._database.open_or_create(TABLE, SCHEMA), pa.Table.from_pylist(rows, schema=SCHEMA), key="id")

    def clear(self) -> int:
        """Retry all on the next run; returns how many."""
        table = self._database.open_or_none(TABLE)
        if table is None:
            return 0
        count = table.count_rows(f"vectors = {quoted(self._vectors)}")
        table.delete(f"vectors = {quoted(self._vectors)}")
        return count
