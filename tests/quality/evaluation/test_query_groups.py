"""Query filters: by a label, else a source, else a modality of the item that was judged best; what they keep counts."""

import pyarrow as pa
import pytest

from embed_assets.quality.leaderboard.judgements import judgements_of
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_groups import QueryFilter, groups_of_queries, kept_grades, query_filters

ROWS = [
    {"media_id": "1", "source": "a", "key": "1.txt", "labels": ["x", "y"], "modality": "text"},
    {"media_id": "2", "source": "a", "key": "2.txt", "labels": [], "modality": "text"},
    {"media_id": "3", "source": "b", "key": "3.png", "labels": None, "modality": "image"},
    {"media_id": "4", "source": "b", "key": "4.png", "labels": ["x"], "modality": "image"},
]


def items(*places: int) -> pa.Table:
    schema = pa.schema(
        [(name, pa.string()) for name in ("media_id", "source", "key", "modality")]
        + [("labels", pa.list_(pa.string()))]
    )
    return pa.Table.from_pylist([ROWS[place] for place in places], schema=schema)


def filters(table: pa.Table, *queries: LabelledQuery) -> list[QueryFilter | None]:
    judged = judgements_of(table, queries)
    assert judged is not None
    return query_filters(table, judged)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (LabelledQuery(query="q", relevant=("1.txt",)), QueryFilter("label", "x")),
        (LabelledQuery(query="q", relevant=("2.txt",)), QueryFilter("source", "a")),
        (LabelledQuery(query="q", relevant=("2.txt", "4.png"), grades=(1, 2)), QueryFilter("label", "x")),
        (LabelledQuery(query="q", relevant_labels=("x",)), QueryFilter("source", "a")),
    ],
)
def test_the_filter_is_by_what_narrows_the_item_that_was_judged_best(query: LabelledQuery, expected: QueryFilter):
    assert filters(items(0, 1, 2, 3), query) == [expected]


def test_without_labels_and_several_sources_the_modality_narrows_and_else_nothing():
    query = LabelledQuery(query="q", relevant=("3.png",))
    other = ROWS[1] | {"source": "b"}
    table = pa.concat_tables([items(2), pa.Table.from_pylist([other], schema=items(2).schema)])
    assert filters(table, query) == [QueryFilter("modality", "image")]
    assert filters(items(2), query) == [None]


def test_queries_made_from_labels_are_not_narrowed_by_them():
    assert set(filters(items(0, 1, 3))) == {QueryFilter("source", "a"), QueryFilter("source", "b")}
    assert filters(items(0, 3).set_column(1, "source", [["a", "a"]])) == [
        QueryFilter("modality", "image"),
        QueryFilter("modality", "text"),
    ]


def test_judged_items_outside_a_filter_do_not_count():
    by_id = {row["media_id"]: row for row in ROWS}
    grades = {"1": 2.0, "2": 0.0, "3": 1.0, "4": 1.0}
    assert kept_grades(grades, QueryFilter("source", "a"), by_id) == {"1": 2.0, "2": 0.0}
    assert kept_grades(grades, QueryFilter("label", "x"), by_id) == {"1": 2.0, "4": 1.0}
    assert kept_grades(grades, QueryFilter("modality", "image"), by_id) == {"3": 1.0, "4": 1.0}


def test_groups_are_those_of_the_relevant_items():
    judged = judgements_of(items(0, 1, 2, 3), [LabelledQuery(query="q", relevant=("1.txt", "3.png"))])
    assert judged is not None
    assert groups_of_queries(items(0, 1, 2, 3), judged) == {
        "label": [["x", "y"]],
        "source": [["a", "b"]],
        "modality": [["image", "text"]],
    }


def test_some_of_many_queries_are_the_same_ones_each_time():
    judged = judgements_of(items(0, 1, 2, 3), [LabelledQuery(query=f"q{n}", relevant=("1.txt",)) for n in range(50)])
    assert judged is not None
    few = judged.some(7)
    assert len(few) == len(few.queries) == 7 and few == judged.some(7)
    assert [judged.queries.index(each) for each in few.queries] == sorted(judged.queries.index(q) for q in few.queries)
    assert judged.some(50) is judged
