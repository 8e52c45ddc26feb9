"""embed-assets run, status and search: what a person reads and what a machine reads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.names import AUTOMATIC, is_automatic
from embed_assets.cli.shared.run_pipeline import Freshness
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store
from tests.cli.conftest import Command
from tests.kept import Kept
from tests.support import REPOSITORY, note, picture, pipeline, rewrite, run_all, touch, write_notes

Settings = Callable[..., str]


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def first_run(command: Command, pipeline_yaml: Settings, tmp_path: Path, kept: Kept) -> str:
    """What the run of five notes printed, which made the store."""

    def run() -> str:
        write_notes(tmp_path / "notes", 5)
        result = command("run", "--settings", pipeline_yaml())
        assert result.exit_code == 0, result.output
        return result.stdout

    return kept.once("run", run)


def test_run_ends_with_a_table_and_the_next_command(first_run: str, tmp_path: Path) -> None:
    assert "notes" in first_run and "live" in first_run
    assert "embed-assets search" in first_run
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        tags = [run.tags for run in instance.get_runs()]
    assert len(tags) == 2 and all(is_automatic(each) for each in tags)
    assert all(each["user"] == "embed-assets run" for each in tags)  # "Launched by" in Dagster's list
    assert not [each for each in tags if AUTOMATIC.items() <= each.items()]


@pytest.mark.slow
def test_run_needs_no_jobs_of_the_code_location(command: Command, pipeline_yaml: Settings, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 2)
    left_out = {"jobs": False, "schedules": False, "sensors": False}
    result = command("run", "--settings", pipeline_yaml(automation=left_out))
    assert result.exit_code == 0, result.output
    assert "live" in result.stdout


def test_a_second_run_says_in_one_line_that_everything_is_fresh(command: Command, first_run: str, words: list) -> None:
    words.clear()
    result = command("run", "--settings", "pipeline.yaml")
    assert result.exit_code == 0
    assert result.stdout.startswith("Everything is fresh: 5 vectors, nothing to encode")
    assert len(result.stdout.splitlines()) == 1
    assert words == []


@pytest.mark.slow
def test_status_says_exactly_what_the_last_run_did(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    notes = write_notes(tmp_path / "notes", 200)
    command("run", "--settings", pipeline_yaml())
    words.clear()
    rewrite(notes / "note-001.txt", "an edited text")
    (notes / "added.txt").write_text("an added text")
    (notes / "note-002.txt").unlink()
    (notes / "note-003.txt").rename(notes / "renamed.txt")
    rewrite(notes / "note-004.txt", bytes(range(256)) * 4)

    run = json.loads(command("run", "--settings", "pipeline.yaml", "--json").stdout)
    status = json.loads(command("status", "--store", "store", "--json").stdout)

    counts = status["sources"][0]
    assert sorted(words) == ["an added text", "an edited text"]
    assert counts["embedded"] == 2
    assert counts["deleted"] == 1
    assert counts["quarantined"] == 1
    assert counts["reused"] == 0
    assert counts["unchanged"] == 197
    assert status["fresh"] is True
    assert run["sources"] == status["sources"]
    hits = json.loads(command("search", note(3), "--store", "store", "-k", "1", "--json").stdout)
    assert hits["hits"][0]["key"] == "renamed.txt"


def test_an_edit_runs_the_jobs_of_the_encoders_that_it_touches(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    for source in ("notes", "letters"):
        write_notes(tmp_path / source, 3)
    settings = pipeline_yaml(
        sources={"notes": {"uri": "notes"}, "letters": {"uri": "letters"}},
        encoders={name: {"model": "words", "sources": [name], "space": name} for name in ("notes", "letters")},
    )
    assert command("run", "--settings", settings).exit_code == 0
    (tmp_path / "letters" / "new.txt").write_text(note(7))
    words.clear()
    assert command("run", "--settings", settings).exit_code == 0
    assert len(words) >= 1
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        jobs = [run.job_name for run in instance.get_runs(limit=2)]
        assert instance.get_runs_count() == 6
    assert sorted(jobs) == ["letters_embed", "letters_promote"]


def test_a_table_is_listed_once_however_many_encoders_read_it(
    tmp_path: Path, words: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notes(tmp_path / "notes", 3)
    names = ("first", "second", "third")
    steps = pipeline(tmp_path, encoders={name: {"model": "words", "space": name} for name in names})
    run_all(steps)
    listed: list[str] = []
    differs = steps.listing_differs
    monkeypatch.setattr(steps, "listing_differs", lambda source: listed.append(source) or differs(source))
    assert Freshness(steps).of_all()
    assert len(listed) == len(set(listed)) == len(steps.settings.sources)


def test_a_source_that_a_run_refreshed_makes_no_other_encoder_run(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    freshness = Freshness(steps)
    assert not freshness.of("words")
    run_all(steps)
    freshness.note_refreshed("words")
    assert freshness.of("words")


def test_an_encoder_that_is_left_alone_has_its_sources_settings_kept(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    for source in ("notes", "letters"):
        write_notes(tmp_path / source, 3)
    encoders = {name: {"model": "words", "sources": [name], "space": name} for name in ("notes", "letters")}
    sources: dict[str, dict[str, Any]] = {"notes": {"uri": "notes"}, "letters": {"uri": "letters"}}
    assert command("run", "--settings", pipeline_yaml(sources=sources, encoders=encoders)).exit_code == 0
    (tmp_path / "letters" / "new.txt").write_text(note(7))
    sources["notes"]["max_deleted_share"] = 0.75
    assert command("run", "--settings", pipeline_yaml(sources=sources, encoders=encoders)).exit_code == 0
    saved = saved_settings(Store(str(tmp_path / "store")))
    assert saved is not None and saved.sources["notes"].max_deleted_share == 0.75


@pytest.mark.slow
def test_a_touched_file_is_read_and_not_encoded(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, words: list
) -> None:
    notes = write_notes(tmp_path / "notes", 5)
    command("run", "--settings", pipeline_yaml())
    words.clear()
    touch(notes / "note-001.txt")
    assert command("run", "--settings", "pipeline.yaml").exit_code == 0
    assert words == []


def test_search_prints_json_for_machines(command: Command, first_run: str) -> None:
    found = json.loads(command("search", "note 3", "--store", "store", "--json").stdout)
    assert found["hits"][0]["key"] == "note-003.txt"
    assert found["hits"][0]["rank"] == 1


@pytest.mark.slow
def test_a_failed_check_is_reported_and_the_exit_status_says_so(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notes(tmp_path / "notes", 500, length=30)
    # One-bit codes, searched with little effort: the nearest are not among those that are ranked again.
    monkeypatch.setattr("embed_assets.quality.recall.ann_recall.LADDER", ((1, 1),))
    index = {"min_rows": 10, "num_bits": 1, "rows_per_partition": 5000}
    result = command("run", "--settings", pipeline_yaml(index=index, checks={"min_ann_recall": 1.0}))
    assert result.exit_code == 1
    assert "is not promoted to space 'words', nothing serves yet: ann_recall: recall@10 0." in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "Name a folder or bucket of media"),
        (("run", "nowhere"), "Source folder"),
        (("run", "--settings", "absent.yaml"), "Settings file 'absent.yaml' does not exist"),
        (("status", "--store", "absent"), "There is no store at 'absent' yet"),
        (("search", "x", "--store", "absent"), "There is no store at 'absent' yet"),
        (("search", "--store", "absent"), "Give words, a file or a stored item"),
    ],
)
def test_a_mistake_gets_one_clear_message(command: Command, arguments: tuple[str, ...], message: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_wrong_key_suggests_the_nearest(command: Command, pipeline_yaml: Settings) -> None:
    result = command("run", "--settings", pipeline_yaml(encoders={"words": {"modle": "words"}}))
    assert result.exit_code == 1
    assert "encoders.words.modle: unknown key. Did you mean 'model'?" in result.output


def test_a_space_that_serves_nothing_is_named(command: Command, first_run: str) -> None:
    result = command("search", "x", "--space", "wrds", "--store", "store")
    assert result.exit_code == 1
    assert "Space 'wrds' serves nothing. Spaces that serve: words." in result.output


def test_help_names_every_command(command: Command) -> None:
    result = command("--help")
    for name in ("demo", "run", "search", "status", "ui"):
        assert name in result.output


@pytest.mark.slow
def test_a_run_with_nothing_to_do_loads_neither_torch_nor_dagster(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(3):
        (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
    values = {"store": "store", "sources": {"notes": {"uri": "notes"}}, "encoders": {"pixels": {"model": "pixels"}}}
    (tmp_path / "pipeline.yaml").write_text(json.dumps(values))
    code = (
        "import sys; from embed_assets.cli.main import main\n"
        "main(['run', '--settings', 'pipeline.yaml'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers', 'dagster') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DAGSTER_HOME": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert "Warning" not in runs[0].stderr + runs[1].stderr  # what libraries say to those who call them
    done = runs[1]
    assert "Everything is fresh" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("notes", "--settings", "pipeline.yaml"), "MEDIA and --settings: the settings say it with sources"),
        (
            ("--settings", "pipeline.yaml", "--offline"),
            "--offline and --settings: the settings say it",
        ),
        (("--settings", "pipeline.yaml", "--store", "other"), "--store and --settings: the settings say it with store"),
        (("notes", "--store", "store"), "was built from other sources (notes): a run of 'notes' would drop them"),
    ],
)
def test_what_would_be_ignored_or_dropped_is_refused(
    command: Command, pipeline_yaml: Settings, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_notes(tmp_path / "notes", 3)
    assert command("run", "--settings", pipeline_yaml()).exit_code == 0
    result = command("run", *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


@pytest.mark.slow
def test_a_budget_of_the_settings_bounds_a_run_as_the_option_does(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    write_notes(tmp_path / "notes", 10)
    compute = {"device": "cpu", "offline": True, "budget": "30tokens"}
    result = command("run", "--settings", pipeline_yaml(compute=compute))
    assert result.exit_code == 4
    assert "Budget of 30 tokens reached" in result.stdout


@pytest.mark.slow
def test_a_refused_run_leaves_the_settings_of_the_one_before(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    write_notes(tmp_path / "notes", 12)
    write_notes(tmp_path / "other", 2)
    command("run", "--settings", pipeline_yaml())
    refused = command("run", "--settings", pipeline_yaml(sources={"notes": {"uri": "other"}}, shards=8))
    assert refused.exit_code == 1
    said = " ".join(refused.output.split())
    assert f"Source 'notes' was {tmp_path}/notes, is now {tmp_path}/other. " in said
    assert "83% would be deleted" in said
    assert "embed-assets run --accept-deletions" in said
    assert command("run", "--store", "store").stdout.startswith("Everything is fresh: 12 vectors")
    accepted = command("run", "--settings", "pipeline.yaml", "--accept-deletions")
    assert accepted.exit_code == 0, accepted.output
    assert command("run", "--store", "store").stdout.startswith("Everything is fresh: 2 vectors")


@pytest.mark.slow
def test_what_was_accepted_once_is_not_accepted_again(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    notes = write_notes(tmp_path / "notes", 40)
    command("run", "--settings", pipeline_yaml(), "--accept-deletions")
    for number in range(30):
        (notes / f"note-{number:03d}.txt").unlink()
    assert command("run", "--store", "store").exit_code == 1
    assert command("run", "--store", "store", "--accept-deletions").exit_code == 0


@pytest.mark.slow
def test_json_shows_items_of_a_kind_that_no_encoder_takes(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    write_notes(tmp_path / "notes", 2)
    (tmp_path / "notes" / "square.png").write_bytes(picture(1))
    run = command("run", "--settings", pipeline_yaml(), "--json")
    assert run.exit_code == 0, run.exception
    for document in (run, command("status", "--store", "store", "--json")):
        assert json.loads(document.stdout)["unencoded"] == {"notes": {"image": 1}}
