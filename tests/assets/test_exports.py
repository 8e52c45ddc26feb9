"""Assets of sinks: what they show, their data version, the jobs that write them; they hold back nothing."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import SettingsError
from tests.assets.kept_run import KeptRun
from tests.assets.running import Running
from tests.kept import Kept
from tests.support import rewrite, settings, write_notes

KEY = "out_export"


def sinks(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"out": {"space": "words", "kind": "parquet", "uri": str(folder / "sink")} | changes}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def served(words: list, tmp_path: Path, instance: dg.DagsterInstance, kept_run: KeptRun) -> Running:
    write_notes(tmp_path / "notes", 8)
    running = Running(settings(tmp_path, sinks=sinks(tmp_path)), instance)

    def run() -> None:
        assert running.embed().success
        assert running.promote().success

    kept_run.once("served", run)
    return running


def latest(running: Running) -> dg.AssetMaterialization:
    event = running.instance.get_latest_materialization_event(dg.AssetKey(KEY))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization


def rows(found: dg.AssetMaterialization) -> list[Any]:
    return [found.metadata[f"embed_assets/rows_{name}"].value for name in ("written", "deleted", "held")]


def data_version(found: dg.AssetMaterialization) -> str:
    return (found.tags or {})["dagster/data_version"]


def test_the_promote_job_exports_and_then_what_changed_alone(served: Running, tmp_path: Path) -> None:
    first = latest(served)
    assert rows(first) == [8, 0, 8]
    assert first.metadata["written whole"].value == "the first export"
    assert first.metadata["embed_assets/release"].value == served.steps.store.serving.live_release("words").key
    rewrite(tmp_path / "notes" / "note-001.txt", "boat harbour tide")
    (tmp_path / "notes" / "note-002.txt").unlink()
    assert served.embed().success
    assert served.promote().success
    found = latest(served)
    assert rows(found) == [1, 1, 7]
    assert pq.read_table(tmp_path / "sink").num_rows == 7
    assert data_version(found) != data_version(first)


def test_the_data_version_changes_with_the_rows_alone(served: Running) -> None:
    before = data_version(latest(served))
    assert served.materialize(KEY).success
    assert rows(latest(served)) == [0, 0, 8]
    assert data_version(latest(served)) == before


def test_the_build_job_exports(served: Running, tmp_path: Path) -> None:
    (tmp_path / "notes" / "another.txt").write_text("another note")
    assert served.build().success
    assert rows(latest(served)) == [1, 0, 9]


def test_an_export_that_fails_holds_back_no_promotion(served: Running, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    running = Running(settings(tmp_path, sinks=sinks(tmp_path, uri=str(tmp_path / "file" / "sink"))), served.instance)
    (tmp_path / "notes" / "another.txt").write_text("another note")
    assert running.embed().success
    assert not running.promote().success
    assert running.steps.store.serving.live_release("words").rows == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "word"}, "sinks.out.space: no encoder of the settings has the space 'word'. Spaces: words."),
        ({"kind": "parket"}, "sinks.out.kind: 'parket' is none of faiss, milvus, parquet."),
    ],
)
def test_wrong_sinks_are_refused_as_definitions_load(
    words: list, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        build_definitions(settings(tmp_path, sinks=sinks(tmp_path, **changes)))
    assert str(raised.value) == message
