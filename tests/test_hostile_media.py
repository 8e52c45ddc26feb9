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

pytestmark = pytest.mark.slow  # some 30 s of hostile files

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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = {name: make() for name, make in hostile.MAKERS.items()}
    return watched(tmp_path_factory.mktemp("hostile"), **made)


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS and tells VmHWM")


@needs_limits
def test_hostile_files_take_no_memory_of_the_process_that_runs(told: Any) -> None:
    assert told["hostile"] - told["warm"] < ALLOWED, told


@needs_limits
def test_every_hostile_file_is_embedded_or_has_a_reason(told: Any) -> None:
    assert {name: said for name, said in told["items"].items() if len(said) != 1 and not name.startswith("good")} == {}


@needs_limits
def test_the_neighbours_of_hostile_files_are_embedded(told: Any) -> None:
    found = {name: said for name, said in told["items"].items() if name.startswith("good")}
    assert found == {
        "good.txt": ["words: 1"],
        "good.html": ["words: 1"],
        "good.png": ["pixels: 1"],
        "good.wav": ["levels: 1"],
        "good.mp4": ["shades: 1"],
    }


@needs_limits
def test_what_hostile_files_hold_is_read_where_it_is_within_the_limits(told: Any) -> None:
    items = told["items"]
    assert [items[name] for name in ("slow_sound", "late_sound", "channels_beyond")] == [
        ["levels: 1260"],
        ["levels: 2"],
        ["levels: 1"],
    ]
    assert items["wide_picture"] == items["grey_photo"] == items["run_lengths"] == ["pixels: 1"]
    assert items["long_still"] == ["shades: 1002"]
