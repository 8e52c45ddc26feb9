"""Full disks, stores that can't be written and damaged tables: one line each, and what only reads goes on."""

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click.testing
import pytest

from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings
from tests.support import note, pipeline, rewrite, run_all, write_notes

Command = Callable[..., click.testing.Result]


@pytest.fixture
def steps(tmp_path: Path, words: list, command: Command) -> Steps:
    """A store that a run has made, of notes one of which was edited since."""
    write_notes(tmp_path / "notes", 6)
    made = pipeline(tmp_path)
    save_settings(made.store, made.settings)
    run_all(made)
    rewrite(tmp_path / "notes" / "note-002.txt", note(40))
    return made


@contextmanager
def without_rights(folder: Path, *others: Path) -> Iterator[None]:
    """Nothing in the folder may be written meanwhile, all of the others read; root gives its rights away for it."""
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o555 if each.is_dir() else 0o444)
    root = os.geteuid() == 0
    for each in (each for other in (folder, *others) for each in (other, *other.rglob("*"), *other.parents)):
        if root and each != Path("/"):
            each.chmod(each.stat().st_mode | (0o555 if each.is_dir() else 0o444))
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o755 if each.is_dir() else 0o644)


def refusal(result: click.testing.Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception  # no traceback
    return result.output.splitlines()[-1]


def test_what_only_reads_works_on_a_store_that_cant_be_written(
    command: Command, steps: Steps, tmp_path: Path, plugin_folder: Path
) -> None:
    assert command("status", "--store", "store").exit_code == 0  # whatever is imported is imported as root
    assert command("search", note(1), "--store", "store").exit_code == 0
    assert command("plan", "--store", "store", "--json").exit_code == 0
    rewrite(tmp_path / "notes" / "note-003.txt", note(41))
    with without_rights(tmp_path / "store", tmp_path / "notes", plugin_folder):
        status = command("status", "--store", "store")
        found = command("search", note(1), "--store", "store", "--json")
        plan = command("plan", "--store", "store", "--json")
        run = command("maintain", "--store", "store")
    for result in (status, found, plan):
        assert result.exit_code == 0, result.output
    assert json.loads(found.stdout)["hits"][0]["key"] == "note-001.txt"
    assert json.loads(plan.stdout)["encoders"][0]["versions"][0]["sources"][0]["edited"] == 2
    assert "Not permitted: " in refusal(run)


def test_a_full_disk_is_reported_and_the_same_command_goes_on_from_there(
    command: Command, steps: Steps, tmp_path: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))  # as a disk that is full after 200 bytes of a file
    try:
        said = refusal(command("plan", "--store", "store"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.startswith("Error: The disk is full: ")
    assert said.endswith("make room, and run the same command again: it goes on from there.")
    plan = command("plan", "--store", "store", "--json")
    assert json.loads(plan.stdout)["encoders"][0]["versions"][0]["sources"][0]["edited"] == 1


def test_a_damaged_table_is_named_with_the_command_that_repairs_it(
    command: Command, steps: Steps, tmp_path: Path
) -> None:
    for file in (tmp_path / "store" / "manifest.lance" / "data").iterdir():
        file.write_bytes(file.read_bytes()[:30])
    said = refusal(command("status", "--store", "store"))
    assert said.startswith(f"Error: Table 'manifest' of store '{tmp_path}/store' is damaged: data file ")
    assert said.endswith(f"embed-assets repair --store {tmp_path}/store")
    repaired = command("repair", "--store", "store")
    assert "is restored; the next run adds the rest" in repaired.output
    assert command("plan", "--store", "store").exit_code == 0
    assert "Every table can be read" in command("repair", "--store", "store").output


def test_an_error_that_nobody_foresaw_stays_a_traceback() -> None:
    from embed_assets.cli.shared.machine_errors import explained

    assert explained(ZeroDivisionError("division by zero")) is None
