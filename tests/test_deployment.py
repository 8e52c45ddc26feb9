"""Deployments: several processes on Postgres; the compose file's services, run without Docker; Helm's values."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.load_settings import load_settings
from embed_assets.pipeline.steps import Steps
from examples.scaling.local_postgres import bin_folder, postgres_url
from tests.deployed import COMPOSE, DEPLOY, Deployment, deployed, wait_until
from tests.support import REPOSITORY, all_rows, note, pipeline, refresh_and_embed, write_notes

MINILM = "5398a2734e2c"


@pytest.fixture
def postgres() -> Iterator[str]:
    pytest.importorskip("dagster_postgres", reason="the extra postgres is not installed")
    if bin_folder() is None and "EMBED_ASSETS_PG_URL" not in os.environ:
        pytest.skip("Postgres is not installed: apt install postgresql")
    with postgres_url() as url:
        yield url


@pytest.mark.slow
@pytest.mark.timeout(2400)  # 26 processes, each of which imports Dagster
def test_the_demo_is_built_on_postgres_by_several_processes(postgres: str, tmp_path: Path) -> None:
    dropped = ("AWS_", "DAGSTER", "EMBED_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environ = kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore", "EMBED_ASSETS_PG_URL": postgres}
    example = REPOSITORY / "examples" / "scaling" / "on_postgres.py"
    command = [sys.executable, str(example), "--home", str(tmp_path / "demo"), "--items", "8"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    steps = re.findall(r"^embed_(\w+)_s\d\d_s\d\d: .* in process (\d+)$", done.stdout, re.MULTILINE)
    assert {encoder for encoder, _ in steps} == {"minilm", "clip", "mel", "clip_frames"}
    assert len({process for _, process in steps}) == len(steps) == 8
    assert "docs/" in done.stdout.rpartition("$ embed-assets search")[2]


_LAUNCH = """
mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
_BACKFILL = """
mutation ($backfill: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $backfill) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
_RUNS = "{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def runs(deployment: Deployment, **tags: str) -> list[str]:
    """Status of the runs that have the tags."""
    found = deployment.graphql(_RUNS)["runsOrError"]["results"]
    return [run["status"] for run in found if tags.items() <= {(tag["key"], tag["value"]) for tag in run["tags"]}]


def launch(deployment: Deployment, job: str, *assets: str) -> None:
    """Launch a job through the webserver; it succeeds."""
    selector: dict[str, Any] = {"repositoryLocationName": "embed_assets", "repositoryName": "__repository__"}
    selector |= {"jobName": job, "assetSelection": [{"path": [asset]} for asset in assets] or None}
    launched = deployment.graphql(_LAUNCH, run={"selector": selector, "mode": "default"})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    before = len(runs(deployment))
    wait_until(lambda: set(runs(deployment)) <= _ENDED, seconds=400, why=job)
    assert runs(deployment) == ["SUCCESS"] * before


def steps_on(folder: Path, store: str) -> Steps:
    """The pipeline of the deployment, in this process."""
    sources = {"docs": {"uri": str(folder / "notes")}}
    encoders = {"minilm": {"model": "embedded:minilm"}}
    return pipeline(folder, store=str(folder / store), sources=sources, encoders=encoders, shards=16)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_composed_services_embed_shards_in_several_runs_at_once_and_search(postgres: str, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 48)
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    changes: dict[str, Any] = {
        "store": str(tmp_path / "store"),
        "sources": {"docs": {"uri": str(tmp_path / "notes")}},
        "automation": {"sensors": False},  # or first_build is a run as well
    }
    with deployed(deploy, postgres, **changes) as deployment:
        assert deployment.call(["dagster", "instance", "concurrency", "set", "gpu", "4"]).returncode == 0
        launch(deployment, "__ASSET_JOB", "docs_manifest", "minilm_encoder")
        shards = [f"s{number:02d}|{MINILM}" for number in range(16)]
        wanted = {"assetSelection": [{"path": ["minilm_vectors"]}], "partitionNames": shards}
        started = deployment.graphql(_BACKFILL, backfill=wanted)["launchPartitionBackfill"]
        assert started["__typename"] == "LaunchBackfillSuccess", started
        tag = {"dagster/backfill": started["backfillId"]}
        wait_until(lambda: len(runs(deployment, **tag)) == 4, seconds=200, why="backfill")
        wait_until(lambda: set(runs(deployment, **tag)) <= _ENDED, seconds=400, why="runs of the backfill")
        assert runs(deployment, **tag) == ["SUCCESS"] * 4  # four shards each
        launch(deployment, "build")
        with deployment.running("search"):
            answer = deployment.search(note(7), key="k" * 32)
            assert "note-007.txt" in str(answer)
    one_run = steps_on(tmp_path, "other")
    refresh_and_embed(one_run, "minilm")
    expected = {row["key"]: row for row in all_rows(one_run, "minilm")}
    found = all_rows(steps_on(tmp_path, "store"), "minilm")
    assert len(found) == len(expected) == 48
    for row in found:
        other = expected[row["key"]]
        assert (row["shard"], row["text"]) == (other["shard"], other["text"])
        assert np.allclose(row["vector"], other["vector"], atol=1e-3)


def test_every_service_has_a_check_and_what_it_names_is_declared() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "code", "webserver", "daemon", "search"}
    volumes = set(COMPOSE["volumes"])
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        named = [volume.partition(":")[0] for volume in service["volumes"]]
        assert {each for each in named if each[0] not in ".$"} <= volumes
        assert all((DEPLOY / each).is_file() for each in named if each.endswith(".yaml"))
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} has no login of its own"
        for value in service["environment"].values():
            secret = value.startswith("${")
            assert not secret or ":?" in value, f"{name}: {value} may be empty"


def test_the_variables_of_the_instance_and_the_workspace_are_those_of_the_services() -> None:
    given = set(COMPOSE["x-dagster"]["environment"])
    for name in ("dagster.yaml", "workspace.yaml"):
        named = re.findall(r"\{env: (\w+)\}", (DEPLOY / name).read_text(encoding="utf-8"))
        assert named
        assert set(named) <= given


def test_the_image_is_made_of_what_its_context_has_and_runs_as_no_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for line in lines:
        if line.startswith("COPY "):
            for name in line.split()[1:-1]:
                assert (REPOSITORY / name).exists()
                assert f"!{name}\n" in kept
    assert lines[-1] == "USER app"
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', "\n".join(lines))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_pipelines_are_valid() -> None:
    for name in ("pipeline.yaml", "kubernetes.yaml"):
        found = load_settings(DEPLOY / name)
        assert found.run_shards is not None and found.run_shards < found.shards
