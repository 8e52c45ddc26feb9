"""Quarantined items in metadata: the first hundred by name and reason, and the command that lists all."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from shlex import quote
from typing import Any

from embed_assets.assets.ui.previews import preview
from embed_assets.pipeline.quarantined_items import Quarantined
from embed_assets.pipeline.steps import Steps

NAMED = 100  # items
_COLUMNS = ("source", "key", "reason", "detail")


def quarantine_metadata(steps: Steps, items: Sequence[Quarantined], *, total: int | None = None) -> dict[str, Any]:
    """Name quarantined items, and how all are listed: `total`, by default these; no entry where there is none."""
    metadata: dict[str, Any] = {}
    if items:
        metadata["quarantined items"] = preview(map(asdict, islice(items, NAMED)), _COLUMNS)
    if total or items:
        command = f"embed-assets status --quarantined --store {quote(steps.store.uri)}"
        metadata["all quarantined items"] = f"{len(items) if total is None else total:,}: {command}"
    return metadata
