"""embed-assets report duplicates, outliers, labels and map: tables, documents, files, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.csv
import pyarrow.parquet
import pytest

from embed_assets.cli.shared.json_documents import schema_of
from tests.cli.conftest import Command

TOPICS = {"sea": "boat harbour tide", "wood": "oak moss fern"}


@pytest.fixture
def served(tmp_path: Path, command: Command, pipeline_yaml: Callable[..., str]) -> Path:
    for topic, words in TOPICS.items():
        (tmp_path / "notes" / topic).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "notes" / topic / f"{number}.txt").write_text(f"{words} number{number}")
    (tmp_path / "notes" / "sea" / "copy.txt").write_text(f"{TOPICS['sea']} number3")
    (tmp_path / "notes" / "sea" / "wrong.txt").write_text(f"{TOPICS['wood']} number77")
    (tmp_path / "notes" / "wood" / "stray.txt").write_text("quasar nebula pulsar comet")
    settings = pipeline_yaml(sources={"notes": {"uri": "notes", "labels": "folder"}})
    assert command("run", "--settings", settings).exit_code == 0
    return tmp_path


def document(command: Command, *line: str) -> Any:
    result = command("report", *line, "--store", "store", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    jsonschema.validate(found, schema_of(f"report {line[0]}"))
    return found[0]


def test_what_is_found_is_printed_written_and_a_document(command: Command, served: Path):
    shown = command("report", "duplicates", "--store", "store", "--threshold", "0.999", "--export", "twice.csv")
    assert shown.exit_code == 0, shown.output
    assert "1 groups of near-duplicates (cosine from 0.999), 1 items beside the proposed keepers" in shown.output
    assert "notes/sea/copy.txt" in shown.output and "Wrote twice.csv" in shown.output
    rows = pyarrow.csv.read_csv(served / "twice.csv").to_pylist()
    assert {(row["key"], row["label"], row["group"]) for row in rows} == {
        ("sea/3.txt", "sea", 1),
        ("sea/copy.txt", "sea", 1),
    }
    assert [row["keeper"] for row in rows] == [True, False]
    found = document(command, "duplicates", "--threshold", "0.999", "--export", "twice.parquet")
    assert [len(group["members"]) for group in found["groups"]] == [2]
    assert pyarrow.parquet.read_table(served / "twice.parquet").num_rows == 2

    assert "notes/wood/stray.txt" in command("report", "outliers", "words", "--store", "store").output
    assert document(command, "outliers")["outliers"][0]["item"]["key"] == "wood/stray.txt"

    assert "notes/sea/wrong.txt" in command("report", "labels", "--store", "store").output
    found = document(command, "labels", "--sample", "20")
    assert (found["items"], found["compared"]) == (27, 20)


def test_the_map_is_written_for_both_tools(command: Command, served: Path):
    shown = command("report", "map", "--store", "store", "--export", "atlas.parquet")
    assert shown.exit_code == 0, shown.output
    assert "Open it: uvx embedding-atlas==0.26.0 atlas.parquet --x x --y y" in shown.output
    assert pyarrow.parquet.read_table(served / "atlas.parquet").num_rows == 27
    found = document(command, "map", "--export", "projector", "--refit")
    assert found["groups"] == [{"name": "sea", "items": 14}, {"name": "wood", "items": 13}]
    assert found["fitted"] == 27
    assert [Path(file).name for file in found["exported"]] == ["projector_config.pbtxt", "vec.tsv", "meta.tsv"]
    assert len((served / "projector" / "vec.tsv").read_text().splitlines()) == 27


def test_what_cannot_be_written_is_refused(command: Command, served: Path):
    shown = command("report", "labels", "--store", "store", "--export", "rows.xlsx")
    assert shown.exit_code == 1
    assert "name a file that ends in .parquet or .csv" in shown.output
    shown = command("report", "map", "words", "other", "--store", "store", "--export", "folder")
    assert "is of one space, and there are 2" in shown.output
    shown = command("report", "map", "--store", "store", "--export", "map.csv")
    assert "name a .parquet file for Embedding Atlas, or a folder" in shown.output
