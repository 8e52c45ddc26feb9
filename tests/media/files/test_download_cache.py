"""The cache of remote media: bounded, shared, and never in the way."""

import os
import time
from pathlib import Path

import pytest

from embed_assets.media.files.download_cache import MediaCache, cache_folder


def test_bytes_come_back_also_to_another_process_of_the_folder(tmp_path: Path) -> None:
    """What one puts the other gets, by content hash."""
    MediaCache(tmp_path / "kept", max_bytes=100).put("ab" * 32, b"picture")
    assert MediaCache(tmp_path / "kept", max_bytes=100).get("ab" * 32) == b"picture"
    assert MediaCache(tmp_path / "kept", max_bytes=100).get("cd" * 32) is None


def test_what_does_not_fit_is_not_kept_and_pushes_nothing_out(tmp_path: Path) -> None:
    """A source larger than the cache still finds its beginning there."""
    cache = MediaCache(tmp_path, max_bytes=10)
    cache.put("aa", b"123456")
    cache.put("bb", b"123456")
    cache.put("cc", b"1234")
    assert cache.get("aa") == b"123456"
    assert cache.get("bb") is None
    assert cache.get("cc") == b"1234"


def test_what_nobody_used_for_an_hour_makes_room(tmp_path: Path) -> None:
    """The oldest goes first, and no more than is needed."""
    first = MediaCache(tmp_path, max_bytes=10)
    first.put("aa", b"12345")
    first.put("bb", b"12345")
    for name, hours in (("aa", 3), ("bb", 2)):
        old = time.time() - hours * 3600
        os.utime(tmp_path / name / name, (old, old))
    second = MediaCache(tmp_path, max_bytes=10)
    second.put("cc", b"123")
    assert second.get("aa") is None
    assert second.get("bb") == b"12345"
    assert second.get("cc") == b"123"


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    """No run fails for a cache."""
    (tmp_path / "file").write_text("in the way")
    cache = MediaCache(tmp_path / "file" / "below", max_bytes=10)
    cache.put("aa", b"123")
    assert cache.get("aa") is None


def test_the_folder_is_the_users_own_or_a_chosen_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the environment."""
    monkeypatch.setenv("EMBED_ASSETS_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("EMBED_ASSETS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "embed-assets" / "media"
