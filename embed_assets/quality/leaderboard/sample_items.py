"""Sample of a space's items: what the judged queries are about first, then others at random."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from embed_assets.quality.labelled_retrieval import graded_items
from embed_assets.quality.queries.labelled_queries import LabelledQuery

COLUMNS = ("media_id", "source", "key", "labels")


def sample_items(items: pa.Table, labelled: Sequence[LabelledQuery], count: int) -> list[str]:
    """Return media ids of `count` of the items, columns of COLUMNS; seeded, so that it repeats.

    Up to half are items that are judged for some query; what is left is random, so that there are wrong answers too.
    """
    judged = _judged(items, labelled)
    random = np.random.default_rng(0)
    ids: list[str] = sorted(items["media_id"].to_pylist())
    if len(ids) <= count:
        return ids
    first = _some(sorted(judged), count - count // 2, random)
    rest = _some([name for name in ids if name not in set(first)], count - len(first), random)
    return sorted([*first, *rest])


def _judged(items: pa.Table, labelled: Sequence[LabelledQuery]) -> set[str]:
    """Return the items that are judged by their names; of relevant labels there may be as many as there are items."""
    named = [query for query in labelled if query.relevant or query.not_relevant]
    grades, _ = graded_items(items, named) if named else ([], ())
    return set[str]().union(*grades)


def _some(names: list[str], count: int, random: np.random.Generator) -> list[str]:
    if len(names) <= count:
        return names
    return [names[place] for place in random.choice(len(names), size=count, replace=False)]
