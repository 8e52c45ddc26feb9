"""The whole story of a change: media, edits, swapped weights, a killed re-embedding, a gate, promotion and back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from embed_assets.assets.names import grid_range, known_versions
from embed_assets.pipeline.plan_report import plan_encoder
from embed_assets.search.searcher import Searcher
from embed_assets.store.vectors import VectorTable
from embed_assets.store.versions import VersionId
from embed_assets.versions import load_version as loading
from tests.assets.running import Running
from tests.support import REPOSITORY, note, rewrite, settings, write_notes

pytestmark = pytest.mark.slow  # the whole story, with a killed run

NOTES = 40
_CHILD = """
import json, sys
from embed_assets.settings import PipelineSettings
from embed_assets.pipeline.steps import Steps

steps = Steps(PipelineSettings.model_validate(json.loads(sys.argv[1])))
steps.embed(steps.current_version("words"))
"""


@pytest.fixture
def running(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Notes, a model in a folder of its own, and judged queries: the notes' own words."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(tiny_bert, tmp_path / "model")
    write_notes(tmp_path / "notes", NOTES)
    queries = [{"query": note(number), "relevant": [f"note-{number:03d}.txt"]} for number in range(5, 25)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    home = tmp_path / "dagster"
    home.mkdir()
    made = settings(
        tmp_path,
        encoders={"words": {"model": str(tmp_path / "model"), "space": "text"}},
        spaces={"text": {"queries": str(tmp_path / "queries.jsonl")}},
        compute={"device": "cpu", "offline": True, "flush_rows": 1, "batch_tokens": 32},
    )
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield Running(made, instance)


def test_media_and_models_change_and_nothing_is_lost(running: Running, tmp_path: Path) -> None:
    steps, notes = running.steps, tmp_path / "notes"

    # media in, materialized, served
    assert running.embed().success and running.promote().success
    first = steps.current_version("words")
    assert first is not None
    assert _found(running, note(3)) == "note-003.txt"

    # three edits: three are encoded
    for number in range(3):
        rewrite(notes / f"note-{number:03d}.txt", note(100 + number))
    assert running.embed().success and running.promote().success
    assert steps.plan(first).fresh
    assert _found(running, note(101)) == "note-001.txt"

    # the weights are swapped for useless ones; the plan says what that means
    _swap(tmp_path, useless=True)
    plan = plan_encoder(steps, "words")
    assert [change.part for change in plan.changes if not change.part.startswith("file ")] == ["weights"]
    assert [(version.role, len(version.plan.encode)) for version in plan.versions] == [("new", NOTES), ("live", 0)]

    # two shards are re-embedded; the live version answers
    useless = steps.resolve("words").record
    assert running.embed(tags=_two_shards(useless.version, running)).success
    in_two = _rows(steps.vectors(useless))
    assert 0 < in_two < NOTES
    assert _found(running, note(101)) == "note-001.txt"
    failed = {e.check_name for e in running.promote().get_asset_check_evaluations() if not e.passed}
    assert "accounts" in failed
    assert _live(running) == first.version

    # the rest is killed in the middle, and continued
    killed_at = _kill_in_the_middle(running, steps.vectors(useless), more_than=in_two + 3)
    assert in_two < killed_at < NOTES
    assert running.embed().success
    assert _rows(steps.vectors(useless)) == NOTES
    assert running.instance.get_materialized_partitions(dg.AssetKey("words_vectors")) >= {f"s03|{useless.version}"}

    # a check holds the promotion back
    failed = {e.check_name for e in running.promote().get_asset_check_evaluations() if not e.passed}
    assert "compared_with_live" in failed
    assert _live(running) == first.version

    # mended: another training run
    _swap(tmp_path, useless=False)
    assert running.embed().success and running.promote().success
    good = steps.current_version("words")
    assert good is not None and good.version not in (first.version, useless.version)
    assert _live(running) == good.version
    assert _found(running, note(7)) == "note-007.txt"

    # an edit reaches both versions; back to the old one, with the edit in it
    rewrite(notes / "note-009.txt", note(200))
    steps.refresh("notes")
    for record in reversed(steps.active_versions("words")):
        steps.embed(record)
        steps.index(record)
        steps.check(record)
        steps.serve(record, by="test")
    before = {name: steps.store.open(name).version for name in steps.store.table_names()}
    steps.roll_back("text", by="test")
    assert _live(running) == first.version
    moved = {name for name in before if steps.store.open(name).version != before[name]}
    assert moved == {"serving", "history"}
    assert _found(running, note(200)) == "note-009.txt"

    # what nothing needs goes; what serves or can be gone back to stays
    assert [record.version for record in steps.unused_versions("words")] == [useless.version]
    steps.retire(VersionId("words", useless.version), by="test")
    steps.maintain(by="test")
    assert steps.store.open_or_none(useless.table) is None
    assert {record.version for record in steps.active_versions("words")} == {first.version, good.version}
    assert _found(running, note(200)) == "note-009.txt"
    steps.promote(good, by="test")
    assert _found(running, note(200)) == "note-009.txt"
    assert useless.version in known_versions(running.names, "words", running.instance)  # the retire job removes the key


def _found(running: Running, words: str) -> str:
    """The key of the best hit, asked as another process would."""
    loading.forget_models()
    return Searcher(running.steps.store, compute=running.settings.compute).search(words, space="text", k=1)[0].key


def _swap(folder: Path, *, useless: bool) -> None:
    """Other weights in the same file: those that see no words, or those of another training run."""
    from safetensors.numpy import load_file, save_file

    file = folder / "model" / "model.safetensors"
    weights = load_file(file)
    words = weights["embeddings.word_embeddings.weight"]
    draw = np.random.default_rng(1)
    weights["embeddings.word_embeddings.weight"] = (
        np.zeros_like(words) if useless else draw.normal(0, 0.5, words.shape).astype(np.float32)
    )
    save_file(weights, file, metadata={"format": "pt"})
    loading.forget_models()


def _two_shards(version: str, running: Running) -> dict[str, str]:
    whole = grid_range(version, running.settings.shards)
    return {name: partition.replace("s03|", "s01|") for name, partition in whole.items()}


def _kill_in_the_middle(running: Running, vectors: VectorTable, *, more_than: int) -> int:
    """Embed in another process, kill it when it has written some; the rows that are there then."""
    environ = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _CHILD, running.settings.model_dump_json()]
    with subprocess.Popen(command, env=environ) as process:
        patience = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < patience:
            if _rows(vectors) >= more_than:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    return _rows(vectors)


def _rows(vectors: VectorTable) -> int:
    table = vectors.open()
    return 0 if table is None else table.count_rows()


def _live(running: Running) -> str | None:
    live = running.steps.store.serving.pointer("text").live
    return live.encoder_version if live else None
