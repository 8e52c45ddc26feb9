"""The leaderboard asset: there where the settings name encoders to compare with, and it shows who is better."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.settings import PipelineSettings
from tests.support import settings


@pytest.fixture
def labelled(tmp_path: Path, words: list[Any]) -> PipelineSettings:
    for label, word in (("red", "rose cherry"), ("blue", "sky water")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(f"{word} number{number}")
    source = {"uri": str(tmp_path / "notes"), "labels": "folder"}
    return settings(tmp_path, sources={"notes": source}, spaces={"words": {"leaderboard": ["slow-words"]}})


def leaderboards(of: PipelineSettings) -> list[dg.AssetKey]:
    graph = build_definitions(of).resolve_asset_graph()
    return [key for key in graph.get_all_asset_keys() if key.path[-1].endswith("_leaderboard")]


def test_it_is_there_where_the_settings_name_encoders(labelled: PipelineSettings, tmp_path: Path) -> None:
    assert leaderboards(labelled) == [dg.AssetKey("words_leaderboard")]
    assert leaderboards(settings(tmp_path)) == []


def test_it_shows_quality_cost_and_who_is_better(labelled: PipelineSettings, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(labelled)
    job = definitions.resolve_implicit_global_asset_job_def()
    first = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("notes_manifest")])
    assert first.success
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("words_leaderboard")])
    (event,) = result.get_asset_materialization_events()
    shown = event.step_materialization_data.materialization.metadata
    assert shown["best"].value in ("words", "slow-words")
    assert "can't be distinguished" in str(shown["in words"].value).replace("\\\\", "")
    assert shown["judged by"].value == "16 queries (labels), 16 items sampled"
    quality: Any = shown["quality"].value
    assert {record.data["encoder"] for record in quality.records} == {"words", "slow-words"}
    assert shown["words: ndcg@10"].value == pytest.approx(1.0, abs=0.2)
    cost: Any = shown["cost"].value
    assert all(record.data["ms a query"] is None for record in cost.records), "labels: no query was encoded"
    bills: Any = shown["embedding all items"].value
    assert [(record.data["items"], record.data["USD"]) for record in bills.records] == [(16, None)] * 2
    assert shown["sample"].value == "16 queries, answered from 16 of 16 items"
    assert isinstance(shown["seconds"].value, float)
    forms: Any = shown["smaller forms, against the whole"].value
    assert {record.data["smaller"] for record in forms.records} >= {"2 times", "4 times", "32 times"}
    assert {record.data["verdict"] for record in forms.records} <= {"worse", "better", "not distinguishable"}
    figures: Any = shown["figures"].value
    assert {row["encoder"] for row in figures["encoders"]} == {"words", "slow-words"}
