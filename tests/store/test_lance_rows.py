"""rows_at: rows at places, in their order, from tables that lost rows and from those that did not."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.lance_rows import rows_at


@pytest.fixture(params=["whole", "rows deleted", "several fragments"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    import lance

    rows = pa.table({"id": np.arange(3000), "text": [f"text {number}" for number in range(3000)]})
    most = 1000 if request.param == "several fragments" else 3000
    made = lance.write_dataset(rows, tmp_path / "rows.lance", max_rows_per_file=most)
    if request.param != "whole":
        made.delete("id % 7 = 3")
        made.delete("id < 20")
    return made


@pytest.mark.parametrize("places", [[], [0], [2, 1, 0, 1], [1999, 5, 1000, 5], list(range(0, 2400, 3))])
def test_rows_come_in_the_order_of_their_places(dataset: Any, places: list[int]):
    every = dataset.to_table()
    found = rows_at(dataset, places, ["text", "id"])
    assert found.schema.names == ["text", "id"]
    assert found["id"].to_pylist() == [every["id"][place].as_py() for place in places]
    assert found["text"].to_pylist() == [f"text {number}" for number in found["id"].to_pylist()]


def test_a_place_that_is_not_there_is_an_error(dataset: Any):
    with pytest.raises((IndexError, ValueError, OSError)):
        rows_at(dataset, [dataset.count_rows()], ["id"])
