"""Kinds of values: by their type in JSON, by their form as text, and of a whole column."""

from typing import Any

import pytest

from embed_assets.media.cells.value_kinds import common_kind, kind_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, None),
        ("", None),
        (True, "bool"),
        (3, "int"),
        (2**64, "float"),
        (0.5, "float"),
        ([1], "nested"),
        ({"a": 1}, "nested"),
        ("words", "text"),
        ("12", "written int"),
        ("-7", "written int"),
        ("01234", "text"),
        ("12345678901234567890", "text"),
        ("1.50", "written float"),
        (".5", "written float"),
        ("-1e-3", "written float"),
        ("12e4567", "text"),
        ("1.2.3", "text"),
        ("1,5", "text"),
        ("nan", "text"),
        ("١٢", "text"),
        ("TRUE", "written bool"),
        ("yes", "text"),
        ("2024-05-01", "date"),
        ("2024-02-31", "text"),
        ("2024-05-01T10:00:00.123456+00:00", "time"),
        ("2024-05-01 10:00", "time"),
        ("2024-05-01T25:00:00", "text"),
        ("12-05-2024", "text"),
    ],
)
def test_the_kind_of_a_value(value: Any, kind: str | None) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("kinds", "written", "of_json"),
    [
        (["written int"], "int", "text"),
        (["written int", "written float"], "float", "text"),
        (["written int", "text"], "text", "text"),
        (["int", "float"], "float", "float"),
        (["int", "written int"], "int", "text"),
        (["date", "time"], "time", "time"),
        (["bool", "int"], "text", "text"),
        (["nested"], "text", "text"),
        ([], None, None),
    ],
)
def test_the_kind_of_a_column_holds_all_its_values(kinds: list[str], written: str | None, of_json: str | None) -> None:
    assert common_kind(kinds, written=True) == written
    assert common_kind(kinds, written=False) == of_json
