"""Definitions: what they hold, what they cost to load, how they merge with a host's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import UnknownEncoderError
from tests.support import REPOSITORY, settings, write_notes

_HEAVY = ("torch", "torchvision", "transformers", "sentence_transformers", "lancedb", "lance", "sklearn")


def _python(code: str, cwd: Path, **environ: str) -> str:
    env = {**os.environ, "DAGSTER_HOME": str(cwd), **environ}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_code_location_loads_no_heavy_library(tmp_path: Path) -> None:
    code = (
        f"import json, sys, jobs.definitions as d; d.defs; print(json.dumps([m for m in {_HEAVY} if m in sys.modules]))"
    )
    assert json.loads(_python(code, tmp_path)) == []


def test_the_workspace_validates(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    env = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_every_asset_says_what_it_is(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, owners=["team:search"]))
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert sorted(specs) == ["notes_manifest", "words_encoder", "words_index", "words_serving", "words_vectors"]
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.kinds, name
        assert spec.owners == ["team:search"], name
    assert {spec.group_name for spec in specs.values()} == {"sources", "words"}


def test_the_checks_block_where_they_say_so(words: list, tmp_path: Path) -> None:
    graph = build_definitions(settings(tmp_path)).resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    others = {key.name for key in graph.asset_check_keys} - blocking
    assert blocking == {"dimension", "unit_vectors", "accounts", "ann_recall"}
    assert others == {"labelled_retrieval", "quarantined_share", "collapsed_vectors"}


def test_definitions_merge_with_a_host_that_has_its_own_executor(words: list, tmp_path: Path) -> None:
    @dg.asset
    def of_the_host() -> None: ...

    host = dg.Definitions(assets=[of_the_host], executor=dg.multiprocess_executor)
    merged = dg.Definitions.merge(host, build_definitions(settings(tmp_path)))
    assert len(merged.resolve_asset_graph().get_all_asset_keys()) == 6


def test_a_key_prefix_goes_before_every_asset_and_job(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, key_prefix=["media"]))
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {"media"}
    assert {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")} == {
        "media_words_embed",
        "media_words_promote",
    }


def test_an_unknown_encoder_is_named_when_definitions_are_built(words: list, tmp_path: Path) -> None:
    wrong = settings(tmp_path, encoders={"words": {"model": "wrds"}})
    with pytest.raises(UnknownEncoderError, match="words"):
        build_definitions(wrong)


def test_definitions_need_neither_media_nor_a_store(words: list, tmp_path: Path) -> None:
    build_definitions(settings(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    write_notes(tmp_path / "notes", 1)
