"""embed-assets compare: tables for people, a document for programs, and nothing left in the store."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from embed_assets.cli.shared.json_documents import schema_of
from embed_assets.errors import SettingsError
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.compared_encoders import with_encoders
from tests.cli.conftest import Command


@pytest.fixture
def labelled(tmp_path: Path, pipeline_yaml: Callable[..., str]) -> str:
    for label, word in (("red", "rose cherry"), ("blue", "sky water")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(f"{word} number{number}")
    return pipeline_yaml(sources={"notes": {"uri": "notes", "labels": "folder"}})


def test_encoders_of_the_settings_and_of_the_catalog_are_compared(command: Command, labelled: str):
    assert command("run", "--settings", labelled).exit_code == 0
    shown = command("compare", "words", "slow-words", "--store", "store")
    assert shown.exit_code == 0, shown.output
    assert "Space words: 16 queries (labels), 16 items sampled" in shown.output
    assert "words (live)" in shown.output
    assert "can't be distinguished" in shown.output
    assert "float16" in shown.output
    before = command("history", "--json", "--store", "store").output
    found = command("compare", "words", "slow-words", "--store", "store", "--sample", "12", "--no-variants", "--json")
    document = json.loads(found.output)
    jsonschema.validate(document, schema_of("compare"))
    assert (document["sampled"], document["variants"]) == (12, [])
    assert command("history", "--json", "--store", "store").output == before
    status = json.loads(command("status", "--json", "--store", "store").output)
    assert [each["encoder"] for each in status["encoders"]] == ["words"]


def test_a_model_that_nobody_knows_is_named(command: Command, labelled: str):
    assert command("run", "--settings", labelled).exit_code == 0
    shown = command("compare", "words", "no-such-model", "--store", "store")
    assert shown.exit_code == 1
    assert "Unknown encoder 'no-such-model'" in shown.output


def test_two_models_of_one_name_are_refused(tmp_path: Path, tiny_bert: Path):
    source, encoder = {"uri": str(tmp_path)}, {"model": "mel"}
    settings = make_settings(
        {"store": str(tmp_path / "store"), "sources": {"notes": source}, "encoders": {"mel": encoder}}
    )
    added, names = with_encoders(settings, ("minilm", str(tiny_bert)))
    assert names == ["minilm", "bert"]
    assert list(added.encoders) == ["mel", "minilm", "bert"] and list(settings.encoders) == ["mel"]
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "bert").symlink_to(tiny_bert)
    with pytest.raises(SettingsError, match="are both called 'bert'"):
        with_encoders(settings, (str(tiny_bert), str(tmp_path / "deeper" / "bert")))
