"""embed-assets show: an item's segments, hashes, history, or why it is quarantined; searches that a service answers."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click.testing
import pytest

from embed_assets.store.saved_settings import save_settings
from tests.kept import Kept
from tests.support import note, pipeline, run_all, write_notes

Command = Callable[..., click.testing.Result]


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def store(tmp_path: Path, words: list, command: Command, kept: Kept) -> str:
    def run() -> None:
        write_notes(tmp_path / "notes" / "harbour", 3)
        (tmp_path / "notes" / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
        steps = pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}})
        save_settings(steps.store, steps.settings)
        run_all(steps)

    kept.once("store", run)
    return "store"


def test_an_item_is_shown_with_its_segments_and_history(command: Command, store: str) -> None:
    said = command("show", "notes/harbour/note-001.txt", "--store", store).output
    assert note(1)[:40] in said
    assert "space words, live: 1 segments" in said
    assert "embedded" in said
    assert "promote" in said


def test_a_quarantined_item_is_shown_with_its_reason(command: Command, store: str) -> None:
    assert "quarantined: broken pdf" in command("show", "broken.pdf", "--store", store).output
    assert "broken.pdf" in command("show", "--quarantined", "--store", store).output


def test_an_unknown_item_is_refused_with_the_nearest(command: Command, store: str) -> None:
    refused = command("show", "notes/harbour/note-01.txt", "--store", store)
    assert refused.exit_code == 1
    assert "Did you mean" in refused.output
    assert command("show", "--store", store).exit_code == 1


def test_search_combines_words_items_filters_and_what_to_lead_away_from(command: Command, store: str) -> None:
    found = command("search", note(1), "--where", "label=harbour", "--where", "key~001", "--store", store)
    assert "note-001.txt" in found.output
    like = command("search", "--like", "notes/harbour/note-001.txt", "--minus", note(2), "--store", store).output
    assert "note-001.txt" not in like.splitlines()[1]
    assert "note-000.txt" in like
    refused = command("search", "a", "--where", "{broken", "--store", store)
    assert "is not JSON" in refused.output
    assert "No column 'lable'" in command("search", "a", "--where", "lable=b", "--store", store).output


class _Service(BaseHTTPRequestHandler):
    """Answers as a service would that has found one item, and keeps what it was sent."""

    received: list[bytes] = []  # noqa: RUF012 - one list for all requests

    def do_GET(self) -> None:
        self._answer(b"{}")

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b'{"hits": [], "spaces": [], "mode": "vector", "reranker": null, "good_match": false, '
                     b'"encode_seconds": 0, "search_seconds": 0, "notes": ["of the service"]}')  # fmt: skip

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_service_that_runs_on_the_store_is_asked(command: Command, store: str, tmp_path: Path) -> None:
    from embed_assets.service.running_service import noted

    server = HTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    picture = tmp_path / "query.bin"
    picture.write_bytes(b"some bytes")
    with noted(str(tmp_path / store), f"http://127.0.0.1:{server.server_port}", needs_key=False):
        assert "of the service" in command("search", "words", "--file", str(picture), "--store", store).output
    server.shutdown()
    assert b"some bytes" in _Service.received[0]
    assert b'"text": "words"' in _Service.received[0]
    server.server_close()
    with noted(str(tmp_path / store), f"http://127.0.0.1:{server.server_port}", needs_key=False):  # it has gone
        assert "note-001.txt" in command("search", note(1), "--store", store).output
