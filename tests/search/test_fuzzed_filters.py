"""Filters of search with any text: what has the label is found, nothing else is, and nothing is injected."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embed_assets.search.compile_filter import compile_filter
from embed_assets.search.filters import both, parse_filter
from embed_assets.store.store import Store
from embed_assets.store.upsert import one_of, quoted
from tests.fuzzing import fuzzed
from tests.support import vector_table

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_HOSTILE = "x') OR 1=1 --"


@given(label=_TEXTS, other=_TEXTS)
@example(label=_HOSTILE, other="'")
@example(label="\\'", other='"')
@example(label="\0", other="\n")
@fuzzed(40)
def test_a_label_finds_the_rows_that_have_it(label: str, other: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(str(tmp_path_factory.mktemp("filters")))
    vector_table(store, np.eye(3, 8), labels=[[label], [other], []], source=["a", label, other])
    table = store.open("words__v1")
    had = [[label], [other], []]
    assert table.count_rows(f"array_has(labels, {quoted(label)})") == sum(label in labels for labels in had)
    assert table.count_rows(one_of("source", [label])) == ["a", label, other].count(label)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Rows of two tenants, by source."""
    store = Store(str(tmp_path_factory.mktemp("tenants")))
    vector_table(store, np.eye(2, 8), source=["mine", "theirs"], text=["it's \\' mine", "theirs"])
    return store.open("words__v1")


@pytest.mark.parametrize("comparison", ["eq", "ne", "in", "contains", "prefix", "lt", "gte"])
@given(text=st.text("\\'\"`)( OR1=-a;/*", max_size=20))
@example(text="\\') OR 1=1) --")
@example(text="\\')) OR 1=1 --")
@example(text="\\' OR 1=1 --")
@example(text="''")
@example(text="\\")
@fuzzed(20)
def test_no_text_of_a_filter_reaches_rows_of_another(comparison: str, text: str, table: Any) -> None:
    held = "it's \\' mine"
    holds = {
        "eq": held == text,
        "ne": held != text,
        "in": text == held,
        "contains": text.lower() in held,
        "prefix": held.startswith(text),
        "lt": held < text,
        "gte": held >= text,
    }
    asked = parse_filter({"text": {comparison: [text] if comparison == "in" else text}})
    mine = parse_filter({"source": "mine"})
    for tree in (both(asked, mine), both(mine, asked)):
        assert tree is not None
        assert table.count_rows(compile_filter(tree, table.schema)) == holds[comparison]
