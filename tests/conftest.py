from pathlib import Path

import pytest

from tests import support

plugin_folder = support.plugin_folder
words = support.words
tiny_bert = support.tiny_bert


@pytest.fixture(autouse=True)
def own_media_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another fetched, nor leaves anything in the home of who runs it."""
    monkeypatch.setenv("EMBED_ASSETS_CACHE", str(tmp_path / "media-cache"))
