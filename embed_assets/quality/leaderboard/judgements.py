"""Judgements of a sample: those of the space's query set, else its items' labels, each item being a query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from embed_assets.quality.labelled_retrieval import graded_items
from embed_assets.quality.metrics.ranking_metrics import Grades
from embed_assets.quality.queries.labelled_queries import LabelledQuery

JUDGED, LABELS = "judged queries", "labels"
_MOST_LABELLED = 500  # items that are queries
_MOST_RELEVANT = 2_000_000  # over all queries by labels: 100 MB; fewer queries where labels have very many items


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

    def some(self, count: int) -> "Judgements":
        """Return `count` of the queries at random, in their order; seeded, so that it repeats."""
        if count >= len(self):
            return self
        places = sorted(np.random.default_rng(0).permutation(len(self))[:count].tolist())
        return replace(
            self,
            grades=[self.grades[place] for place in places],
            queries=[self.queries[place] for place in places] if self.queries else (),
            items=[self.items[place] for place in places] if self.items else (),
        )


def judgements_of(
    sample: pa.Table, labelled: Sequence[LabelledQuery], *, most_labelled: int = _MOST_LABELLED
) -> Judgements | None:
    """Return the judgements of a sample, columns media_id, source, key, labels; None where nothing can be judged by.

    By labels there are `most_labelled` queries at most, spread over all items that share one with another.
    """
    if labelled:
        grades, _ = graded_items(sample, labelled)
        answered = [place for place, wanted in enumerate(grades) if wanted]
        if answered:
            chosen = [labelled[place] for place in answered]
            return Judgements(basis=JUDGED, grades=[grades[place] for place in answered], queries=chosen)
    return _by_labels(sample, most_labelled)


def _by_labels(sample: pa.Table, most: int) -> Judgements | None:
    holders: dict[str, set[str]] = {}
    rows = sample.select(["media_id", "labels"]).to_pylist()
    for row in rows:
        for label in row["labels"] or ():
            holders.setdefault(label, set()).add(row["media_id"])
    labels = {row["media_id"]: [label for label in row["labels"] or () if len(holders[label]) > 1] for row in rows}
    names = sorted(name for name, shared in labels.items() if shared)
    if not names:
        return None
    chosen, grades, relevant = list[str](), list[Grades](), 0
    for place in np.random.default_rng(0).permutation(len(names))[:most]:
        alike = set[str]().union(*(holders[label] for label in labels[names[place]])) - {names[place]}
        relevant += len(alike)
        if chosen and relevant > _MOST_RELEVANT:
            break
        chosen.append(names[place])
        grades.append(dict.fromkeys(sorted(alike), 1.0))
    return Judgements(basis=LABELS, grades=grades, items=chosen)
