"""Writes the demo's corpus: documentation texts, handwritten digits, generated scenes, sounds and videos."""

from __future__ import annotations

import platform
from pathlib import Path

from embed_assets.demo.clips import write_clips
from embed_assets.demo.digits import write_digits
from embed_assets.demo.docs import write_docs
from embed_assets.demo.scenes import write_scenes
from embed_assets.demo.sounds import write_query_sounds, write_sounds

CORPUS_VERSION = "4"
STAMP_NAME = ".complete"


def write_corpus(folder: Path) -> None:
    """Write a folder for each source, and `queries/` for files to search with; a finished corpus stays as it is.

    A folder written by another Python is brought up to date, because the documentation differs.
    """
    if is_written(folder):
        return
    stamp = folder / STAMP_NAME
    stamp.unlink(missing_ok=True)
    write_docs(folder / "docs")
    write_digits(folder / "digits")
    write_scenes(folder / "scenes")
    write_sounds(folder / "sounds")
    write_query_sounds(folder / "queries" / "sounds")
    write_clips(folder / "videos")
    stamp.write_text(_version(), encoding="utf-8", newline="\n")


def is_written(folder: Path) -> bool:
    """Return whether the folder holds this corpus, finished."""
    stamp = folder / STAMP_NAME
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _version()


def _version() -> str:
    return f"{CORPUS_VERSION} python-{platform.python_version()}\n"
