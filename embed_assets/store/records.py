"""Records: small append-or-replace tables of JSON documents with a key, a kind and a time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embed_assets.store.open_database import Database
from embed_assets.store.upsert import COMMITTED, KEY, quoted, read, upsert

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata=KEY),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("document", pa.string(), nullable=False),
    ]
)


class Records:
    """One table of records."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def put(self, key: str, kind: str, document: Mapping[str, Any]) -> None:
        """Insert or replace the record of this key."""
        row = {
            "key": key,
            "kind": kind,
            "at": datetime.now(UTC),
            "document": json.dumps(document, sort_keys=True),
        }
        table = self._database.open_or_create(self._table, SCHEMA)
        upsert(table, pa.Table.from_pylist([row], schema=SCHEMA), key="key")

    def remove(self, key: str) -> None:
        """Delete the record of this key, if there is one."""
        table = self._database.open_or_none(self._table)
        if table is not None and self.get(key) is not None:
            table.delete(f"key = {quoted(key)}")

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the document of a key, or None."""
        documents = self._rows(f"key = {quoted(key)}")
        return documents[0] if documents else None

    def all(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return all documents, of one kind if given, in the order of their commits; `at` is added as an ISO time."""
        return self._rows(f"kind = {quoted(kind)}" if kind else None)

    def by_kind(self) -> list[tuple[str, dict[str, Any]]]:
        """Return (kind, document) of all, in the order of their commits."""
        return [(row["kind"], _document(row)) for row in self._ordered(None)]

    def _rows(self, where: str | None) -> list[dict[str, Any]]:
        return [_document(row) for row in self._ordered(where)]

    def _ordered(self, where: str | None) -> list[dict[str, Any]]:
        """Read rows in the order of the table versions that wrote them: a clock may be set back."""
        table = self._database.open_or_none(self._table)
        if table is None:
            return []
        rows = read(table, ["kind", "at", "document", COMMITTED], where=where).to_pylist()
        return sorted(rows, key=lambda row: (row[COMMITTED], row["at"]))


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(row["document"]) | {"at": row["at"].isoformat()}
