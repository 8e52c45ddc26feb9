"""Unreadable share: how much of a source nothing can read; it counts once, for the source, and against no encoder."""

from collections import Counter
from dataclasses import dataclass

from embed_assets.store.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """Items of a source that are set aside and of no known kind, so that no encoder has them in its account."""

    items: int  # of the source, deleted ones aside
    aside: int
    reasons: dict[str, int]
    most: float  # share that may be set aside

    @property
    def share(self) -> float:
        """0 where the source is empty."""
        return self.aside / self.items if self.items else 0.0

    @property
    def passed(self) -> bool:
        """Whether these are few enough."""
        return self.share <= self.most

    def summary(self) -> str:
        """One line: how many, and why."""
        why = ", ".join(f"{reason} {count}" for reason, count in Counter(self.reasons).most_common(5))
        told = f"{self.aside} of {self.items} items can't be read, or are of no known kind"
        return f"{told} ({self.share:.1%}, at most {self.most:.1%}){f': {why}' if why else ''}"


def unreadable(manifest: Manifest, source: str, *, most: float) -> Unreadable:
    """By the manifest as it is."""
    rows = manifest.table([source], columns=("status", "modality", "reason")).to_pylist()
    live = [row for row in rows if row["status"] != "deleted"]
    aside = [row["reason"] for row in live if row["status"] == "quarantined" and row["modality"] is None]
    return Unreadable(items=len(live), aside=len(aside), reasons=dict(Counter(aside)), most=most)
