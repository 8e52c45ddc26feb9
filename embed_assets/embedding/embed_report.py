"""EmbedReport: what an embedding run did, by source and by shard, with its seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embed_assets.encoders.base import Encoder
from embed_assets.store.manifest_row import ManifestRow

OUTCOMES = ("embedded", "reused", "unchanged", "rewritten", "quarantined", "deleted")
SHOWN = 5  # items of a source whose warnings are shown with their places


@dataclass(kw_only=True)
class Work:
    """Work on the items of one source and modality: forecasts are estimated from it."""

    items: int = 0
    bytes: int = 0  # of the media files
    segments: int = 0
    encoded: int = 0  # segments that no known vector was found for
    cost: int = 0  # tokens or pixels of those
    billed: float = 0.0  # tokens as a server counts them; 0 where none does
    seconds: float = 0.0  # of the whole run, reading and writing included

    def add(self, other: "Work") -> None:
        """Count `other` too."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def figures(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return asdict(self) | {"billed": round(self.billed), "seconds": round(self.seconds, 3)}


@dataclass(kw_only=True)
class EmbedReport:
    """Counts of media items by outcome, of segments, and seconds by stage.

    Each item is one of embedded, reused (identical bytes had a vector), unchanged, quarantined or
    deleted; `rewritten` counts the unchanged ones whose metadata was written. Items that a budget left
    are none of these: `left` counts them by shard, and `stopped` says why.
    """

    encoder: str
    version: str
    device: str = ""
    runtime: str = ""
    runtime_reason: str = ""  # why that runtime ran the model
    price: float | None = None  # US dollars a million tokens, where the encoder has a price
    items: dict[str, Counter[str]] = field(default_factory=dict)  # source → outcome → items
    shards: dict[str, Counter[str]] = field(default_factory=dict)  # shard → outcome → items, "segments"
    reasons: dict[str, Counter[str]] = field(default_factory=dict)  # source → reason → items
    warnings: dict[str, Counter[str]] = field(default_factory=dict)  # source → kind → items embedded with it
    warned: dict[str, list[str]] = field(default_factory=dict)  # source → the first of these: "key: what, where"
    work: dict[str, dict[str, Work]] = field(default_factory=dict)  # source → modality → what was encoded
    conflicts: tuple[str, ...] = ()  # of user columns: a line each
    left: Counter[str] = field(default_factory=Counter)  # shard → items still to encode
    stopped: str = ""  # "": nothing stopped it
    segments_encoded: int = 0
    segments_reused: int = 0
    cost: int = 0  # tokens or pixels encoded, padding not counted
    read_seconds: float = 0.0  # of all reader threads together
    encode_seconds: float = 0.0
    write_seconds: float = 0.0
    waited_seconds: float = 0.0  # of the encoder, for media to be read and prepared
    batch_sizes: dict[str, int] = field(default_factory=dict)  # tokens, pixels → most of a batch, padding counted
    seconds: float = 0.0
    commits: int = 0

    def ran_on(self, encoder: Encoder) -> None:
        """Note where the encoder runs, and by what."""
        self.device, self.runtime, self.runtime_reason = encoder.device, encoder.runtime, encoder.runtime_reason

    def add(self, other: "EmbedReport") -> None:
        """Count what another process did for this run: all but its seconds and commits."""
        self.device, self.runtime, self.runtime_reason = other.device, other.runtime, other.runtime_reason
        for own, theirs in ((self.items, other.items), (self.shards, other.shards), (self.reasons, other.reasons)):
            for name, counts in theirs.items():
                own.setdefault(name, Counter()).update(counts)
        for source, kinds in other.warnings.items():
            self.warnings.setdefault(source, Counter()).update(kinds)
            warned = self.warned.setdefault(source, [])
            warned += other.warned[source][: SHOWN - len(warned)]
        for source, modalities in other.work.items():
            for modality, work in modalities.items():
                self.work_of(source, modality).add(work)
        for name in ("segments_encoded", "segments_reused", "cost", "read_seconds", "encode_seconds", "waited_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.batch_sizes |= other.batch_sizes

    def count(self, outcome: str, source: str, shard: str | None, number: int = 1) -> None:
        """Note `number` items of one outcome."""
        self.items.setdefault(source, Counter())[outcome] += number
        if shard is not None:
            self.shards.setdefault(shard, Counter())[outcome] += number

    def reason(self, source: str, reason: str, number: int = 1) -> None:
        """Note why items were quarantined."""
        self.reasons.setdefault(source, Counter())[reason] += number

    def warn(self, source: str, key: str, kind: str, where: str) -> None:
        """Note that an item was embedded, but not all of it is what was written."""
        self.warnings.setdefault(source, Counter())[kind] += 1
        warned = self.warned.setdefault(source, [])
        if len(warned) < SHOWN:
            warned.append(f"{key}: {kind}, {where}")

    def work_of(self, source: str, modality: str) -> Work:
        """Return the work on one source and modality, to add to."""
        return self.work.setdefault(source, {}).setdefault(modality, Work())

    def add_seconds(self, seconds: float) -> None:
        """Note the run's seconds, and share them out among its work by the time that each part add_seconds."""
        self.seconds += seconds
        parts = [work for _, work in self._parts]
        measured = sum(work.seconds for work in parts)
        for work in parts:
            work.seconds = self.seconds * work.seconds / measured if measured else 0.0

    def stop(self, why: str, left: Iterable[ManifestRow]) -> None:
        """Note that items (manifest rows) were left, and why."""
        self.stopped = why
        self.left.update(row["shard"] for row in left)

    def total(self, outcome: str) -> int:
        """Count items of one outcome, over all sources."""
        return sum(counts[outcome] for counts in self.items.values())

    @property
    def spent(self) -> dict[str, float]:
        """Cost of encoding: tokens of texts, pixels of everything else, usd where there is a price."""
        spent = Counter[str]()
        for modality, work in self._parts:
            spent["tokens" if modality == "text" else "pixels"] += work.cost
        if self.price is None:
            return dict(spent)
        tokens = sum(work.billed or work.cost for _, work in self._parts)
        return {**spent, "usd": round(tokens * self.price / 1e6, 6)}

    @property
    def _parts(self) -> list[tuple[str, Work]]:
        return [part for modalities in self.work.values() for part in modalities.items()]

    @property
    def items_left(self) -> int:
        """Items that a budget left."""
        return self.left.total()

    @property
    def items_per_second(self) -> float:
        """Items embedded a second, over the whole run; 0 where none was."""
        embedded = self.total("embedded")
        return embedded / self.seconds if embedded and self.seconds else 0.0

    def figures(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {
            "encoder": self.encoder,
            "version": self.version,
            "device": self.device,
            "runtime": self.runtime,
            "runtime_reason": self.runtime_reason,
            "items": _plain(self.items),
            "reasons": _plain(self.reasons),
            "warnings": _plain(self.warnings),
            "warned": self.warned,
            "conflicts": list(self.conflicts),
            "shards": sorted(self.shards),
            "work": {
                source: {modality: work.figures() for modality, work in modalities.items()}
                for source, modalities in self.work.items()
            },
            "left": dict(sorted(self.left.items())),
            "stopped": self.stopped,
            "segments_encoded": self.segments_encoded,
            "segments_reused": self.segments_reused,
            "cost": self.cost,
            "spent": self.spent,
            "read_seconds": round(self.read_seconds, 3),
            "encode_seconds": round(self.encode_seconds, 3),
            "write_seconds": round(self.write_seconds, 3),
            "waited_seconds": round(self.waited_seconds, 3),
            "batch_sizes": self.batch_sizes,
            "seconds": round(self.seconds, 3),
            "items_per_second": round(self.items_per_second, 2),
            "commits": self.commits,
        }


def _plain(counters: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: {key: count for key, count in counter.items() if count} for name, counter in counters.items()}
