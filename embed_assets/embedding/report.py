"""EmbedReport: what an embedding run did, by source and by shard, with its seconds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("embedded", "reused", "unchanged", "rewritten", "quarantined", "deleted")


@dataclass(kw_only=True)
class EmbedReport:
    """Counts of media items by outcome, of segments, and seconds by stage.

    Each item is one of embedded, reused (identical bytes had a vector), unchanged, quarantined or
    deleted; `rewritten` counts the unchanged ones whose metadata was written.
    """

    encoder: str
    version: str
    items: dict[str, Counter[str]] = field(default_factory=dict)  # source → outcome → items
    shards: dict[str, Counter[str]] = field(default_factory=dict)  # shard → outcome → items, "segments"
    reasons: dict[str, Counter[str]] = field(default_factory=dict)  # source → reason → items
    segments_encoded: int = 0
    segments_reused: int = 0
    cost: int = 0  # tokens or pixels encoded, padding not counted
    read_seconds: float = 0.0  # of all reader threads together
    encode_seconds: float = 0.0
    write_seconds: float = 0.0
    seconds: float = 0.0
    commits: int = 0

    def count(self, outcome: str, source: str, shard: str | None, number: int = 1) -> None:
        """Note `number` items of one outcome."""
        self.items.setdefault(source, Counter())[outcome] += number
        if shard is not None:
            self.shards.setdefault(shard, Counter())[outcome] += number

    def reason(self, source: str, reason: str, number: int = 1) -> None:
        """Note why items were quarantined."""
        self.reasons.setdefault(source, Counter())[reason] += number

    def total(self, outcome: str) -> int:
        """Items of one outcome, over all sources."""
        return sum(counts[outcome] for counts in self.items.values())

    @property
    def items_per_second(self) -> float:
        """Items embedded a second, over the whole run; 0 where none was."""
        embedded = self.total("embedded")
        return embedded / self.seconds if embedded and self.seconds else 0.0

    def figures(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "encoder": self.encoder,
            "version": self.version,
            "items": _plain(self.items),
            "reasons": _plain(self.reasons),
            "shards": sorted(self.shards),
            "segments_encoded": self.segments_encoded,
            "segments_reused": self.segments_reused,
            "cost": self.cost,
            "read_seconds": round(self.read_seconds, 3),
            "encode_seconds": round(self.encode_seconds, 3),
            "write_seconds": round(self.write_seconds, 3),
            "seconds": round(self.seconds, 3),
            "items_per_second": round(self.items_per_second, 2),
            "commits": self.commits,
        }


def _plain(counters: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: {key: count for key, count in counter.items() if count} for name, counter in counters.items()}
