"""embed-assets serve: its process, its address, its end."""

import socket
import sys

import click.testing
import httpx2
import pytest

from embed_assets.cli.main import main
from embed_assets.service.running_service import running_service
from tests.service.conftest import Serve
from tests.support import note


@pytest.mark.slow
def test_it_serves_until_it_is_stopped_and_notes_where(serve: Serve, built_store) -> None:
    url = serve.start()
    found = httpx2.get(f"{url}/search", params={"q": note(3), "k": 1}).json()
    assert found["hits"][0]["key"] == "dogs/note-003.txt"
    noted = running_service(str(built_store / "store"))
    assert noted is not None
    assert (noted.url, noted.needs_key) == (url, False)
    assert "server" not in httpx2.get(f"{url}/health").headers
    assert serve.stop() == 0
    assert running_service(str(built_store / "store")) is None


def test_a_port_that_is_taken_is_one_message(built_store, words, tmp_path, monkeypatch) -> None:
    serving = Serve(tmp_path, built_store / "store", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = serving.command("--port", str(taken.getsockname()[1]))[3:]
        result = click.testing.CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "can't listen at 127.0.0.1" in result.output


def test_without_the_extra_it_says_what_to_install(built_store, words, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = click.testing.CliRunner().invoke(main, ["serve", "--store", str(built_store / "store")])
    assert result.exit_code == 1
    assert "pip install 'embed-assets[serve]'" in result.output


def test_a_damaged_note_or_one_of_a_process_that_ended_is_no_service(tmp_path) -> None:
    assert running_service(str(tmp_path)) is None
    (tmp_path / "service.json").write_text("{")
    assert running_service(str(tmp_path)) is None
    (tmp_path / "service.json").write_text('{"url": "http://127.0.0.1:1", "pid": 99999999, "started": ""}')
    assert running_service(str(tmp_path)) is None
