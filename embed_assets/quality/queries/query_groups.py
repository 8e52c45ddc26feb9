"""Query groups: the labels, sources and modalities that a query is about, and a filter that its answer fulfils."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from embed_assets.quality.leaderboard.judgements import LABELS, Judgements
from embed_assets.quality.metrics.ranking_metrics import Grades

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueryFilter:
    """Only items with this value of a column."""

    column: Literal["label", "source", "modality"]
    value: str

    def keeps(self, row: Row) -> bool:
        """Return whether an item fulfils it; of its row source, modality and labels are read."""
        return self.value in (row["labels"] or ()) if self.column == "label" else row[self.column] == self.value


def groups_of_queries(rows: pa.Table, judged: Judgements) -> dict[str, list[list[str]]]:
    """Return the labels, sources and modalities of each query's relevant items, or of the item that it is."""
    by_id = {row["media_id"]: row for row in rows.to_pylist()}
    about = [[name] for name in judged.items] if judged.items else [list(grades) for grades in judged.grades]
    relevant = [
        [by_id[name] for name in names if judged.items or grades[name] > 0]
        for names, grades in zip(about, judged.grades, strict=True)
    ]
    return {
        "label": [sorted({label for row in found for label in row["labels"] or ()}) for found in relevant],
        "source": [sorted({row["source"] for row in found}) for found in relevant],
        "modality": [sorted({row["modality"] for row in found}) for found in relevant],
    }


def query_filters(rows: pa.Table, judged: Judgements) -> list[QueryFilter | None]:
    """Return for each query a filter that its first relevant item fulfils: the best one, of several that by media id.

    By a label of it, else its source, else its modality, whichever divides the items. A label that makes items relevant
    is no filter: only answers would be left. None where nothing divides the items.
    """
    by_id = {row["media_id"]: row for row in rows.to_pylist()}
    divides = {column for column in ("source", "modality") if len({row[column] for row in by_id.values()}) > 1}
    return [
        _filter(by_id[_best(grades)], divides, by_label=_by_label(judged, place))
        for place, grades in enumerate(judged.grades)
    ]


def kept_grades(grades: Grades, chosen: QueryFilter, by_id: Mapping[str, Row]) -> Grades:
    """Return the grades of the items that fulfil a filter: what it leaves out can't be found."""
    return {name: grade for name, grade in grades.items() if chosen.keeps(by_id[name])}


def _best(grades: Grades) -> str:
    return min(grades, key=lambda name: (-grades[name], name))


def _by_label(judged: Judgements, place: int) -> bool:
    return judged.basis != LABELS and not judged.queries[place].relevant_labels


def _filter(row: Row, divides: set[str], *, by_label: bool) -> QueryFilter | None:
    if by_label and row["labels"]:
        return QueryFilter("label", row["labels"][0])
    if "source" in divides:
        return QueryFilter("source", row["source"])
    return QueryFilter("modality", row["modality"]) if "modality" in divides else None
