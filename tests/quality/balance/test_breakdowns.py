"""Breakdowns of tables: counts by item, effective numbers of groups, lengths, the user's columns."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.quality.balance.breakdowns import Breakdown, breakdown, breakdowns
from embed_assets.store.store import Store
from tests.support import vector_table


def found_in(folder: Path, count: int, **columns: Any) -> dict[str, Breakdown]:
    vectors = np.eye(4, dtype=np.float32)[np.arange(count) % 4]
    table = vector_table(Store(str(folder / "store")), vectors, **columns).open()
    assert table is not None
    return {each.by: each for each in breakdowns(table)}


def test_items_are_counted_by_label_source_and_month(tmp_path: Path):
    months = [datetime(2026, 1, 5, tzinfo=UTC)] * 4 + [datetime(2026, 3, 5, tzinfo=UTC)] * 2
    labels = [["cat"], ["cat"], ["cat", "dog"], ["dog"], [], None]
    found = found_in(tmp_path, 6, labels=labels, embedded_at=months, source=["a"] * 5 + ["b"])
    label = found["label"]
    assert [(each.name, each.items, each.share) for each in label.largest] == [("cat", 3, 0.5), ("dog", 2, 0.3333)]
    assert label.without == 2
    assert [(each.name, each.items) for each in found["month of embedding"].largest] == [("2026-01", 4), ("2026-03", 2)]
    assert [(each.name, each.items) for each in found["source"].largest] == [("a", 5), ("b", 1)]
    assert found["modality"].effective == 1.0


def test_segments_of_an_item_are_one_and_its_length_is_where_the_last_ends(tmp_path: Path):
    ids = ["m1", "m1", "m2", "m3", "m3"]
    kinds, ends = ["chunk", "chunk", "chunk", "window", "window"], [900, 1500, 100, 5000, 9999]
    columns = {"media_id": ids, "segment_id": list("abcde"), "kind": kinds, "end": ends}
    found = found_in(tmp_path, 5, **columns, modality=["text"] * 3 + ["audio"] * 2)
    assert {each.name: each.items for each in found["modality"].largest} == {"text": 2, "audio": 1}
    assert {each.name: each.items for each in found["length of text"].largest} == {"below 200": 1, "1,000 to 5,000": 1}
    assert {each.name: each.items for each in found["length in seconds"].largest} == {"5 to 30": 1}


@pytest.mark.parametrize(
    ("sizes", "effective"), [([5, 5, 5, 5], 4.0), ([20], 1.0), ([97, 1, 1, 1], 1.18), ([2, 1], 1.89)]
)
def test_the_effective_number_is_that_of_equal_groups(sizes: list[int], effective: float):
    counts = Counter({f"g{place}": size for place, size in enumerate(sizes)})
    found = breakdown("label", counts, items=sum(sizes), without=0)
    assert found.effective == pytest.approx(effective, abs=0.006)
    assert found.groups == len(sizes)


def test_of_many_groups_the_largest_and_the_smallest_are_shown():
    found = breakdown("label", Counter({f"g{n:02d}": n + 1 for n in range(30)}), items=465, without=0)
    assert [each.name for each in found.largest][:2] == ["g29", "g28"]
    assert len(found.largest) == 10
    assert [each.name for each in found.smallest] == ["g00", "g01", "g02", "g03", "g04"]


def test_an_empty_table_has_no_groups(tmp_path: Path):
    assert found_in(tmp_path, 0) == {}
