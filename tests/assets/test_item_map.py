"""The map asset: there where the settings name it, inline, with counts, tables and pictures of what was found."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import numpy as np
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.ui.projection_map import density_map, legend, scatter_map
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from tests.support import picture, run_all, settings


@pytest.fixture
def labelled(tmp_path: Path, words: list[Any]) -> PipelineSettings:
    for label in ("red", "blue"):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "notes" / label / f"{number}.png").write_bytes(picture(number + 100 * (label == "red")))
    (tmp_path / "notes" / "red" / "copy.png").write_bytes(picture(3))
    return settings(
        tmp_path,
        sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}},
        encoders={"words": {"model": "words", "media": ["image"]}},
        spaces={"words": {"reports": ["map"]}},
    )


def maps(of: PipelineSettings) -> list[dg.AssetKey]:
    graph = build_definitions(of).resolve_asset_graph()
    return [key for key in graph.get_all_asset_keys() if key.path[-1].endswith("_map")]


def test_it_is_there_where_the_settings_name_it(labelled: PipelineSettings, tmp_path: Path) -> None:
    assert maps(labelled) == [dg.AssetKey("words_map")]
    assert maps(settings(tmp_path)) == []


def test_it_shows_the_map_and_what_was_found(labelled: PipelineSettings, instance: dg.DagsterInstance) -> None:
    run_all(Steps(labelled))
    job = build_definitions(labelled).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("words_map")])
    (event,) = result.get_asset_materialization_events()
    shown: Any = event.step_materialization_data.materialization.metadata
    assert len(str(shown["map"].value)) < 1000, "shown without a click"
    assert str(shown["whole map"].value).startswith("![whole map](data:image/png;base64,")
    assert "red" in str(shown["legend"].value)
    assert shown["sample"].value == "17 of 17 items"
    assert shown["seconds"].value >= 0
    assert shown["method"].value == "pca, fitted on 17 items, coloured by label"
    assert (shown["duplicate groups"].value, shown["duplicates beside keepers"].value) == (1, 1)
    rows: Any = shown["first duplicates"].value
    assert [(record.data["item"], bool(record.data["keep"])) for record in rows.records] == [
        ("notes/blue/3.png", True),
        ("notes/red/copy.png", False),
    ]
    assert str(shown["duplicates side by side"].value).startswith("![contact sheet]")
    assert shown["label disagreements"].value > 0
    assert str(shown["pictures of label disagreements"].value).startswith("![pictures](data:image/webp")


def test_a_map_of_any_points_is_drawn() -> None:
    points = np.random.default_rng(0).standard_normal((20_000, 2)).astype(np.float32)
    groups = [f"label{number % 18}" for number in range(20_000)]
    assert len(density_map(points, groups)) < 1000
    assert 1000 < len(scatter_map(points, groups)) < 100_000
    assert scatter_map(points[:0], []).startswith("![whole map]")


def test_each_of_fourteen_groups_has_a_colour_of_its_own_in_the_legend() -> None:
    groups = [f"label {number:02d}" for number in range(16) for _ in range(30 - number)]
    parts = legend(groups)
    assert list(parts) == ["legend", "legend 2"]
    assert all(len(part) < 1000 for part in parts.values()), "shown without a click"
    drawn = unquote("".join(parts.values()))
    colours = re.findall(r"stroke='#([0-9a-f]{6})'/><text[^>]*>([^<]+)<", drawn)
    assert [name for _, name in colours] == [*(f"label {number:02d}" for number in range(14)), "2 others"]
    assert len({colour for colour, _ in colours}) == 15


def test_doubtful_labels_have_a_bit_of_their_text(
    tmp_path: Path, words: list[Any], instance: dg.DagsterInstance
) -> None:
    for label, word in (("sea", "boat harbour"), ("wood", "oak moss")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(f"{word} tide fern number{number}")
    (tmp_path / "notes" / "sea" / "tree.txt").write_text("oak moss fern")
    of = settings(
        tmp_path,
        sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}},
        spaces={"words": {"reports": ["map"]}},
    )
    run_all(Steps(of))
    job = build_definitions(of).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("words_map")])
    (event,) = result.get_asset_materialization_events()
    shown: Any = event.step_materialization_data.materialization.metadata
    (record,) = shown["first label disagreements"].value.records
    assert (record.data["item"], record.data["text"]) == ("notes/sea/tree.txt", "oak moss fern")
    assert record.data["label → neighbours"] == "sea → wood 100%"
