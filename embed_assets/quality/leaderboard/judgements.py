"""Judgements of a sample: those of the space's query set, else its items' labels, each item being a query."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from embed_assets.quality.labelled_retrieval import graded_items
from embed_assets.quality.metrics.ranking_metrics import Grades
from embed_assets.quality.queries.labelled_queries import LabelledQuery

JUDGED, LABELS = "judged queries", "labels"
_MOST_LABELLED = 500  # items that are queries


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """Queries that can be answered by the sample, and what is relevant to them.

    `basis` says where they come from. By labels each query is an item, in `items`, and its answers are the others that
    share a label with it.
    """

    basis: str
    grades: Sequence[Grades]
    queries: Sequence[LabelledQuery] = ()
    items: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.grades)


def judgements_of(sample: pa.Table, labelled: Sequence[LabelledQuery]) -> Judgements | None:
    """Return the judgements of a sample, columns media_id, source, key, labels; None where nothing can be judged by."""
    if labelled:
        grades, _ = graded_items(sample, labelled)
        answered = [place for place, wanted in enumerate(grades) if wanted]
        if answered:
            chosen = [labelled[place] for place in answered]
            return Judgements(basis=JUDGED, grades=[grades[place] for place in answered], queries=chosen)
    return _by_labels(sample)


def _by_labels(sample: pa.Table) -> Judgements | None:
    holders: dict[str, set[str]] = {}
    rows = sample.select(["media_id", "labels"]).to_pylist()
    for row in rows:
        for label in row["labels"] or ():
            holders.setdefault(label, set()).add(row["media_id"])
    grades: dict[str, Grades] = {}
    for row in rows:
        alike = set[str]().union(*(holders[label] for label in row["labels"] or ())) - {row["media_id"]}
        if alike:
            grades[row["media_id"]] = dict.fromkeys(sorted(alike), 1.0)
    if not grades:
        return None
    names = sorted(grades)
    places = np.unique(np.linspace(0, len(names) - 1, min(_MOST_LABELLED, len(names))).astype(int))
    chosen = [names[place] for place in np.random.default_rng(0).permutation(len(names))[: len(places)]]
    return Judgements(basis=LABELS, grades=[grades[name] for name in chosen], items=chosen)
