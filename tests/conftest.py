from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.kept import kept, kept_for_module
from tests.support import bucket, plugin_folder, s3, tiny_bert, unprivileged, words

__all__ = [
    "bucket",
    "kept",
    "kept_for_module",
    "plugin_folder",
    "s3",
    "tiny_bert",
    "unprivileged",
    "words",
]  # fixtures of every folder


@pytest.fixture(autouse=True)
def own_media_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another fetched, nor leaves anything in the home of who runs the tests."""
    monkeypatch.setenv("EMBED_ASSETS_CACHE", str(tmp_path / "media-cache"))


@pytest.fixture(autouse=True, scope="session")
def migrations_are_read_once() -> Iterator[None]:
    """Dagster reads all of its migrations for each database that it makes, and a run on disk makes one."""
    from alembic.script import ScriptDirectory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", cache(ScriptDirectory.from_config))
        yield
