"""Filters and facets of the user's own columns: names others have, whole numbers, types that spaces disagree on."""

from pathlib import Path
from typing import Any

import pytest

from embed_assets.search.searcher import Searcher, query_of
from tests.kept import Kept
from tests.support import note, pipeline, run_all

HEADER = "id,body,year,when,kind,and"


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def searcher(tmp_path: Path, words: list[Any], kept: Kept) -> Searcher:
    """Two shops in a space each; of the first `when` is a day and `year` a number, of the second a time and a text."""
    table = {"text": "body", "id": "id", "extra": HEADER.split(",")[2:]}
    encoders = {
        "words": {"model": "words", "sources": ["one"]},
        "others": {"model": "words", "space": "others", "generation": 2, "sources": ["two"]},
    }
    sources = {name: {"uri": str(tmp_path / name), "table": table} for name in ("one", "two")}
    steps = pipeline(tmp_path, sources=sources, encoders=encoders)

    def write_and_run() -> None:
        rows = {
            "one": ["2020,2026-01-02,good,1", "2021,2026-01-03,bad,2"],
            "two": ["old,2026-01-04T12:00:00Z,good,1", "new,2026-01-05T12:00:00Z,good,3"],
        }
        for name, cells in rows.items():
            (tmp_path / name).mkdir()
            lines = [HEADER, *(f"{number},{note(number)},{each}" for number, each in enumerate(cells))]
            (tmp_path / name / "t.csv").write_text("\n".join(lines))
        run_all(steps)

    kept.once("built", write_and_run)
    return Searcher(steps.store)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"year": {"lt": 2020.5}}, 1),
        ({"year": {"gte": 2020.5}}, 1),
        ({"year": 2020.0}, 1),
        ({"year": 2020.5}, 0),
        ({"year": {"ne": 2020.5}}, 2),
        ({"year": {"in": [2020.5, 2021]}}, 1),
        ({"year": {"lt": 1e300}}, 2),
    ],
)
def test_whole_numbers_compare_with_broken_ones(where: dict, found: int, searcher: Searcher) -> None:
    assert len(searcher.search(query_of(parts=[{"text": note(0)}], spaces=["words"], where=where))) == found


def test_days_compare_with_times_of_day(searcher: Searcher) -> None:
    for where, found in (
        ({"when": {"lt": "2026-01-02T12:00:00"}}, 1),
        ({"when": {"gt": "2026-01-02T12:00:00"}}, 1),
        ({"when": {"lte": "2026-01-02"}}, 1),
        ({"when": {"in": ["2026-01-02", "2026-01-03T01:00:00Z"]}}, 1),
    ):
        assert len(searcher.search(query_of(parts=[{"text": note(0)}], spaces=["words"], where=where))) == found, where


def test_an_empty_list_of_labels_is_none(searcher: Searcher) -> None:
    for exists, found in ((False, 4), (True, 0)):
        where = {"label": {"exists": exists}}
        assert len(searcher.search(query_of(parts=[{"text": note(0)}], where=where))) == found


def test_a_column_that_is_called_as_another_has_a_longer_name(searcher: Searcher) -> None:
    for where, found in (({"kind": "chunk"}, 4), ({"extra_kind": "good"}, 3), ({"extra_and": {"gte": 2}}, 2)):
        assert len(searcher.search(query_of(parts=[{"text": note(0)}], where=where))) == found
    facets = searcher.facets()
    assert facets["extra_kind"]["values"] == {"good": 3, "bad": 1}
    assert "kind" not in facets


def test_facets_of_columns_whose_types_differ_by_space(searcher: Searcher) -> None:
    facets = searcher.facets(spaces=["words", "others"])
    assert (facets["when"]["min"], facets["when"]["max"]) == ("2026-01-02", "2026-01-05T12:00:00+00:00")
    assert facets["year"] == {"type": "number", "min": 2020, "max": 2021, "items": 2}
