"""The demo's pipeline with other settings: its media and pipeline.yaml in a folder, and commands that run on it."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from embed_assets.demo.run import write_media

SOURCES = ("docs", "digits", "scenes", "sounds", "videos")


def write_pipeline(
    home: Path, changes: Mapping[str, Any], *, items: int | None = None, encoder: str | None = None
) -> dict[str, Any]:
    """Write the demo's media and pipeline.yaml below `home`; `changes` replace settings, section by section.

    Of each source some `items` are kept, evenly spread; all by default. Of the encoders one, where it is named.
    """
    write_media(home)
    if items is not None:
        for source in SOURCES:
            found = sorted(file for file in (home / "media" / source).iterdir() if file.suffix != ".jsonl")
            kept = set(found[:: max(1, len(found) // items)])
            for file in found:
                if file not in kept:
                    file.unlink()
    values = yaml.safe_load((files("embed_assets.demo") / "pipeline.yaml").read_text(encoding="utf-8"))
    if encoder is not None:
        chosen = values["encoders"][encoder]
        values["encoders"] = {encoder: chosen}
        values["sources"] = {source: values["sources"][source] for source in chosen["sources"]}
        values["spaces"] = {chosen["space"]: values["spaces"][chosen["space"]]}
    values = merged(values, changes)
    (home / "pipeline.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return values


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with the changes in their place; sections are merged."""
    result = dict(values)
    for name, value in changes.items():
        known = result.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            value = merged(known, value)
        result[name] = value
    return result


def embed_assets(*words: str) -> str:
    """Run a command of embed-assets, print what it prints, and return it. Raises SystemExit where it fails."""
    print(f"$ embed-assets {' '.join(words)}", flush=True)
    command = [sys.executable, "-c", "from embed_assets.cli.main import main; main()", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout
