"""docs/dagster.md: its code runs as it stands there."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from embed_assets.component import EmbeddingPipeline
from tests.assets.running import Running
from tests.support import REPOSITORY, settings, write_notes

PAGE = (REPOSITORY / "docs" / "dagster.md").read_text(encoding="utf-8")


def _block(language: str, word: str) -> str:
    """The page's one block of `language` that has `word` in it."""
    (block,) = (block for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if word in block)
    return block


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What a webhook's server got."""
    found: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/alert")
    yield found
    server.shutdown()
    server.server_close()


def test_the_alert_is_sent_for_a_candidate_that_is_held_back_alone(
    words: list, tmp_path: Path, instance: dg.DagsterInstance, posted: list[dict[str, Any]]
) -> None:
    write_notes(tmp_path / "notes", 4)
    running = Running(settings(tmp_path, shards=1), instance)
    names: dict[str, Any] = {}
    exec(_block("python", "def held_back").replace("text_serving", "words_serving"), names)

    def look() -> str:
        host = dg.Definitions.merge(running.definitions, dg.Definitions(sensors=[names["held_back"]]))
        context = dg.build_sensor_context(instance=instance, definitions=host)
        return str(names["held_back"].evaluate_tick(context).skip_message)

    running.build()
    assert look() == "nothing is held back"
    table = running.steps.vectors(running.steps.resolve("words").record).open()
    assert table is not None
    table.delete("key = 'note-003.txt'")
    running.promote()
    assert look() == "sent"
    (alert,) = posted
    assert "accounts: 1 items without vectors" in alert["text"]


def test_the_yaml_of_the_component_is_one_that_loads() -> None:
    contents = yaml.safe_load(_block("yaml", "attributes:"))
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=EmbeddingPipeline, defs_path="one", defs_yaml_contents=contents)
        write_notes(path / "notes", 1)
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            specs = list(definitions.resolve_all_asset_specs())
            assert {spec.group_name for spec in specs} == {"search"}
            assert {spec.key.path[0] for spec in specs} == {"ml"}
            sensors = {sensor.name for sensor in definitions.sensors or ()}
            assert sensors == {"first_build", "notes_new_media"}


def test_the_component_in_python_maps_its_serving_asset(words: list, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(_block("python", "class SearchPipeline"), names)
    values = settings(tmp_path).model_dump(mode="json", exclude_unset=True)
    definitions = dg.build_defs_for_component(names["SearchPipeline"].model_validate(values))
    groups = {spec.key.path[-1]: spec.group_name for spec in definitions.resolve_all_asset_specs()}
    assert groups["words_serving"] == "search"
    assert groups["words_index"] == "words"


@pytest.mark.slow
def test_the_decorated_function_runs_and_observes_what_it_says(
    words: list, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notes(tmp_path / "notes", 2)
    values = settings(tmp_path, shards=1).model_dump(mode="json", exclude_unset=True)
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(_block("python", "@embedding_assets"), names)
    assert Running(settings(tmp_path, shards=1), instance, definitions=names["search"]).build().success
    (record,) = instance.fetch_observations(dg.AssetKey("storefront"), limit=2).records
    assert record.asset_observation and record.asset_observation.metadata["searches"].value == "words"
