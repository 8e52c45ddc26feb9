"""Noise report: recall@1 of disturbed copies and nDCG@10 by labels, against the same queries undisturbed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.quality.leaderboard.rank_items import rank_items
from embed_assets.quality.metrics.bootstrap import (
    NOT_APART,
    WORSE,
    Interval,
    PairedDifference,
    holm,
    interval,
    paired_difference,
)
from embed_assets.quality.metrics.ranking_metrics import Grades, ndcg_at


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A metric under a disturbance, and what it lost against the same queries undisturbed."""

    under: Interval
    difference: Interval
    p: float  # adjusted for the disturbances of the encoder (Holm)
    verdict: str  # worse, better, not distinguishable


@dataclass(frozen=True, kw_only=True)
class NoiseRow:
    """One encoder under one disturbance: a disturbed copy of an item is the query.

    `recall_at_1`: it finds the item that it is a copy of. `ndcg_at_10`: it finds the others of the item's label; null
    where no two items share one.
    """

    encoder: str
    version: str
    modality: str
    disturbance: str
    queries: int
    recall_at_1: Loss
    ndcg_at_10: Loss | None


@dataclass(frozen=True, kw_only=True)
class NoiseReport:
    """Encoders under everything that happens to their kind of media, on one sample of items."""

    sampled: int
    items: int  # that the sample is of
    rows: tuple[NoiseRow, ...]
    seconds: float = 0.0

    def in_words(self) -> list[str]:
        """Say for each encoder what costs it most, and what else costs more than chance explains."""
        encoders = dict.fromkeys(row.encoder for row in self.rows)
        return [_in_words(name, [row for row in self.rows if row.encoder == name]) for name in encoders]

    def sample(self) -> str:
        """Say what was measured on."""
        return f"{self.sampled:,} of {self.items:,} items"


def _in_words(encoder: str, rows: Sequence[NoiseRow]) -> str:
    hurt = [row for row in rows if row.recall_at_1.verdict == WORSE]
    if not hurt:
        return f"{encoder}: nothing costs it more originals than chance explains."
    worst = min(hurt, key=lambda row: row.recall_at_1.difference.mean)
    others = ", ".join(row.disturbance for row in hurt if row is not worst)
    also = f"Also more than chance explains: {others}." if others else "Nothing else costs more than chance explains."
    recall = worst.recall_at_1
    return (
        f"{encoder}: recall@1 falls most under {worst.disturbance}, to {recall.under.mean:.3f} "
        f"({recall.difference.mean:+.3f}). {also}"
    )


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Vectors of items of one modality, one each, and of their copies by what happened to them: float32 (items, dim).

    `undisturbed` are copies that nothing happened to, encoded as queries are.
    """

    modality: str
    media_ids: Sequence[str]
    originals: np.ndarray
    undisturbed: np.ndarray
    disturbed: Mapping[str, np.ndarray]


def noise_rows(
    encoder: str, version: str, copies: Copies, grades: Mapping[str, Grades], *, distance: str
) -> list[NoiseRow]:
    """Compare each disturbance with the undisturbed copies, query by query; `grades` by media id, of those with any."""
    clean = _scores(copies, copies.undisturbed, grades, distance)
    found = {name: _scores(copies, vectors, grades, distance) for name, vectors in copies.disturbed.items()}
    losses = [_losses([scores[metric] for scores in found.values()], clean[metric]) for metric in (0, 1)]
    return [
        NoiseRow(
            encoder=encoder,
            version=version,
            modality=copies.modality,
            disturbance=name,
            queries=len(copies.media_ids),
            recall_at_1=recall,
            ndcg_at_10=ndcg if len(clean[1]) else None,
        )
        for name, recall, ndcg in zip(found, *losses, strict=True)
    ]


def _scores(
    copies: Copies, queries: np.ndarray, grades: Mapping[str, Grades], distance: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each query finds its original first, and nDCG@10 by label without it."""
    names, vectors = copies.media_ids, copies.originals
    first = rank_items(queries, vectors, names, distance=distance, depth=1)
    hits = np.array([found[:1] == [name] for found, name in zip(first, names, strict=True)], dtype=float)
    judged = [place for place, name in enumerate(names) if grades.get(name)]
    own = [names[place] for place in judged]
    ranked = rank_items(queries[judged], vectors, names, distance=distance, depth=10, excluded=own)
    return hits, np.array([ndcg_at(found, grades[name], 10) for found, name in zip(ranked, own, strict=True)])


def _losses(found: Sequence[np.ndarray], clean: np.ndarray) -> list[Loss]:
    differences = [paired_difference(scores, clean) for scores in found]
    adjusted = holm([each.p for each in differences])
    return [_loss(*each) for each in zip(found, differences, adjusted, strict=True)]


def _loss(scores: np.ndarray, found: PairedDifference, p: float) -> Loss:
    verdict = found.verdict(p=p) if found.difference.mean else NOT_APART
    return Loss(under=interval(scores).rounded(), difference=found.difference.rounded(), p=round(p, 4), verdict=verdict)
