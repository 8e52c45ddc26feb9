"""Reports on real pipelines: the reference of a version, groups of judged queries, noise on pictures and texts."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SettingsError, StoreError
from embed_assets.pipeline.steps import Steps
from tests.support import picture, pipeline, run_all, table_versions, write_notes


@pytest.fixture
def served(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 30)
    steps = pipeline(tmp_path)
    run_all(steps)
    return steps


def test_the_reference_is_what_was_embedded_at_the_first_promotion(served: Steps, tmp_path: Path):
    first = served.drift("words")
    assert (first.reference, first.new, first.reference_is) == (30, 0, "as of its first promotion")
    for number in range(25):
        (tmp_path / "notes" / f"late-{number}.txt").write_text(f"tram kiosk market {number}")
    run_all(served)
    before = table_versions(served.store)
    found = served.drift("words")
    assert (found.reference, found.new, found.verdict) == (30, 25, "drift")
    assert found.since is not None and datetime.fromisoformat(found.since) < datetime.now(UTC)
    assert all(each.name.startswith("notes/late-") for each in found.typical)
    assert all(each.text.startswith("tram kiosk") for each in found.typical)
    assert table_versions(served.store) == before


def test_a_space_that_serves_nothing_is_refused(tmp_path: Path, words: list[Any]):
    write_notes(tmp_path / "notes", 3)
    with pytest.raises(StoreError, match="Space 'words' serves nothing"):
        pipeline(tmp_path).drift("words")


def test_judged_queries_belong_to_the_groups_of_their_relevant_items(tmp_path: Path, words: list[Any]):
    for label, word in (("good", "rose"), ("bad", "sky")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(f"{word} number{number} only{number}")
    queries = [{"query": f"rose number{n} only{n}", "relevant": [f"good/{n}.txt"]} for n in range(12)]
    queries += [{"query": f"rose number{n} only{n}", "relevant": [f"bad/{11 - n}.txt"]} for n in range(12)]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    source = {"uri": str(tmp_path / "notes"), "labels": "folder"}
    spaces = {"words": {"queries": str(tmp_path / "queries.jsonl")}}
    steps = pipeline(tmp_path, sources={"notes": source}, spaces=spaces)
    run_all(steps)
    found = steps.balance("words")
    assert (found.basis, found.queries, found.items, found.segments) == ("judged queries", 24, 24, 24)
    assert [(each.group, each.verdict) for each in found.quality if each.by == "label"] == [
        ("bad", "worse"),
        ("good", "better"),
    ]
    assert [each.group for each in found.served_worse] == ["bad"]
    assert "label bad is served worse than the others" in found.in_words()[-1]


def test_without_judgements_and_labels_quality_is_unknown(served: Steps):
    found = served.balance("words")
    assert (found.basis, found.ndcg, found.quality) == (None, None, ())
    assert found.in_words()[-1].startswith("Quality by group is unknown: no judged query and no label")


def test_noise_on_pictures(tmp_path: Path, words: list[Any]):
    (tmp_path / "notes").mkdir()
    for number in range(20):
        (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "notes" / "copy.png").write_bytes(picture(3))
    steps = pipeline(tmp_path, encoders={"pixels": {"model": "pixels"}})
    steps.refresh("notes")
    before = table_versions(steps.store)
    found = steps.noise(["pixels"])
    assert found.sampled == 20, "items of equal bytes count once"
    assert [row.disturbance for row in found.rows] == ["JPEG quality 20", "shift", "crop", "rotation 10°", "noise"]
    by_name = {row.disturbance: row.recall_at_1.under.mean for row in found.rows}
    assert by_name["JPEG quality 20"] > 0.9 and by_name["noise"] > 0.9
    assert table_versions(steps.store) == before


def test_noise_on_texts(served: Steps):
    found = served.noise(["words"], sample=20)
    rows = {row.disturbance: row.recall_at_1 for row in found.rows}
    assert (rows["capitals"].under.mean, rows["capitals"].verdict) == (1.0, "not distinguishable")
    assert list(rows) == ["typos", "capitals", "without accents"]


def test_noise_without_items_is_refused(tmp_path: Path, words: list[Any]):
    (tmp_path / "notes").mkdir()
    with pytest.raises(SettingsError, match="no source has text items yet"):
        pipeline(tmp_path).noise(["words"])
