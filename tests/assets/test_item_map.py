"""The map asset: there where the settings name it, inline, with counts, tables and pictures of what was found."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.ui.projection_map import density_map, scatter_map
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
    shown = event.step_materialization_data.materialization.metadata
    assert len(str(shown["map"].value)) < 1000, "shown without a click"
    assert str(shown["whole map"].value).startswith("![whole map](data:image/png;base64,")
    assert "red" in str(shown["legend"].value)
    assert shown["method"].value == "pca, fitted on 17 items, coloured by label"
    assert (shown["duplicate groups"].value, shown["duplicates beside keepers"].value) == (1, 1)
    rows: Any = shown["first duplicates"].value
    assert [(record.data["key"], record.data["keeper"]) for record in rows.records] == [
        ("blue/3.png", True),
        ("red/copy.png", False),
    ]
    assert str(shown["duplicates side by side"].value).startswith("![contact sheet]")


def test_a_map_of_any_points_is_drawn() -> None:
    points = np.random.default_rng(0).standard_normal((20_000, 2)).astype(np.float32)
    groups = [f"label{number % 11}" for number in range(20_000)]
    assert len(density_map(points, groups)) < 1000
    assert 1000 < len(scatter_map(points, groups)) < 100_000
    assert scatter_map(points[:0], []).startswith("![whole map]")
