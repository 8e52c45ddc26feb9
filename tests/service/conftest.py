import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient

from embed_assets.pipeline.steps import Steps
from embed_assets.service.answering import Service
from embed_assets.service.app import create_app
from embed_assets.settings import PipelineSettings
from tests.support import note, picture, pipeline, run_all, write_notes

ACME, OTHER, WRITER, WHOLE = (
    "acme-key-0123456789",
    "other-key-0123456789",
    "writer-key-012345678",
    "whole-key-0123456789",
)
KEYS: dict[str, Any] = {
    "acme": {"key": ACME, "filter": {"not": {"label": "cats"}}},
    "other": {"key": OTHER, "filter": {"label": "cats"}},
    "writer": {"key": WRITER, "filter": {"not": {"label": "cats"}}, "write": True},
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
