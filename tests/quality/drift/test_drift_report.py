"""Drift of items in a table and of queries: sides, verdicts in words, the most typical, shares that changed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import SettingsError
from embed_assets.quality.drift.drift_report import DriftReport, drift_between, share_changes
from embed_assets.quality.drift.item_drift import item_drift
from embed_assets.quality.drift.query_drift import query_drift, read_query_log, split_log
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from tests.quality.drift.synthetic import ADDED, DIM, EVEN, drawn
from tests.support import vector_table

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
FACTS: dict[str, Any] = {"space": "words", "encoder": "words", "encoder_version": "v1", "table": "words__v1"}
RELEASE = Release(**FACTS, table_version=1, dim=DIM, distance="cosine", rows=1, ann=False)


def reported(folder: Path, reference: np.ndarray, new: np.ndarray, **columns: Any) -> DriftReport:
    days = [MOMENT - timedelta(days=1)] * len(reference) + [MOMENT + timedelta(days=1)] * len(new)
    vectors = np.concatenate([reference, new])
    table = vector_table(Store(str(folder / "store")), vectors, embedded_at=days, **columns).open()
    assert table is not None
    return item_drift(table, RELEASE, since=MOMENT, reference_is="as of its first promotion")


def test_new_items_of_another_kind_are_a_drift(tmp_path: Path):
    strange = drawn([0.0] * 8 + [1.0], 50, seed=3)
    new = np.concatenate([drawn(EVEN, 70, seed=2), strange])
    labels = [["usual"]] * 170 + [["strange"]] * 50
    found = reported(tmp_path, drawn(EVEN, 100, seed=1), new, labels=labels)
    assert found.verdict == "drift" and found.warns
    assert (found.reference, found.new, found.compared) == (100, 120, (100, 120))
    assert found.p is not None and found.p < 0.01 and found.auc is not None and found.auc > 0.6
    assert len(found.typical) == 10
    assert sum(each.labels == ("strange",) for each in found.typical) >= 9
    assert found.typical[0].name.startswith("notes/m00")
    assert {each.group: each.new for each in found.changes} == {"usual": 0.5833, "strange": 0.4167}
    assert "drift: 120 new items against 100 (as of its first promotion); a classifier" in found.in_words()


def test_new_items_of_the_same_kind_are_none(tmp_path: Path):
    found = reported(tmp_path, drawn(EVEN, 100, seed=1), drawn(EVEN, 100, seed=2))
    assert found.verdict == "no drift" and not found.warns
    assert found.changes == ()


def test_segments_of_an_item_count_as_one(tmp_path: Path):
    vectors = np.repeat(drawn(EVEN, 60, seed=1), 20, axis=0)
    ids = [f"m{number // 20:03d}" for number in range(1200)]
    days = [MOMENT - timedelta(days=1)] * 600 + [MOMENT + timedelta(days=1)] * 600
    segments = [f"{name}:chunk:{number}" for number, name in enumerate(ids)]
    store = Store(str(tmp_path / "store"))
    table = vector_table(store, vectors, media_id=ids, segment_id=segments, embedded_at=days).open()
    assert table is not None
    found = item_drift(table, RELEASE, since=MOMENT, reference_is="before")
    assert found.compared == (30, 30)
    assert found.verdict == "no drift"


def test_too_few_items_are_not_compared(tmp_path: Path):
    found = reported(tmp_path, drawn(EVEN, 40, seed=1), drawn(EVEN, 3, seed=2))
    assert (found.verdict, found.auc, found.typical) == ("too few to compare", None, ())
    assert found.in_words() == (
        "too few to compare: 3 new items against 40 (as of its first promotion); each side needs 20."
    )


def test_a_significant_difference_that_is_small_does_not_warn():
    found = drift_between(drawn(EVEN, 800, seed=1), drawn([1.4] + [1.0] * 7 + [0.1], 800, seed=2))
    assert found.verdict == "slight drift", found


def test_shares_that_changed_most_are_first():
    found = share_changes([["a"], ["a"], ["b"], []], [["b"], ["b", "c"]], by="label")
    assert [(each.group, each.reference, each.new) for each in found] == [
        ("b", 0.25, 1.0),
        ("a", 0.5, 0.0),
        ("c", 0.0, 0.5),
    ]


def test_queries_are_compared_with_the_judged_ones_or_with_older_ones():
    logged = [f"query {number}" for number in range(100)] + ["query 99"]
    judged = [f"judged {number}" for number in range(30)]
    assert split_log(logged, judged) == (judged, logged[:100], "judged queries")
    older, newer, basis = split_log(logged, judged[:5])
    assert (len(older), len(newer), basis) == (50, 50, "the older half of the log")
    new = drawn(ADDED, 60, seed=2)
    found = query_drift(RELEASE, drawn(EVEN, 60, seed=1), new, logged[:60], reference_is=basis)
    assert found.about == "queries" and found.typical[0].name.startswith("query ")


def test_a_broken_log_names_file_and_line(tmp_path: Path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"query": "boats", "at": 3}\n\n{"text": "no query"}\n')
    with pytest.raises(SettingsError, match=r"log.jsonl:3: expected an object with a text in `query`"):
        read_query_log(log)
    log.write_text('{"query": "boats", "at": 3}\n{nonsense\n')
    with pytest.raises(SettingsError, match=r"log.jsonl:2: not JSON"):
        read_query_log(log)
    with pytest.raises(SettingsError, match=r"none.jsonl' does not exist"):
        read_query_log(tmp_path / "none.jsonl")
