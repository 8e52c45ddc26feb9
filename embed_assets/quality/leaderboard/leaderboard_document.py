"""A leaderboard as JSON-able values, with their types."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from typing_extensions import TypedDict  # pydantic's demand below Python 3.12

from embed_assets.quality.leaderboard.standings import Leaderboard


class IntervalDocument(TypedDict):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class StandingDocument(TypedDict):
    """One encoder: quality by metric, and cost."""

    encoder: str
    version: str
    live: bool
    failed: int
    quality: dict[str, IntervalDocument]
    dim: int
    bytes_per_item: float
    items_per_second: float
    query_ms: float | None
    price: float | None
    license: str
    download_mb: float | None
    items: int
    seconds: float
    usd: float | None


class PairDocument(TypedDict):
    """Two encoders: the one with the better mean, and whether they can be distinguished."""

    better: str
    worse: str
    distinguishable: bool
    p: float  # adjusted for the number of pairs
    difference: IntervalDocument
    queries_needed: int | None


VariantDocument = TypedDict(
    "VariantDocument",
    {
        "encoder": str,
        "variant": str,
        "bytes": int,
        "smaller": float,
        "ndcg@10": float,
        "difference": IntervalDocument,
        "p": float,  # adjusted for the number of forms
        "verdict": str,
    },
)
VariantDocument.__doc__ = "A smaller form of an encoder's vectors, against the whole."


class LeaderboardDocument(TypedDict):
    """Output of `embed-assets compare --json`."""

    space: str
    basis: str
    queries: int
    sampled: int
    encoders: list[StandingDocument]
    pairs: list[PairDocument]
    variants: list[VariantDocument]
    in_words: list[str]
    seconds: float


def leaderboard_document(found: Leaderboard) -> LeaderboardDocument:
    """Return the leaderboard's figures, rounded to four digits."""
    return {
        "space": found.space,
        "basis": found.basis,
        "queries": found.queries,
        "sampled": found.sampled,
        "encoders": [
            cast(
                "StandingDocument",
                {
                    "encoder": each.encoder,
                    "version": each.version,
                    "live": each.live,
                    "failed": each.failed,
                    "quality": {metric: _rounded(asdict(spread)) for metric, spread in each.quality().items()},
                    **_rounded(asdict(each.cost)),
                },
            )
            for each in found.standings
        ],
        "pairs": [
            {
                "better": pair.better,
                "worse": pair.worse,
                "distinguishable": pair.apart,
                "p": round(pair.p, 4),
                "difference": _interval(pair.found.difference),
                "queries_needed": pair.found.queries_needed,
            }
            for pair in found.pairs
        ],
        "variants": [
            {
                "encoder": each.encoder,
                "variant": each.variant,
                "bytes": each.bytes,
                "smaller": round(each.smaller, 1),
                "ndcg@10": round(each.ndcg, 4),
                "difference": _interval(each.found.difference),
                "p": round(each.p, 4),
                "verdict": each.verdict,
            }
            for each in found.variants
        ],
        "in_words": found.in_words(),
        "seconds": found.seconds,
    }


def _interval(spread: Any) -> IntervalDocument:
    return cast("IntervalDocument", _rounded(asdict(spread)))


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
