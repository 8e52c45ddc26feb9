"""embed-assets export, and run with sinks: what is written and shown, one export to a place of no settings."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from jsonschema import validate

from embed_assets.cli.shared.json_documents import schema_of
from tests.cli.conftest import Command
from tests.support import rewrite, write_notes


@pytest.fixture
def built(command: Command, pipeline_yaml: Callable[..., str], tmp_path: Path) -> str:
    write_notes(tmp_path / "notes", 6)
    sinks = {"out": {"space": "words", "kind": "parquet", "uri": "exports/words"}}
    file = pipeline_yaml(sinks=sinks)
    result = command("run", "--settings", file)
    assert result.exit_code == 0, result.output
    return file


def test_a_run_exports_and_export_writes_what_changed(command: Command, built: str, tmp_path: Path) -> None:
    assert pq.read_table(tmp_path / "exports" / "words").num_rows == 6
    result = command("export", "--store", "store")
    assert result.exit_code == 0, result.output
    assert f"out, space words to parquet {tmp_path}/exports/words: up to date: 6 rows of words__" in result.output
    rewrite(tmp_path / "notes" / "note-001.txt", "boat harbour tide")
    assert command("run", "--settings", built).exit_code == 0
    texts = pq.read_table(tmp_path / "exports" / "words")["text"].to_pylist()
    assert "boat harbour tide" in texts
    assert "Everything is fresh" in command("run", "--settings", built).output


def test_the_document_follows_its_schema(command: Command, built: str, tmp_path: Path) -> None:
    (tmp_path / "exports" / "words" / "_manifest.json").unlink()
    (found,) = document = json.loads(command("export", "out", "--store", "store", "--json").stdout)
    validate(document, schema_of("export"))
    assert (found["written"], found["whole"]) == (6, "the sink is not as an export left it")


def test_one_export_to_a_place_of_no_settings(command: Command, built: str, tmp_path: Path) -> None:
    result = command("export", "--to", "mine.parquet", "--store", "store")
    assert result.exit_code == 0, result.output
    assert pq.read_table(tmp_path / "mine.parquet").num_rows == 6
    assert sorted(each.name for each in (tmp_path / "store" / "exports").iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["othr"], "There is no sink 'othr'."),
        (["--to", "mine.csv"], "'mine.csv' does not say what to write; it ends in .parquet, .faiss, .db."),
        (["--space", "words"], "--space belongs to --to"),
        (["out", "--to", "a.parquet"], "--space belongs to --to"),
        (["--to", "a.parquet", "--space", "word"], "space 'word' serves nothing"),
    ],
)
def test_mistakes_are_named(command: Command, built: str, arguments: list[str], message: str) -> None:
    result = command("export", *arguments, "--store", "store")
    assert message in result.output
