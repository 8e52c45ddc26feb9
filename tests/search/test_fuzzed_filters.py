"""Filters of search with any text: what has the label is found, nothing else is, and nothing is injected."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
