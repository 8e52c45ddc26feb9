"""Every command's --json is JSON, and what its schema in docs/json/ says, whatever trouble is in the store."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from embed_assets.cli.main import main
from embed_assets.cli.shared.json_documents import DOCUMENTS, schema_of
from tests.cli.conftest import Command
from tests.support import NOT_ENCODABLE, note, write_notes

Settings = Callable[..., str]


@pytest.fixture
def trouble(tmp_path: Path) -> dict[str, Any]:
    """Sources with every kind of trouble: kinds that nothing takes, broken, empty, unreachable, not encodable."""
    notes = write_notes(tmp_path / "notes", 12)
    (notes / "picture.gif").write_bytes(b"GIF89a" + bytes(20))
    (notes / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (notes / "empty.txt").touch()
    (notes / "program").write_bytes(b"\x7fELF" + bytes(200))
    (notes / "nothing [red].txt").write_text(f"{NOT_ENCODABLE} [/INST] \u202e")
    (notes / "loop").symlink_to(notes / "loop")
    (notes / "twin.txt").write_text(note(1))
    rows = [{"body": note(100 + number), "id": number} for number in range(5)]
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "good.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + '\n{"body": 1\n{"body": null}\n')
    (tables / "none.csv").write_text("body,id\n")
    (tmp_path / "away").mkdir()
    (tmp_path / "empty").mkdir()
    return {
        "notes": {"uri": "notes", "labels": "folder"},
        "tables": {"uri": "tables", "table": {"text": "body", "id": "id"}},
        "empty": {"uri": "empty"},
    }


def checked(command: Command, line: str, *, status: int = 0) -> Any:
    """What a command prints, held against its schema."""
    result = command(*line.split(), "--json")
    assert result.exit_code == status, (line, result.output, result.exception)
    document = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{line} prints {name}"))
    jsonschema.validate(document, schema_of(line.split()[0]))
    return document


@pytest.mark.slow
def test_every_command_prints_what_its_schema_says(
    trouble: dict[str, Any], command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    settings = pipeline_yaml(sources=trouble, encoders={"words": {"model": "words"}})
    checked(command, f"plan --settings {settings}")
    run = checked(command, f"run --settings {settings}")
    assert run["unencoded"] == {"notes": {"image": 2}}
    shown = {each["key"]: each["reason"] for each in checked(command, "quarantine --store store")}
    assert shown["nothing [red].txt"] == "vector not finite"
    assert shown["picture.gif"] == shown["broken.png"] == "no encoder takes it"
    assert set(shown) >= {"empty.txt", "program", "none.csv"}
    assert checked(command, "retry --store store")["items"] == len(shown) - 2
    checked(command, f"search {note(3).split()[2]} -k 3 --store store")
    checked(command, "status --store store")

    for generation in (2, 3):
        changed = pipeline_yaml(sources=trouble, encoders={"words": {"model": "words", "generation": generation}})
        assert checked(command, f"plan --settings {changed} --yes --budget 100ktokens")["run"]["changed"]
    checked(command, "rollback words --store store")
    checked(command, "promote words --store store")
    (tmp_path / "notes" / "note-001.txt").unlink()
    checked(command, "run --store store")
    checked(command, "plan --store store --sample 3")
    checked(command, "history --store store --limit 100")
    assert checked(command, "retire --all-unused --store store")
    checked(command, "maintain --store store")
    checked(command, "encoders")
    checked(command, "repair --store store")


def with_json(group: click.Group, before: str = "") -> Iterator[str]:
    """Names of the commands that have --json, those of groups with the group's before them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from with_json(found, f"{before}{name} ")
        elif "as_json" in {option.name for option in found.params}:
            yield f"{before}{name}"


def test_every_command_with_json_has_a_schema() -> None:
    assert set(with_json(main)) == set(DOCUMENTS)  # pyright: ignore[reportArgumentType]
