"""Sidecar files: one JSON line per media file, and removal of files an older generation left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

SIDECAR_NAME = "sidecar.jsonl"


def read_sidecar(folder: Path) -> list[dict[str, str]]:
    """Read the rows of the folder's sidecar; empty when there is none."""
    path = folder / SIDECAR_NAME
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def write_sidecar(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write the rows and delete files that only the previous sidecar named; other files are left alone."""
    current = {row["file"] for row in rows}
    for row in read_sidecar(folder):
        name = row["file"]
        # A sidecar edited by hand must not make this delete outside the folder.
        if name not in current and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / SIDECAR_NAME).write_text("".join(lines), encoding="utf-8", newline="\n")
