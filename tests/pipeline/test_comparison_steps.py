"""Leaderboards of real pipelines: by judged queries and by labels, on a sample, without a trace in the store."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SettingsError
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.leaderboard.query_scores import MAIN
from tests.support import pipeline, run_all, table_versions, write_notes


def compared(folder: Path, **changes: Any) -> Steps:
    """Two encoders of one kind: the second has other weights, by its prompt."""
    encoders = {"words": {"model": "words"}, "slow_words": {"model": "slow-words"}}
    return pipeline(folder, encoders=encoders, **changes)


@pytest.fixture
def judged(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 40)
    names = sorted(file.name for file in (tmp_path / "notes").iterdir())
    texts = {name: (tmp_path / "notes" / name).read_text() for name in names}
    lines = [{"query": text, "relevant": [name]} for name, text in texts.items()]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    steps = compared(tmp_path, spaces={"words": {"queries": str(tmp_path / "queries.jsonl")}})
    run_all(steps)
    return steps


def test_judged_queries_decide_and_nothing_is_written(judged: Steps):
    before = table_versions(judged.store)
    found = judged.compare(["words", "slow_words"])
    assert (found.basis, found.sampled) == ("judged queries", 40)
    assert found.queries == 40
    assert {each.encoder for each in found.standings} == {"words", "slow_words"}
    assert found.standings[0].scores[MAIN].mean() > 0.9
    assert found.standings[0].cost.items == 40
    assert "can't be distinguished" in found.in_words()[0], "both have the same weights"
    assert {each.variant for each in found.variants} >= {"float16", "int8", "1 bit"}
    assert all(each.cost.query_ms for each in found.standings)
    assert table_versions(judged.store) == before


def test_a_sample_has_judged_items_first(judged: Steps):
    found = judged.compare(["words"], sample=12, with_variants=False)
    assert found.sampled == 12
    assert 6 <= found.queries <= 12
    assert not found.variants and not found.pairs


def test_labels_stand_in_for_judgements(tmp_path: Path, words: list[Any]):
    for label, word in (("red", "rose cherry"), ("blue", "sky water")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(f"{word} number{number}")
    steps = compared(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}})
    steps.refresh("notes")
    found = steps.compare(["words"])
    assert (found.basis, found.queries, found.space) == ("labels", 12, "words")
    assert found.standings[0].cost.query_ms is None, "no query was encoded"
    assert found.standings[0].scores["recall@1"].mean() == 1.0, "an item's nearest neighbour shares its label"


def test_without_judgements_or_labels_the_way_out_is_named(tmp_path: Path, words: list[Any]):
    write_notes(tmp_path / "notes", 3)
    steps = compared(tmp_path)
    steps.refresh("notes")
    with pytest.raises(SettingsError, match=r"nothing to compare encoders by.*spaces.words.queries"):
        steps.compare(["words"])


def test_encoders_of_nothing_in_common_and_empty_sources_are_refused(tmp_path: Path, words: list[Any]):
    (tmp_path / "notes").mkdir()
    steps = pipeline(tmp_path, encoders={"words": {"model": "words"}, "mel": {"model": "mel"}})
    with pytest.raises(SettingsError, match="no source and kind of media in common"):
        steps.compare(["words", "mel"])
    with pytest.raises(SettingsError, match=r"no source has text items yet\. Run it first"):
        steps.compare(["words"])
