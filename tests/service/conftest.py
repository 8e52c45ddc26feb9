import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from fastapi.testclient import TestClient

from embed_assets.pipeline.steps import Steps
from embed_assets.service.answering import Service
from embed_assets.service.app import create_app
from embed_assets.settings import PipelineSettings
from tests.support import REPOSITORY, note, picture, pipeline, run_all, write_notes

ACME, OTHER, WRITER, WHOLE = (
    "acme-key-0123456789",
    "other-key-0123456789",
    "writer-key-012345678",
    "whole-key-0123456789",
)
KEYS: dict[str, Any] = {
    "acme": {"key": ACME, "filter": {"tenant": "acme"}},
    "other": {"key": OTHER, "filter": {"tenant": "other"}},
    "writer": {"key": WRITER, "filter": {"tenant": "acme"}, "write": True},
    "whole": {"key": WHOLE},
}
PAGE = b"<html><body>" + note(5).encode() + b"<script>alert(1)</script></body></html>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def write_media(folder: Path) -> None:
    """Notes of two tenants with prices, pictures, a page, and what no encoder takes."""
    write_notes(folder / "dogs", 6)
    write_notes(folder / "cats", 6)
    for number, file in enumerate(sorted((folder / "cats").iterdir())):
        file.write_text(note(100 + number))
    (folder / "pictures").mkdir()
    for seed in range(4):
        (folder / "pictures" / f"{seed}.png").write_bytes(picture(seed, side=64))
    (folder / "page.html").write_bytes(PAGE)
    (folder / "drawing.svg").write_bytes(DRAWING)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    rows = [
        {
            "file": file.relative_to(folder).as_posix(),
            "tenant": "other" if file.parent.name == "cats" else "acme",
            "price": number + 0.5,
        }
        for number, file in enumerate(files)
    ]
    (folder / "sidecar.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def store_settings(folder: Path) -> dict[str, Any]:
    return {
        "sources": {"notes": {"uri": str(folder / "notes"), "labels": "folder", "sidecar": "sidecar.jsonl"}},
        "encoders": {"words": {"model": "words", "media": ["text", "image"]}},
    }


@pytest.fixture(scope="session")
def built_store(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """A folder with media and a store that serves them, once for all tests; none of them writes to it."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_media(folder / "notes")
        run_all(pipeline(folder, **store_settings(folder)))
    return folder


@pytest.fixture
def served(built_store: Path, words: list[Any]) -> Steps:
    return pipeline(built_store, **store_settings(built_store))


@pytest.fixture
def own_store(built_store: Path, words: list[Any], tmp_path: Path) -> Steps:
    """A copy of the store that the test may write to; its sources are those of the others."""
    shutil.copytree(built_store / "store", tmp_path / "store")
    return pipeline(tmp_path, **store_settings(built_store))


Connect = Callable[..., TestClient]


@pytest.fixture
def connect(served: Steps) -> Iterator[Connect]:
    """Calls the service on the store with other settings of it, without a socket."""
    clients: list[TestClient] = []

    def call(*, steps: Steps = served, key: str | None = None, **changes: Any) -> TestClient:
        clients.append(TestClient(app_of(steps, **changes), base_url="http://127.0.0.1", raise_server_exceptions=False))
        clients[-1].headers |= {"X-API-Key": key} if key else {}
        return clients[-1].__enter__()

    yield call
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(connect: Connect) -> TestClient:
    """The service as one's own machine has it: without a key."""
    return connect()


def app_of(steps: Steps, **changes: Any) -> Any:
    serve = steps.settings.serve.model_dump() | changes
    settings = PipelineSettings.model_validate(steps.settings.model_dump() | {"serve": serve})
    return create_app(Steps(settings))


def service_of(client: TestClient) -> Service:
    return cast(Any, client.app).state.service


def media_ids(steps: Steps) -> dict[str, str]:
    """Media id by key."""
    return {row["key"]: row["media_id"] for row in steps.manifest.rows("notes")}


def png_size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    return Image.open(io.BytesIO(data)).size


class Serve:
    """embed-assets serve in a process of its own."""

    def __init__(self, folder: Path, store: Path, plugin: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings or store_settings(store.parent)
        self.settings |= {"store": str(store), "compute": {"device": "cpu", "offline": True}}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EMBED_ASSETS_")},
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(plugin)]),
            "XDG_CACHE_HOME": str(store.parent / "cache"),
            "EMBED_ASSETS_CACHE": str(folder / "media-cache"),
        }
        self.processes: list[subprocess.Popen[str]] = []

    def command(self, *arguments: str, **changes: Any) -> list[str]:
        """Its command line, with changed settings in a file."""
        (self.folder / "serve.yaml").write_text(json.dumps(self.settings | {"serve": changes}))
        program = "from embed_assets.cli.main import main; main()"
        return [sys.executable, "-c", program, "serve", "--settings", str(self.folder / "serve.yaml"), *arguments]

    def start(self, **changes: Any) -> str:
        """Start it, and return its address once it is ready."""
        process = subprocess.Popen(
            self.command("--port", "0", **changes), env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Search: "):
                url = line.split()[1]
                break
        else:
            pytest.fail("the service did not start")
        for _ in range(600):
            if httpx2.get(f"{url}/health").status_code == 200:
                return url
            time.sleep(0.05)
        pytest.fail("the service did not get ready")

    def stop(self) -> int:
        """End the last one as a service manager does; return its exit status."""
        process = self.processes.pop()
        process.send_signal(signal.SIGTERM)
        return process.wait(20)


@pytest.fixture
def serve(built_store: Path, tmp_path: Path, plugin_folder: Path) -> Iterator[Serve]:
    serving = Serve(tmp_path, built_store / "store", plugin_folder)
    yield serving
    while serving.processes:
        serving.stop()
