"""Summaries of spaces: what each serves, how much of it waits, how good it is and what it has cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute

from embed_assets.pipeline.space_versions import space_versions
from embed_assets.pipeline.status import EncoderStatus, read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.serving.releases import Release
from embed_assets.store.versions import VersionId

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them


@dataclass(frozen=True, kw_only=True)
class SpaceSummary:
    """One space; counts are of the encoders that the settings name for it."""

    space: str
    live: str  # encoder and version; "" where nothing serves
    items: int  # usable items of the kinds that its encoders take
    vectors: int  # rows that search reads
    stale: int  # items to encode, rewrite or remove
    quarantined: int
    waiting: int  # versions that checks or a person hold back
    recall_at_10: float | None  # of the live release
    ndcg_at_10: float | None
    seconds: float  # of all embedding, since the store was made
    tokens: int
    usd: float
    last_promotion: str  # "" before the first


@one_moment()
def space_summaries(steps: Steps, spaces: Iterable[str]) -> list[SpaceSummary]:
    """Return the summary of each space, from the store alone."""
    status, history = read_status(steps), steps.store.history
    embeds, promotions = history.all("embed"), history.all("promote")
    summaries = []
    for space in spaces:
        own = [encoder for encoder in status.encoders if encoder.space == space]
        names = {encoder.encoder for encoder in own}
        live = steps.store.serving.pointer(space).live
        spent = [event for event in embeds if event["encoder"] in names]
        summaries.append(
            SpaceSummary(
                space=space,
                live=str(live.version_id) if live else "",
                items=_items(steps, own),
                vectors=live.rows if live else 0,
                stale=sum(encoder.stale for encoder in own),
                quarantined=sum(each.quarantined for each in status.sources if each.encoder in {*names, ""}),
                waiting=sum(bool(each.waits_for) for each in space_versions(steps, space)),
                recall_at_10=_figure(live, "recall_at_10"),
                ndcg_at_10=_figure(live, "ndcg_at_10"),
                seconds=round(sum(event.get("seconds", 0.0) for event in spent), 1),
                tokens=round(_spent(spent, "tokens")),
                usd=round(_spent(spent, "usd"), 4),
                last_promotion=_last(promotions, space),
            )
        )
    return summaries


def _items(steps: Steps, encoders: Iterable[EncoderStatus]) -> int:
    """Count items, once for all encoders of the space."""
    taken: dict[str, set[str]] = {}
    for encoder in encoders:
        record = steps.version(VersionId(encoder.encoder, encoder.version))
        for source in steps.settings.sources_of(encoder.encoder):
            taken.setdefault(source, set()).update(record.spec.media)
    table = steps.manifest.table(list(taken), columns=["source", "modality", "status"]) if taken else None
    if table is None:
        return 0
    table = table.filter(pc.equal(table["status"], "ok"))
    counted = table.group_by(["source", "modality"]).aggregate([([], "count_all")]).to_pylist()
    return sum(each["count_all"] for each in counted if each["modality"] in taken[each["source"]])


def _figure(live: Release | None, name: str) -> float | None:
    found = [check.figures[name] for check in live.checks if name in check.figures] if live else []
    return found[0] if found else None


def _spent(events: Iterable[Mapping[str, Any]], unit: str) -> float:
    return sum(float((event.get("spent") or {}).get(unit, 0)) for event in events)


def _last(promotions: Iterable[Mapping[str, Any]], space: str) -> str:
    moments = [str(event["at"]) for event in promotions if event["space"] == space]
    return moments[-1] if moments else ""
