"""Unreadable share: how much of a source nothing can read; it counts once, for the source, and for no encoder."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.compute

from embed_assets.store.manifest import Manifest

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """Items of a source that are quarantined and of no known kind, so that no encoder accounts for them."""

    items: int  # of the source, without deleted ones
    quarantined: int
    reasons: dict[str, int]
    most: float  # share that may be quarantined

    @property
    def share(self) -> float:
        """0 for an empty source."""
        return self.quarantined / self.items if self.items else 0.0

    @property
    def passed(self) -> bool:
        """Whether the share is within its limit."""
        return self.share <= self.most

    def summary(self) -> str:
        """Return one line: how many items, and why."""
        why = ", ".join(f"{reason} {count}" for reason, count in Counter(self.reasons).most_common(5))
        line = f"{self.quarantined} of {self.items} items can't be read, or are of no known kind"
        return f"{line} ({self.share:.1%}, at most {self.most:.1%}){f': {why}' if why else ''}"


def unreadable(manifest: Manifest, source: str, *, most: float) -> Unreadable:
    """Count the unreadable items of a source in the manifest."""
    rows = manifest.table([source], columns=("status", "modality", "reason"))
    deleted = pc.sum(pc.equal(rows["status"], "deleted")).as_py() or 0
    unknown = rows.filter(pc.and_(pc.equal(rows["status"], "quarantined"), pc.is_null(rows["modality"])))
    reasons = Counter(unknown["reason"].to_pylist())
    return Unreadable(items=rows.num_rows - deleted, quarantined=unknown.num_rows, reasons=dict(reasons), most=most)
