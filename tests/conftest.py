from pathlib import Path

import pytest

from tests.support import bucket, plugin_folder, s3, tiny_bert, unprivileged, words

__all__ = ["bucket", "plugin_folder", "s3", "tiny_bert", "unprivileged", "words"]  # fixtures of every folder


@pytest.fixture(autouse=True)
def own_media_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another fetched, nor leaves anything in the home of who runs the tests."""
    monkeypatch.setenv("EMBED_ASSETS_CACHE", str(tmp_path / "media-cache"))
