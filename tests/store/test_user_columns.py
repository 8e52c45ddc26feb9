"""User columns of a vector table: names that Lance can hold, types, values that do not fit, other runs meanwhile."""

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.store.store import Store
from embed_assets.store.user_columns import (
    MOST_COLUMNS,
    ItemFacts,
    column_values,
    pending_fields,
    user_columns,
    with_user_columns,
)
from embed_assets.store.vectors import described_columns, vector_schema
from embed_assets.store.versions import VersionId
from tests.support import vector_rows, vector_table

SCHEMA = vector_schema(VersionId("words", "v1"), dim=8, dtype="float32", distance="cosine")


def test_names_that_lance_can_not_hold_or_that_are_alike_get_columns_of_their_own():
    schema = with_user_columns(SCHEMA, dict.fromkeys(["a.b", "a_b", "A_B", "in stock", "näme", "`x`\n", ""], "text"))
    columns = {name: field.name for name, field in user_columns(schema).items()}
    assert columns == {
        "a.b": "extra_a_b",
        "a_b": "extra_a_b_2",
        "A_B": "extra_A_B_3",
        "in stock": "extra_in stock",
        "näme": "extra_näme",
        "`x`\n": "extra__x__",
        "": "extra_",
    }
    assert described_columns(schema)["extra_a_b"] == "User column a.b, from the sidecar or table."


def test_a_column_keeps_its_place_and_is_replaced_only_where_its_values_do_not_fit():
    schema = with_user_columns(SCHEMA, {"price": "float", "taken": "time", "name": "text", "old": "int"})
    assert pending_fields(schema, {"price": "int", "taken": "date", "name": "text"}) == []
    changed = pending_fields(schema, {"price": "text", "taken": "time", "name": "int"})
    assert [(field.name, field.type) for field in changed] == [
        ("extra_price", pa.string()),
        ("extra_name", pa.int64()),
    ]


def test_a_table_has_a_bounded_number_of_user_columns():
    schema = with_user_columns(SCHEMA, {f"c{number}": "int" for number in range(MOST_COLUMNS + 10)})
    assert len(user_columns(schema)) == MOST_COLUMNS
    assert pending_fields(schema, {"another": "int"}) == []


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        ("int", "12", 12),
        ("int", "a dozen", None),
        ("int", 1.0, 1),
        ("int", 1.5, None),
        ("int", 2**70, None),
        ("int", True, None),
        ("float", 3, 3.0),
        ("bool", "TRUE", True),
        ("bool", 1, None),
        ("text", 1.5, "1.5"),
        ("text", {"a": [1]}, '{"a": [1]}'),
        ("text", "x" * 5000, "x" * 2047 + "…"),
        ("text", "half \ud800", "half ?"),
        ("time", "2024-13-01", None),
        ("date", "", None),
    ],
)
def test_a_value_is_held_as_its_column_can_or_not_at_all(kind, value, held):
    import json

    fields = user_columns(with_user_columns(SCHEMA, {"c": kind}))
    values = column_values(fields, ItemFacts(json.dumps({"c": value}), None))
    assert values == {"extra_c": held, "modified": None}
    pa.array([values["extra_c"]], fields["c"].type)


def test_rows_are_written_again_where_another_run_adds_a_column_meanwhile(tmp_path):
    store = Store(str(tmp_path))
    table = vector_table(store, np.eye(2, 8))
    seen = []

    def write(schema: pa.Schema) -> None:
        seen.append(user_columns(schema))
        rows = vector_rows(schema, np.eye(1, 8), media_id=["new"], extra_price=[2.5])
        if not seen[0] and len(seen) == 1:
            store.open(table.name).add_columns(pending_fields(schema, {"price": "float"}))
        table.replace_items(rows, replaced=())

    table.write_as_it_is(write)
    rows = table.read(["media_id", "extra_price"], where="media_id = 'new'")
    assert rows is not None
    assert rows.to_pylist() == [{"media_id": "new", "extra_price": 2.5}]
    assert len(seen) == 2
