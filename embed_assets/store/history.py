"""History: one row per embedding run, index build, check and promotion; survives a lost Dagster database."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from embed_assets.store.connection import Store
from embed_assets.store.records import Records

TABLE = "history"


class History:
    """What happened in a store, oldest first."""

    def __init__(self, store: Store) -> None:
        self._records = Records(store, TABLE)

    def add(self, kind: str, figures: Mapping[str, Any]) -> None:
        """Append one event of a kind: refresh, embed, index, check, promote."""
        key = f"{datetime.now(UTC).isoformat()}-{uuid.uuid4().hex[:8]}"
        self._records.put(key, kind, figures)

    def all(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Events, of one kind if given, oldest first."""
        return self._records.all(kind)

    def last(self, kind: str, **match: Any) -> dict[str, Any] | None:
        """The newest event of a kind whose figures equal `match`, or None."""
        events = [e for e in self.all(kind) if all(e.get(name) == value for name, value in match.items())]
        return events[-1] if events else None
