"""Files made to take a run down: each costs itself alone, and the process that runs keeps its size."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import hostile
from tests.media.made import clip_file, sound_file, tone
from tests.support import _plugin, picture

ALLOWED = 300  # megabytes

_ENTRY = "[embed_assets.encoders]\nshades = tests.watched:SHADES\nlevels = tests.watched:LEVELS\n"


def good() -> dict[str, bytes]:
    return {
        "good.txt": hostile.GOOD.encode(),
        "good.png": picture(3),
        "good.wav": sound_file(tone(2.0)),
        "good.mp4": clip_file(sound=tone(2.0, rate=48000)),
        "good.html": f"<html><body><p>{hostile.GOOD}</p></body></html>".encode(),
    }


def watched(folder: Path, **files: bytes) -> Any:
    """What `tests.watched` tells of a run over these files and good ones."""
    for source, content in (("warm", good()), ("hostile", {**files, **good()})):
        (folder / source).mkdir()
        for name, data in content.items():
            (folder / source / name).write_bytes(data)
    info = folder / "plugin" / "shades_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shades-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(_ENTRY)
    path = [str(folder / "plugin"), str(_plugin(folder / "words")), str(Path.cwd())]
    done = subprocess.run(
        [sys.executable, "-m", "tests.watched", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS")
def test_hostile_files_leave_the_run_its_memory_and_their_neighbours(tmp_path: Path) -> None:
    told = watched(tmp_path, **{name: make() for name, make in hostile.MAKERS.items()})
    assert told["hostile"] - told["warm"] < ALLOWED, told
