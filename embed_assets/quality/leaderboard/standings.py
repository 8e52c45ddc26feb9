"""Standings: encoders in the order of their quality, the differences between them, and what that says in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from embed_assets.quality.leaderboard.query_scores import MAIN
from embed_assets.quality.metrics.bootstrap import (
    NOT_APART,
    Interval,
    PairedDifference,
    holm,
    interval,
    paired_difference,
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an encoder costs, measured on the sample, and what embedding all items would."""

    dim: int
    bytes_per_item: float  # of its vectors, as the index stores them
    items_per_second: float
    query_ms: float | None  # of encoding one judged query; None: there are labels alone
    price: float | None  # USD a million tokens; None: no price
    license: str
    download_mb: float | None
    items: int  # of the sources that it would embed
    seconds: float  # to embed them, at the sample's speed
    usd: float | None = None  # to embed them; None where there is no price


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One encoder. `scores` are by metric and query."""

    encoder: str
    version: str
    cost: Cost
    failed: int  # items of the sample that it could not encode
    scores: Mapping[str, np.ndarray]
    live: bool = False

    def quality(self) -> dict[str, Interval]:
        """Return means with 95 % intervals by metric."""
        return {metric: interval(values) for metric, values in self.scores.items()}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The better one of two by their means, and whether the difference is beyond noise. `p` is adjusted by Holm."""

    better: str
    worse: str
    found: PairedDifference
    p: float

    @property
    def apart(self) -> bool:
        """Whether they can be distinguished."""
        return self.found.verdict(p=self.p) != NOT_APART

    def in_words(self) -> str:
        """Say it in a sentence."""
        figures = f"{MAIN} {self.found.difference.in_words(self.p, adjusted=True)}"
        if self.apart:
            return f"{self.better} is better than {self.worse} ({figures})."
        needed = self.found.queries_needed
        many = f"; about {needed:,} judged queries would be needed" if needed else ""
        return f"{self.better} and {self.worse} can't be distinguished ({figures}{many})."


@dataclass(frozen=True, kw_only=True)
class VariantLoss:
    """A smaller form of an encoder's vectors: how much smaller, how much worse.

    `p` is adjusted by Holm for the encoder's forms.
    """

    encoder: str
    variant: str
    bytes: int
    smaller: float  # times, than in float32
    ndcg: float
    found: PairedDifference
    p: float

    @property
    def verdict(self) -> str:
        """Whether it is worse or better than the whole, or not distinguishable."""
        return self.found.verdict(p=self.p)


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Encoders by nDCG@10, best first."""

    space: str
    basis: str  # judged queries, labels
    queries: int
    sampled: int  # items
    standings: Sequence[Standing]
    pairs: Sequence[Pair]
    variants: Sequence[VariantLoss] = ()
    seconds: float = 0.0

    def sample(self) -> str:
        """Say what was measured on."""
        return f"{self.queries:,} queries, answered from {self.sampled:,} of {self.standings[0].cost.items:,} items"

    def in_words(self) -> list[str]:
        """Say who is first, and for each other one whether it is worse beyond noise."""
        first = self.standings[0].encoder
        return [pair.in_words() for pair in self.pairs if first in (pair.better, pair.worse)]


def ordered(standings: Sequence[Standing]) -> list[Standing]:
    """Return the encoders by their mean nDCG@10, best first."""
    return sorted(standings, key=lambda each: (-float(each.scores[MAIN].mean()), each.encoder))


def compared_pairs(standings: Sequence[Standing]) -> list[Pair]:
    """Compare every two encoders on the same queries; p values are adjusted for the number of pairs."""
    couples = list(combinations(ordered(standings), 2))
    found = [paired_difference(one.scores[MAIN], other.scores[MAIN]) for one, other in couples]
    adjusted = holm([each.p for each in found])
    return [
        Pair(better=one.encoder, worse=other.encoder, found=difference, p=p)
        for (one, other), difference, p in zip(couples, found, adjusted, strict=True)
    ]


def compared_variants(
    encoder: str, forms: Sequence[tuple[str, int, np.ndarray]], whole: np.ndarray, *, whole_bytes: int
) -> list[VariantLoss]:
    """Compare smaller forms of an encoder's vectors with the whole; p values are adjusted for the number of forms.

    A form is its name, the bytes of a vector, and nDCG@10 of each query; `whole` is nDCG@10 of the same queries.
    """
    found = [paired_difference(scores, whole) for *_, scores in forms]
    adjusted = holm([each.p for each in found])
    return [
        VariantLoss(
            encoder=encoder,
            variant=name,
            bytes=size,
            smaller=whole_bytes / size,
            ndcg=float(scores.mean()),
            found=difference,
            p=p,
        )
        for (name, size, scores), difference, p in zip(forms, found, adjusted, strict=True)
    ]
