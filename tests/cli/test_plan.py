"""embed-assets plan, budgets and exit codes: what a person is asked and what a machine reads."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_assets.manifest.pending_items import CLASSES
from embed_assets.store.store import Store
from tests.cli.conftest import Command
from tests.kept import Kept
from tests.support import REPOSITORY, picture, rewrite, table_versions, write_notes

Settings = Callable[..., str]
SMALLER = {"words": {"model": "words", "segment": {"max_tokens": 8}}}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def built(command: Command, pipeline_yaml: Settings, tmp_path: Path, kept: Kept) -> Path:
    """A folder of ten notes whose pipeline has run."""

    def run() -> None:
        write_notes(tmp_path / "notes", 10)
        assert command("run", "--settings", pipeline_yaml()).exit_code == 0

    kept.once("built", run)
    return tmp_path / "notes"


def test_a_plan_shows_items_cost_reason_and_gate_and_runs_nothing(
    command: Command, pipeline_yaml: Settings, built: Path, words: list
) -> None:
    words.clear()
    rewrite(built / "note-001.txt", "edited")
    result = command("plan", "--settings", pipeline_yaml(encoders=SMALLER))
    assert result.exit_code == 0, result.output
    header, new, live = (line.split() for line in result.stdout.splitlines()[1:4])
    assert header[2:] == [*CLASSES, "segments", "tokens", "encoding", "bytes"]
    assert new[1:9] == ["new", "notes", "0", "1", "9", "0", "0", "0"]
    assert live[1:10] == ["live", "notes", "0", "1", "0", "0", "0", "0", "9"]
    assert "why: segment.max_tokens: unset → 8 (against" in result.stdout
    assert "measured with version" in result.stdout
    assert "accounts" in result.stdout and "promotion automatic" in result.stdout
    assert "Total: 11 items to encode" in result.stdout
    assert words == []


def test_what_can_not_be_read_is_reported(command: Command, pipeline_yaml: Settings, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 2)
    (tmp_path / "notes" / "program").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "notes" / "empty.txt").touch()
    said = command("plan", "--settings", pipeline_yaml()).stdout
    assert "notes: quarantined: " in said and "1 empty file" in said and "application/x-executable" in said


def test_details_are_by_shard(command: Command, pipeline_yaml: Settings, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 40)
    result = command("plan", "--settings", pipeline_yaml(), "--details")
    rows = [line.split() for line in result.stdout.splitlines()[2:6]]
    assert [row[3] for row in rows] == ["s00", "s01", "s02", "s03"]
    assert sum(int(row[4]) for row in rows) == 40


def test_nothing_to_do_is_reported(command: Command, built: Path) -> None:
    result = command("plan", "--store", "store", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Nothing to do: everything is fresh."


def test_the_document_is_one_json_and_never_prompts(command: Command, pipeline_yaml: Settings, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 10)
    result = command("plan", "--settings", pipeline_yaml(), "--json", "--sample", "3")
    document = json.loads(result.stdout)
    assert not document["fresh"]
    assert document["total"]["items"] == 10
    assert document["encoders"][0]["versions"][0]["sources"][0]["new"] == 10
    assert document["total"]["basis"] == ["sampled: 3 items on cpu"]
    assert document["run"] is None


@pytest.mark.slow
def test_yes_runs_what_was_planned(command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 10)
    document = json.loads(command("plan", "--settings", pipeline_yaml(), "--json", "--yes").stdout)
    assert not document["fresh"]
    assert document["run"]["fresh"]
    assert document["run"]["stopped"] is None
    assert len(words) == 10
    (tmp_path / "notes" / "added.txt").write_text("added")
    result = command("plan", "--store", "store", "--yes")  # the pipeline that the store was built with
    assert result.exit_code == 0, result.output
    assert "Done in" in result.stdout
    assert len(words) == 11


@pytest.mark.slow
def test_run_needs_no_settings_where_the_store_has_them(command: Command, built: Path, words: list) -> None:
    words.clear()
    (built / "added.txt").write_text("added")
    assert command("run", "--store", "store").exit_code == 0
    assert words == ["added"]


def test_planning_a_store_leaves_its_vectors_and_versions_alone(
    command: Command, pipeline_yaml: Settings, built: Path
) -> None:
    before = table_versions(Store("store"))
    command("plan", "--settings", pipeline_yaml(encoders=SMALLER), "--sample", "5")
    assert table_versions(Store("store")) == before


@pytest.mark.slow
def test_status_says_by_its_exit_code_whether_a_run_is_due(
    command: Command, pipeline_yaml: Settings, built: Path
) -> None:
    assert command("status", "--store", "store", "--exit-code").exit_code == 0
    (built / "added.txt").write_text("added")
    command("plan", "--store", "store")  # refreshes the manifest
    stale = command("status", "--store", "store", "--exit-code", "--json")
    assert stale.exit_code == 3
    assert not json.loads(stale.stdout)["fresh"]
    assert command("status", "--store", "store").exit_code == 0


@pytest.mark.slow
def test_a_run_that_reaches_its_budget_says_what_is_left_and_serves_nothing_half(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    write_notes(tmp_path / "notes", 40)
    result = command("run", "--settings", pipeline_yaml(), "--budget", "105tokens")
    done = len(words)
    assert result.exit_code == 4, result.output
    assert f"Budget of 105 tokens reached: {40 - done} of 40 items left; run again to go on." in result.stdout
    assert 0 < sum(len(text.split()) for text in words) <= 105
    assert json.loads(command("status", "--store", "store", "--json").stdout)["encoders"][0]["state"] != "live"
    assert command("run", "--settings", "pipeline.yaml").exit_code == 0
    assert len(words) == 40
    assert json.loads(command("status", "--store", "store", "--json").stdout)["fresh"] is True


@pytest.mark.slow
def test_a_budget_that_is_reached_is_in_the_document(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    write_notes(tmp_path / "notes", 40)
    result = command("plan", "--settings", pipeline_yaml(), "--json", "--yes", "--budget", "105tokens")
    document = json.loads(result.stdout)
    assert result.exit_code == 4
    assert document["budget"] == "105 tokens"
    assert document["run"]["left"] == 40 - len(words)
    assert "run again to go on" in document["run"]["stopped"]


@pytest.mark.slow
def test_what_serves_goes_on_serving_where_the_budget_ends(
    command: Command, pipeline_yaml: Settings, built: Path, words: list
) -> None:
    words.clear()
    result = command("run", "--settings", pipeline_yaml(encoders=SMALLER), "--budget", "50tokens")
    assert result.exit_code == 4, result.output
    told = json.loads(command("status", "--store", "store", "--json").stdout)["encoders"][0]
    assert told["state"] != "live"
    assert [kept["state"] for kept in told["kept"]] == ["live"]
    hits = json.loads(command("search", "note 3", "--store", "store", "-k", "1", "--json").stdout)
    assert hits["hits"][0]["key"] == "note-003.txt"


def test_a_budget_is_weighed_against_the_plan(command: Command, built: Path) -> None:
    for number in range(20):
        (built / f"added-{number}.txt").write_text(" ".join(["another"] * 10) + f" {number}")
    assert "Budget of 1,000 tokens: enough." in command("plan", "--store", "store", "--budget", "1ktokens").stdout
    told = command("plan", "--store", "store", "--budget", "100tokens").stdout
    assert "Budget of 100 tokens: enough for about" in told


def test_a_wrong_budget_is_reported_before_anything_is_done(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    for name in ("run", "plan"):
        result = command(name, "--settings", pipeline_yaml(), "--budget", "ten")
        assert result.exit_code == 1
        assert "Budget 'ten' can't be read. Write seconds" in result.output
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_on_a_terminal_it_prompts_samples_shows_details_and_takes_no_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(8):
        (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
    values = {"store": "store", "sources": {"notes": {"uri": "notes"}}, "encoders": {"pixels": {"model": "pixels"}}}
    (tmp_path / "pipeline.yaml").write_text(json.dumps(values))
    shown = _typed(tmp_path, ["plan", "--settings", "pipeline.yaml"], answers=["what", "d", "sample", "n"])
    assert shown.count("Apply? [y]es, [n]o, [d]etails by shard, [s]ample first") == 4
    assert "is not one of" in shown
    assert "shard" in shown
    assert "sampled: 8 items on cpu" in shown
    assert "Done in" not in shown


def _typed(folder: Path, arguments: list[str], *, answers: list[str]) -> str:
    """What a command shows on a terminal where these answers are typed, each after a question."""
    code = "import sys; from embed_assets.cli.main import main; main(sys.argv[1:])"
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "120"}
    running = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments], cwd=folder, env=env, stdin=theirs, stdout=theirs,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown, asked, patience = "", 0, time.monotonic() + 60
    while time.monotonic() < patience:
        if not select.select([ours], [], [], 1.0)[0]:
            if running.poll() is not None:
                break
            continue
        try:
            shown += os.read(ours, 4096).decode(errors="ignore")
        except OSError:  # the command has ended
            break
        if shown.count("ample first") > asked and asked < len(answers):
            os.write(ours, f"{answers[asked]}\n".encode())
            asked += 1
    os.close(ours)
    assert running.wait(30) == 0, shown
    return shown


@pytest.mark.slow
def test_an_encoder_with_a_price_is_bounded_by_money(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    write_notes(tmp_path / "notes", 40)
    priced = {"words": {"model": "words", "options": {"price_per_million_tokens": 1000.0}}}
    result = command("run", "--settings", pipeline_yaml(encoders=priced), "--budget", "0.05usd")
    spent = sum(len(text.split()) for text in words)
    assert result.exit_code == 4, result.output
    assert 40 <= spent <= 50, result.output
    planned = json.loads(command("plan", "--settings", "pipeline.yaml", "--json").stdout)
    rest = command("plan", "--settings", "pipeline.yaml").stdout
    assert planned["total"]["usd"] == pytest.approx(0.001 * planned["total"]["cost"], rel=0.01)
    assert "usd" in rest.splitlines()[1].split()
