"""Report assets: there where the settings name them; they show verdicts, tables and figures, and a check warns."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.ui.previews import group_preview, shortened
from embed_assets.errors import SettingsError
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.balance.group_quality import GroupQuality
from embed_assets.quality.metrics.bootstrap import Interval
from embed_assets.settings import PipelineSettings, SpaceSettings
from tests.support import picture, pipeline, run_all, settings

REPORTS = ("words_drift", "words_balance", "words_evaluation", "words_noise")


@pytest.fixture
def reported(tmp_path: Path, words: list[Any]) -> PipelineSettings:
    write(tmp_path / "notes", "sea", "boat harbour tide")
    write(tmp_path / "notes", "wood", "oak moss fern")
    source = {"uri": str(tmp_path / "notes"), "labels": "folder"}
    changes: dict[str, Any] = {"sources": {"notes": source}}
    run_all(pipeline(tmp_path, **changes))
    return settings(tmp_path, **changes, spaces={"words": {"reports": ["drift", "balance", "evaluation", "noise"]}})


def write(folder: Path, topic: str, words: str) -> None:
    (folder / topic).mkdir(parents=True)
    for number in range(25):
        (folder / topic / f"{number}.txt").write_text(f"{words} number{number}")


def test_they_are_there_where_the_settings_name_them(tmp_path: Path, words: list[Any]) -> None:
    def names(**space: Any) -> set[str]:
        graph = build_definitions(settings(tmp_path, spaces={"words": space})).resolve_asset_graph()
        return {key.path[-1] for key in graph.get_all_asset_keys()} & set(REPORTS)

    assert names() == set()
    assert names(reports=["drift"]) == {"words_drift"}
    assert names(reports=["drift", "balance", "evaluation", "noise"]) == set(REPORTS)


def test_they_show_what_was_found(reported: PipelineSettings, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write(tmp_path / "notes", "city", "tram kiosk market")
    source = {"uri": str(tmp_path / "notes"), "labels": "folder"}
    run_all(pipeline(tmp_path, sources={"notes": source}))
    job = build_definitions(reported).resolve_implicit_global_asset_job_def()
    wanted = [dg.AssetKey(name) for name in REPORTS]
    result = job.execute_in_process(instance=instance, asset_selection=wanted)
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    shown = {event.asset_key.path[-1]: event.metadata for event in events}
    assert shown["words_drift"]["verdict"].value == "drift"
    typical: Any = shown["words_drift"]["most typical of the new"].value
    assert {record.data["labels"] for record in typical.records} == {"city"}
    assert shown["words_balance"]["effective groups by label"].value == 3.0
    assert shown["words_balance"]["served worse"].value == "nobody, beyond noise"
    evaluation = shown["words_evaluation"]
    assert evaluation["served against exact search"].value == "not distinguishable"
    assert evaluation["judged by"].value == "75 queries (labels)"
    ways: Any = evaluation["ways of search, against exact"].value
    assert [record.data["way"] for record in ways.records] == ["exact", "ann"]
    assert ways.records[1].data["difference"] == "+0.000 (+0.000 to +0.000)"
    assert ways.records[1].data["verdict"] == "not distinguishable"
    others: Any = evaluation["other metrics"].value
    assert list(others.records[0].data) == ["way", "recall@10", "precision@10", "mrr@10", "map@10", "unjudged@10"]
    assert evaluation["sample"].value == "75 queries, answered from all 75 items"
    assert evaluation["ndcg@10 ann"].value == evaluation["ndcg@10 exact"].value
    groups: Any = evaluation["quality by group, against all others"].value
    assert {record.data["group"] for record in groups.records} == {"label: sea", "label: wood", "label: city"}
    balance: Any = shown["words_balance"]["quality by group, against all others"].value
    assert re.fullmatch(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", balance.records[0].data["ndcg@10"])
    assert {record.data["verdict"] for record in balance.records} == {"not distinguishable"}
    assert all(isinstance(shown[name]["seconds"].value, float) for name in REPORTS)
    losses: Any = shown["words_noise"]["losses"].value
    assert [record.data["disturbance"] for record in losses.records] == ["typos", "capitals", "without accents"]
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("new_items_are_like_the_reference", False)
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_of_pictures_drift_shows_them_and_noise_has_raw_pixels_beside_the_encoder(
    tmp_path: Path, words: list[Any], instance: dg.DagsterInstance
) -> None:
    (tmp_path / "notes").mkdir()
    of = settings(
        tmp_path,
        sources={"notes": {"uri": str(tmp_path / "notes")}},
        encoders={"words": {"model": "words", "media": ["image"]}},
        spaces={"words": {"reports": ["drift", "noise"]}},
    )
    for start in (0, 100):
        for number in range(start, start + 25):
            (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
        run_all(Steps(of))
    job = build_definitions(of).resolve_implicit_global_asset_job_def()
    wanted = [dg.AssetKey(name) for name in ("words_drift", "words_noise")]
    result = job.execute_in_process(instance=instance, asset_selection=wanted)
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    shown: dict[str, Any] = {event.asset_key.path[-1]: event.metadata for event in events}
    assert shown["words_drift"]["sample"].value == "25 of 25 new items and 25 of 25 others"
    assert str(shown["words_drift"]["pictures of the new"].value).startswith("![pictures](data:image/webp")
    assert str(shown["words_drift"]["more pictures of the new"].value).startswith("![contact sheet]")
    losses = shown["words_noise"]["losses"].value.records
    assert [record.data["encoder"] for record in losses] == ["words"] * 5 + ["pixels"] * 5
    assert "pixels: " in str(shown["words_noise"]["in words"].value)
    assert shown["words_noise"]["sample"].value == "50 of 50 items"
    assert shown["words_noise"]["seconds"].value > 0


def test_the_drift_of_the_query_log_is_an_asset(
    reported: PipelineSettings, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    log = tmp_path / "log.jsonl"
    queries = [f"boat harbour {number}" for number in range(30)] + [f"tram kiosk {number}" for number in range(30)]
    log.write_text("\n".join(json.dumps({"query": query}) for query in queries))
    space = {"reports": ["query_drift"], "query_log": str(log)}
    changed = reported.model_copy(update={"spaces": {"words": SpaceSettings.model_validate(space)}})
    job = build_definitions(changed).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("words_query_drift")])
    (event,) = result.get_asset_materialization_events()
    shown = event.step_materialization_data.materialization.metadata
    assert (shown["verdict"].value, shown["new queries"].value) == ("drift", 30)
    typical: Any = shown["most typical of the new"].value
    assert all(record.data["query"].startswith("tram kiosk") for record in typical.records)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("new_queries_are_like_the_reference", False)
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_query_drift_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="reports names query_drift, and there is no query_log; add it"):
        settings(tmp_path, spaces={"words": {"reports": ["query_drift"]}})


def test_without_new_items_the_check_passes(reported: PipelineSettings, instance: dg.DagsterInstance) -> None:
    job = build_definitions(reported).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("words_drift")])
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert "too few to compare: 0 new items against 50" in str(check.description)


def test_a_long_name_is_cut_so_that_the_verdict_stays_in_sight() -> None:
    spread = Interval(mean=0.5, low=0.4, high=0.6)
    worse = GroupQuality(
        by="label", group="a_label_of_thirty_four_characters_", queries=12, ndcg=spread, difference=spread, p=0.01,
        verdict="worse",
    )  # fmt: skip
    (record,) = group_preview([worse], metric="ndcg@10").value.records
    assert record.data["group"] == "label: ..._four_characters_"
    assert max(len(word) for value in record.data.values() for word in str(value).split()) == 20
    assert list(record.data)[-1] == "verdict"
    assert shortened("a_label_of_20_letter") == "a_label_of_20_letter"
