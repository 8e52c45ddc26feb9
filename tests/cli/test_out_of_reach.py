"""What could not be reached, as run, plan and status tell it."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.cli.shared.chosen_settings import folder_settings
from tests.cli.conftest import Command
from tests.support import note, write_notes
from tests.web_server import web_server

Settings = Callable[..., str]


@pytest.mark.slow
def test_a_host_that_is_down_is_a_warning_of_run_plan_and_status(
    command: Command, pipeline_yaml: Settings, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    with web_server() as server:
        uris = [server.put(f"/{number}.txt", note(number)) for number in range(3)]
        rows = {"doc": ["a", "b", "c"], "uri": uris}
        pq.write_table(pa.table(rows), tmp_path / "notes" / "rows.parquet")
        table = {"format": "parquet", "uri": "uri", "id": "doc", "allow": [server.url]}
        settings = pipeline_yaml(sources={"notes": {"uri": "notes", "table": table}})
        assert command("run", "--settings", settings).exit_code == 0
    shown = f"notes: unreachable (connection refused): 3 items at {server.url} stay as they were"
    for arguments in (
        ["run", "--settings", settings],  # refreshes the manifest
        ["run", "--settings", settings],  # "Everything is fresh"
        ["plan", "--settings", settings],
        ["status", "--store", "store"],
    ):
        result = command(*arguments)
        assert result.exit_code == 0, result.output
        assert shown in result.stdout, result.output
    found = json.loads(command("status", "--store", "store", "--json").stdout)
    assert [(each["place"], each["items"]) for each in found["out_of_reach"]["notes"]] == [(server.url, 3)]
    assert found["encoders"][0]["vectors"] == 3


def test_encoders_of_a_folder_are_chosen_by_what_can_be_listed(unprivileged: Path) -> None:
    write_notes(unprivileged / "media", 1)
    write_notes(unprivileged / "media" / "locked", 1).chmod(0)
    chosen = folder_settings(str(unprivileged / "media"), str(unprivileged / "store"), offline=True)
    assert list(chosen.encoders) == ["minilm"]
