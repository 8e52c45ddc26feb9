"""Labelled retrieval: nDCG and recall of a release on labelled queries, by item rather than by segment."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from embed_assets.media.files.unicode_names import composed
from embed_assets.quality.metrics.ranking_metrics import Grades, capped_recall_at, ndcg_at, reciprocal_rank
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.recall.ann_answer_cache import ann_answers
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, nearest_items
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_scan import nearest_places
from embed_assets.store.upsert import read

if TYPE_CHECKING:
    from lancedb.table import Table


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Means over the labelled queries that have at least one relevant item in the table."""

    queries: int
    unanswerable: int  # queries whose relevant items are all absent
    unknown: tuple[str, ...]  # relevant keys and labels that no item in the table has
    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float | None  # None where fewer than 100 items were ranked
    mrr: float


def evaluate(
    table: "Table",
    release: Release,
    queries: Sequence[LabelledQuery],
    vectors: np.ndarray,
    *,
    by_exact_search: bool = False,
    depth: int = 10,
) -> Evaluation:
    """Rank items for each query by their best segment and compare them with the relevant ones.

    `vectors` are the encoded queries, (len(queries), dim); `depth` items are ranked at least.
    """
    relevant, unknown = relevant_items(table, queries)
    answerable = np.array([bool(wanted) for wanted in relevant], bool)
    searched = replace(release, ann=release.ann and not by_exact_search)
    answers = ranked_items(table, searched, vectors[answerable], depth=depth)
    scores = [_scores(ranked, wanted) for ranked, wanted in zip(answers, filter(None, relevant), strict=True)]
    means = np.mean(scores, axis=0) if scores else np.zeros(4)
    return Evaluation(
        queries=len(scores),
        unanswerable=len(queries) - len(scores),
        unknown=unknown,
        ndcg_at_10=float(means[0]),
        recall_at_10=float(means[1]),
        recall_at_100=float(means[2]) if depth >= 100 else None,
        mrr=float(means[3]),
    )


def ranked_items(
    table: "Table", release: Release, vectors: np.ndarray, *, depth: int, where: str | None = None
) -> list[list[str]]:
    """Return the media ids that a release ranks for each vector, `depth` at least; vectors are (queries, dim).

    A filter, `where` in Lance's language, is of an exact search.
    """
    limit = depth * SEGMENTS_PER_ITEM
    if release.ann:
        effort = {"nprobes": release.nprobes, "refine_factor": release.refine_factor}
        cached = ann_answers(table, vectors, k=limit, distance=release.distance, **effort)
        ids = [answer.media_ids for answer in cached]
    else:
        _, nearest = nearest_places(table, vectors, k=limit, distance=release.distance, where=where)
        owners = read(table, ["media_id"], where=where)["media_id"].to_pylist()
        ids = [tuple(owners[place] for place in places if place >= 0) for places in nearest.tolist()]
    answers = [list(dict.fromkeys(media_ids)) for media_ids in ids]
    for place, media_ids in enumerate(ids):
        if len(answers[place]) < depth and len(media_ids) == limit:  # a long document filled the rows
            rows = nearest_items(table, vectors[place], release, k=depth, columns=["media_id"], where=where)
            answers[place] = [row["media_id"] for row in rows]
    return answers


def _scores(ranked: list[str], wanted: Grades) -> tuple[float, float, float, float]:
    """Return nDCG at 10, recall at 10 and at 100, and reciprocal rank of one query."""
    return (
        ndcg_at(ranked, wanted, 10),
        capped_recall_at(ranked, wanted, 10),
        capped_recall_at(ranked, wanted, 100),
        reciprocal_rank(ranked[:10], wanted),
    )


def relevant_items(table: "Table", queries: Sequence[LabelledQuery]) -> tuple[list[dict[str, float]], tuple[str, ...]]:
    """Return grades of the judged items in the table by media id, for each query; and names that no item there has.

    They are empty where no relevant item is there; an item of grade 0 is judged to be a bad result. A relevant key is
    an item's, or its source and its key as `embed-assets search` prints them: `docs/1.txt`; or `#ID`. Keys and labels
    are compared in NFC.
    """
    columns = ["media_id", "source", "key"] if any(query.relevant or query.not_relevant for query in queries) else []
    columns += ["labels"] if any(query.relevant_labels for query in queries) else []
    return graded_items(read(table, list(dict.fromkeys(["media_id", *columns]))), queries)


def graded_items(items: pa.Table, queries: Sequence[LabelledQuery]) -> tuple[list[dict[str, float]], tuple[str, ...]]:
    """Return what `relevant_items` does, of items that were read: columns media_id, source, key, labels."""
    keys = {composed(key) for query in queries for key in (*query.relevant, *query.not_relevant)}
    labels = {composed(label) for query in queries for label in query.relevant_labels}
    by_key = _ids_by_key(items, keys) if keys else {}
    by_label = _ids_by_label(items, labels) if labels else {}
    relevant = [_grades(query, by_key, by_label) for query in queries]
    named = [(key, by_key) for query in queries for key in query.relevant]
    named += [(label, by_label) for query in queries for label in query.relevant_labels]
    return relevant, tuple(dict.fromkeys(name for name, ids in named if composed(name) not in ids))


def _grades(query: LabelledQuery, by_key: Mapping[str, set[str]], by_label: Mapping[str, set[str]]) -> dict[str, float]:
    """Return grades by media id; an item that is named twice has its highest."""
    grades: dict[str, float] = {}
    for key, grade in zip(query.relevant, query.grades or repeat(1.0), strict=False):
        for media_id in by_key.get(composed(key), ()):
            grades[media_id] = max(grade, grades.get(media_id, 0.0))
    for label in query.relevant_labels:
        for media_id in by_label.get(composed(label), ()):
            grades.setdefault(media_id, 1.0)
    if not grades:
        return {}
    for key in query.not_relevant:
        for media_id in by_key.get(composed(key), ()):
            grades.setdefault(media_id, 0.0)
    return grades


def _ids_by_key(items: pa.Table, keys: Collection[str]) -> dict[str, set[str]]:
    """Return media ids by relevant key; a key with its source counts only if no item's key is equal to it."""
    plain: dict[str, set[str]] = {}
    qualified: dict[str, set[str]] = {}
    by_id = any(key.startswith("#") for key in keys)
    columns = (items[name].to_pylist() for name in ("media_id", "source", "key"))
    for media_id, source, key in zip(*columns, strict=True):
        name = composed(key)
        if name in keys:
            plain.setdefault(name, set()).add(media_id)
        if (whole := f"{source}/{name}") in keys:
            qualified.setdefault(whole, set()).add(media_id)
        if by_id and (short := _id_of(name)) in keys:
            qualified.setdefault(short, set()).add(media_id)
    return qualified | plain


def _id_of(key: str) -> str:
    """Return `#` and the id of a table's row, or the name of a file without its suffix."""
    file, mark, row = key.rpartition("#")
    return f"#{row if mark else PurePosixPath(file or key).stem}"


def _ids_by_label(items: pa.Table, labels: Collection[str]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = {}
    for row in items.select(["media_id", "labels"]).to_pylist():
        for label in map(composed, row["labels"] or ()):
            if label in labels:
                ids.setdefault(label, set()).add(row["media_id"])
    return ids
