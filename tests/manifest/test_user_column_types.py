"""Types of user columns over several sources, and what is said where their values disagree."""

import json
from typing import Any

from embed_assets.manifest.user_column_types import ColumnTypes, column_types
from embed_assets.settings import SourceSettings
from embed_assets.store.source_state import SourceState
from embed_assets.store.store import Store
from embed_assets.store.user_columns import MOST_COLUMNS


def types(folder: Any, sidecar: str | None = None, **sources: dict[str, dict[str, int]]) -> ColumnTypes:
    """The types of sources of which each is given as column → kind → values."""
    manifest = Store(str(folder)).manifest
    for name, kinds in sources.items():
        manifest.write_state(name, SourceState(columns=json.dumps({"rows": 1, "kinds": kinds})))
    settings = {name: SourceSettings(uri=str(folder), sidecar=sidecar) for name in sources}
    return column_types(manifest, settings)


def test_the_type_holds_the_values_of_all_sources(tmp_path):
    seen = types(tmp_path, shop={"price": {"int": 3}, "day": {"date": 1}}, catalog={"price": {"float": 1}})
    assert seen == ColumnTypes(kinds={"price": "float", "day": "date"})


def test_a_conflict_names_what_each_source_has(tmp_path):
    seen = types(
        tmp_path,
        shop={"price": {"int": 3}, "size": {"int": 1, "text": 1}, "sold": {"bool": 2}},
        catalog={"price": {"text": 1}, "sold": {"int": 1}},
        archive={"price": {"text": 1}},
    )
    assert seen.kinds == {"price": "text", "sold": "text", "size": "text"}
    assert seen.conflicts == (
        "price: numbers in shop, text in catalog and archive: kept as text",
        "sold: true or false in shop, numbers in catalog: kept as text",
        "size: numbers and text in shop: kept as text",
    )


def test_titles_of_which_one_is_a_number_are_no_conflict(tmp_path):
    assert types(tmp_path, books={"title": {"int": 1, "text": 99}}).conflicts == ()


def test_a_csv_sidecar_says_numbers_as_text_and_json_lines_do_not(tmp_path):
    counts = {"year": {"written int": 5}}
    assert types(tmp_path / "a", "labels.csv", notes=counts).kinds == {"year": "int"}
    assert types(tmp_path / "b", "labels.jsonl", notes=counts).kinds == {"year": "text"}


def test_names_that_are_almost_one_and_too_many_names_are_named(tmp_path):
    many = {f"c{number}": {"int": 1} for number in range(MOST_COLUMNS)}
    seen = types(
        tmp_path, shop={"Price": {"int": 2}, "price": {"int": 1}, "a.b": {"int": 1}, "a_b": {"int": 1}, **many}
    )
    assert seen.conflicts == (
        "'Price', 'price': almost one name: kept as columns of their own",
        "'a.b', 'a_b': almost one name: kept as columns of their own",
        f"4 more columns: only the {MOST_COLUMNS} with most values can be searched",
    )
