"""Similarity judgements: pairs of texts that people gave a score, and how far cosines rank them alike.

Spearman's correlation, as semantic textual similarity is measured by (Cer et al., 2017, arXiv:1708.00055).
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.errors import SettingsError
from embed_assets.quality.metrics.bootstrap import Interval

FEWEST = 3  # pairs: of two every order is perfect
_MOST = 5000  # pairs, the others are left out at random
_DRAWS = 1000
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, and how similar people find them: the higher, the more."""

    a: str
    b: str
    score: float


@dataclass(frozen=True, kw_only=True)
class SimilarityAgreement:
    """Spearman's correlation of cosine and score over pairs, with a 95 % interval by resampling the pairs."""

    pairs: int
    spearman: Interval

    def in_words(self) -> str:
        """Say it in a sentence."""
        return (
            f"Cosines order {self.pairs:,} judged pairs as people do by {self.spearman.mean:.3f} (Spearman, 95 % from "
            f"{self.spearman.low:.3f} to {self.spearman.high:.3f})."
        )


def read_pairs(path: str | Path) -> list[Pair]:
    """Read a JSONL, .csv or .tsv file of pairs with the fields a, b and score; 5,000 of more, drawn at random.

    Raises SettingsError naming file, line and field, or where there is nothing to rank: fewer than three pairs, or all
    of one score.
    """
    file = Path(path)
    if not file.is_file():
        raise SettingsError(f"Similarity judgements {str(path)!r} do not exist. Name a JSONL, .csv or .tsv file.")
    rows = _table_rows(file) if file.suffix.lower() in _DELIMITERS else _json_rows(file)
    pairs = [_pair(row, f"{path}:{number}") for number, row in rows]
    scores = {pair.score for pair in pairs}
    if len(pairs) < FEWEST or len(scores) < 2:
        raise SettingsError(
            f"{path}: {len(pairs)} pairs with {len(scores)} different scores; a correlation needs {FEWEST} pairs at "
            "least, and two scores."
        )
    chosen = np.sort(np.random.default_rng(0).permutation(len(pairs))[:_MOST])
    return [pairs[place] for place in chosen]


def agreement(one: np.ndarray, other: np.ndarray, scores: Sequence[float]) -> SimilarityAgreement:
    """Compare the cosines of vectors, float (n, dim) each, with the scores of their pairs."""
    left, right = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (one, other))
    cosines, judged = (left * right).sum(axis=1), np.asarray(scores, dtype=float)
    random, drawn = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        places = random.integers(0, len(judged), len(judged))
        drawn.append(spearman(cosines[places], judged[places]))
    low, high = np.quantile(np.nan_to_num(drawn), (0.025, 0.975))  # equal cosines say nothing: 0
    spread = Interval(mean=float(np.nan_to_num(spearman(cosines, judged))), low=float(low), high=float(high))
    return SimilarityAgreement(pairs=len(judged), spearman=spread.rounded())


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of the ranks of two, float (n,); equal values share their mean rank; NaN of constants."""
    left, right = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other)))
    length = math.sqrt(float(left @ left) * float(right @ right))
    return float(left @ right) / length if length else math.nan


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places]


def _json_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except json.JSONDecodeError as error:
            raise SettingsError(f"{file}:{number}: not JSON: {error}") from error
        if not isinstance(row, Mapping):
            raise SettingsError(f"{file}:{number}: expected an object with a, b and score.")
        yield number, row


def _table_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter=_DELIMITERS[file.suffix.lower()])
        for row in rows:
            yield rows.line_num, row


def _pair(row: Mapping[str, Any], where: str) -> Pair:
    for name in ("a", "b"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise SettingsError(f"{where}: {name}: expected a text.")
    written = row.get("score")
    try:
        score = float(written) if not isinstance(written, bool) else math.nan  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise SettingsError(f"{where}: score: {written!r} is no number.")
    return Pair(row["a"], row["b"], score)
