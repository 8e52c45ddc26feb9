"""History: one row per run, index, check, move of a pointer and clean-up; survives a lost Dagster database."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from embed_assets.store.open_database import Database
from embed_assets.store.records import Records

TABLE = "history"
MOVES = ("promote", "roll back", "renew")  # of a serving pointer
KINDS = ("refresh", "embed", "index", "check", *MOVES, "retire", "maintain")


class History:
    """Events of a store, oldest first."""

    def __init__(self, database: Database) -> None:
        self._records = Records(database, TABLE)

    def add(self, kind: str, figures: Mapping[str, Any]) -> None:
        """Append one event of one of KINDS."""
        key = f"{datetime.now(UTC).isoformat()}-{uuid.uuid4().hex[:8]}"
        self._records.put(key, kind, figures)

    def all(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return events, of one kind if given, oldest first."""
        return self._records.all(kind)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return events with their kind, of one kind if given, oldest first."""
        return [event | {"kind": each} for each, event in self._records.by_kind() if kind in (None, each)]

    def moves_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Return moves of serving pointers at this moment or later, oldest first."""
        moves = [event for kind in MOVES for event in self.all(kind)]
        return [event for event in moves if datetime.fromisoformat(event["at"]) >= moment]

    def last(self, kind: str, **match: Any) -> dict[str, Any] | None:
        """Return the newest event of a kind whose figures equal `match`, or None."""
        events = [e for e in self.all(kind) if all(e.get(name) == value for name, value in match.items())]
        return events[-1] if events else None
