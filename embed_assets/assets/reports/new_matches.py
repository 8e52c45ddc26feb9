"""New matches, for a host's sensor: of all materializations of a saved query since the sensor's last look."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from embed_assets.assets.metadata_keys import NEW_ITEMS, NEW_MATCHES

_PAGE = 500  # materializations


def new_matches(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> list[dict[str, Any]]:
    """Return the new matches since an asset sensor's last look, each once: media_id, source, key, uri, percentile.

    Dagster calls an asset sensor with the latest event alone, and a saved query may have been materialized several
    times since its last look: this reads them all. At its very first look a sensor sees the latest one, as ever.
    """
    items: dict[str, dict[str, Any]] = {}
    for materialization in _since(context, event):
        if (materialization.tags or {}).get(NEW_MATCHES, "0") != "0":
            found: Any = materialization.metadata[NEW_ITEMS].value
            items |= {item["media_id"]: item for item in found}
    return list(items.values())


def _since(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> Iterator[dg.AssetMaterialization]:
    """Yield the materializations after the sensor's cursor up to the event, oldest first."""
    latest = event.asset_materialization
    assert latest is not None
    if not (context.cursor or "").isdecimal():
        yield latest
        return
    cursor, more = None, True
    behind = dg.AssetRecordsFilter(asset_key=latest.asset_key, after_storage_id=int(context.cursor or 0))
    while more:
        page = context.instance.fetch_materializations(behind, limit=_PAGE, cursor=cursor, ascending=True)
        for record in page.records:
            if record.asset_materialization is not None and record.timestamp <= event.timestamp:
                yield record.asset_materialization
        cursor, more = page.cursor, page.has_more
