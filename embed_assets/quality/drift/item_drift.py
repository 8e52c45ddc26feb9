"""Item drift: items embedded since a moment against those before it, each by the mean of its segments."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.quality.drift.drift_report import (
    SAMPLE,
    TOO_FEW,
    DriftReport,
    ShareChange,
    Typical,
    drift_between,
    most_typical,
    share_changes,
)
from embed_assets.quality.item_vectors import chosen, items_of, mean_vectors
from embed_assets.store.serving.releases import Release
from embed_assets.store.upsert import one_of, read

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_GROUPS = ("labels", "source", "modality")
_CHARACTERS = 120  # of a text that are shown


def item_drift(
    table: "Table", release: Release, *, since: datetime, reference_is: str, sample: int = SAMPLE
) -> DriftReport:
    """Compare the items of a release's table that were embedded after `since` with those from before.

    An item that was edited since counts as new; one that was deleted is on neither side. Up to `sample` items a side
    are compared, drawn by item: segments of one item depend on each other, and would raise false alarms.
    """
    items = items_of(table, ["source", "key", "modality", "labels", "embedded_at"])
    is_new = pc.fill_null(pc.greater(items["embedded_at"], pa.scalar(since, pa.timestamp("us", tz="UTC"))), False)
    sides = [items.filter(side) for side in (pc.invert(is_new), is_new)]
    names = [chosen(side["media_id"].to_pylist(), sample) for side in sides]
    vectors = [mean_vectors(table, ids, distance=release.distance)[1] for ids in names]
    found = drift_between(*vectors)
    known = found.verdict != TOO_FEW
    return DriftReport(
        space=release.space,
        encoder=release.encoder,
        version=release.encoder_version,
        about="items",
        reference_is=reference_is,
        since=since.isoformat(),
        reference=len(sides[0]),
        new=len(sides[1]),
        compared=(len(names[0]), len(names[1])),
        mmd2=found.mmd2,
        p=found.p,
        auc=found.auc,
        verdict=found.verdict,
        typical=_typical(table, sides[1], names[1], found.scores) if known else (),
        changes=_changes(*sides) if known else (),
    )


def _typical(table: "Table", items: pa.Table, names: list[str], scores: np.ndarray) -> tuple[Typical, ...]:
    best = {names[place]: float(scores[place]) for place in most_typical(scores)}
    rows = items.filter(pc.is_in(items["media_id"], value_set=pa.array(list(best), pa.string()))).to_pylist()
    texts: dict[str, str] = {}
    for row in read(table, ["media_id", "text"], where=one_of("media_id", list(best))).to_pylist():
        texts.setdefault(row["media_id"], (row["text"] or "")[:_CHARACTERS])
    found = [
        Typical(
            name=f"{row['source']}/{row['key']}",
            labels=tuple(row["labels"] or ()),
            text=" ".join(texts.get(row["media_id"], "").split()),
            score=round(best[row["media_id"]], 3),
            media_id=row["media_id"],
            modality=row["modality"],
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (-each.score, each.name)))


def _changes(reference: pa.Table, new: pa.Table) -> tuple[ShareChange, ...]:
    found: list[ShareChange] = []
    for by in _GROUPS:
        sides = [[_groups(value) for value in side[by].to_pylist()] for side in (reference, new)]
        found.extend(share_changes(*sides, by=by.removesuffix("s")))
    return tuple(found)


def _groups(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
