"""The engine ray: the rows of the local engine, whatever happens to its workers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.embedding.ray_engine import cluster
from embed_assets.errors import EncoderVersionError, MissingExtraError
from embed_assets.pipeline.steps import Steps
from examples.scaling.local_ray import LOOPBACK, local_ray
from tests.kills import kill_encoding_actor
from tests.support import REPOSITORY, note, picture, pipeline, refresh_and_embed, write_notes

pytestmark = pytest.mark.slow

NOTES = 60


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    found = pytest.importorskip("ray", reason="the extra ray is not installed")
    with local_ray(num_cpus=3, object_store_memory=200 * 2**20):
        yield found


def steps_of(folder: Path, engine: str, **changes: Any) -> Steps:
    """Two pipelines of the same media, each with a store of its own."""
    compute = {"device": "cpu", "offline": True, "engine": engine, "ray": {"encoders": 2, "cpus": 0.5}}
    index = {"vector_dtype": "float32"}
    return pipeline(folder, store=str(folder / f"store-{engine}"), compute=compute, index=index, **changes)


def rows_of(steps: Steps, encoder: str) -> dict[str, dict[str, Any]]:
    table = steps.store.open(steps.resolve(encoder).record.table).to_arrow()
    left_out = {"embedded_at", "media_id", "segment_id"}
    rows = table.select([name for name in table.column_names if name not in left_out]).to_pylist()
    return {f"{row['key']}:{row['start']}": row for row in rows}


def assert_same_rows(ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> None:
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        one, other = (np.array(each.pop("vector"), np.float32) for each in (row, theirs[key]))
        assert np.abs(one - other).max() < 1e-5, key
        assert row == theirs[key]


def write_media(folder: Path) -> None:
    media = write_notes(folder / "notes", NOTES)
    for number in range(12):
        (media / f"{number}.png").write_bytes(picture(number))
    (media / "broken.png").write_bytes(picture(1)[:60])


def test_the_rows_are_those_of_the_local_engine(ray: Any, tmp_path: Path) -> None:
    write_media(tmp_path)
    encoders = {"pixels": {"model": "pixels"}, "words": {"model": "embedded:minilm"}}
    local, remote = (steps_of(tmp_path, engine, encoders=encoders) for engine in ("local", "ray"))
    for encoder in encoders:
        reports = [refresh_and_embed(steps, encoder) for steps in (local, remote)]
        assert_same_rows(*(rows_of(steps, encoder) for steps in (local, remote)))
        for name in ("items", "reasons", "segments_encoded", "cost"):
            assert getattr(reports[0], name) == getattr(reports[1], name), name
    assert remote.plan(remote.resolve("pixels").record).fresh


def test_what_the_table_has_is_not_encoded_again(ray: Any, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 20)
    steps = steps_of(tmp_path, "ray", encoders={"words": {"model": "embedded:minilm"}})
    assert refresh_and_embed(steps, "words").segments_encoded == 20
    (tmp_path / "notes" / "copy.txt").write_text(note(3))
    (tmp_path / "notes" / "new.txt").write_text("a new note")
    report = refresh_and_embed(steps, "words")
    assert (report.segments_encoded, report.segments_reused) == (1, 1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers by /proc")
def test_a_killed_worker_loses_and_doubles_nothing(ray: Any, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 300)
    local, remote = (
        steps_of(tmp_path, engine, encoders={"words": {"model": "embedded:minilm"}}) for engine in ("local", "ray")
    )
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_encoding_actor, after=0.5)
        refresh_and_embed(remote, "words")
        assert killed.result(timeout=60)
    refresh_and_embed(local, "words")
    assert remote.store.open(remote.resolve("words").record.table).count_rows() == 300
    assert_same_rows(rows_of(local, "words"), rows_of(remote, "words"))


def test_an_error_of_a_worker_is_the_runs_error(ray: Any, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 3)
    steps = steps_of(tmp_path, "ray", encoders={"words": {"model": "embedded:minilm"}})
    record = steps.resolve("words").record
    steps.refresh("notes")
    steps.embed(record)  # its canaries are kept
    found = steps.store.canaries.get(record.id)
    assert found is not None
    vectors, libraries = found
    steps.store.canaries.put(record.id, {name: -vector for name, vector in vectors.items()}, libraries)
    (tmp_path / "notes" / "more.txt").write_text("one more note")
    steps.refresh("notes")
    with pytest.raises(EncoderVersionError):
        steps.embed(record)


def test_ray_is_reached_from_this_machine_alone(ray: Any) -> None:
    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {LOOPBACK}


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"embed-assets\[ray\]"):
        cluster.connected_ray(None)


def test_a_cluster_that_does_not_answer_is_named() -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    code = "from embed_assets.embedding.ray_engine.cluster import connected_ray; connected_ray('127.0.0.1:9')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True)
    assert "EngineError: No Ray cluster answers at 127.0.0.1:9" in done.stderr
