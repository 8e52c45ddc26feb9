"""Commands that are killed or shown to end at random moments, and what the next one must then find and do.

`python -m tests.kills FOLDER NUMBER [--daemon]` runs the harness on its own and prints a line a kill.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.load_settings import load_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionId
from tests.support import REPOSITORY, note, write_notes, write_weights

NEXT_SECONDS = 120.0  # that the command after a kill may take
END_SECONDS = 10.0  # in which a command ends after SIGTERM
_MAIN = "from embed_assets.cli.main import main; main()"
_OPERATIONS = ("edit", "edit", "version", "version", "promote", "rollback", "retire", "maintain", "status")
_CUTS = (8, 12, 16)  # tokens of a chunk: each makes a version
_PLUGIN = """
from embed_assets.encoders.spec import EncoderSpec

words = EncoderSpec(
    name="words", family="tests.support:WordEncoder", model={model!r}, modalities=("text", "image"), media=("text",),
    space="words", dim=32,
)
"""


@dataclass
class Harness:
    """A store in a folder, its media, and commands on it that are ended at random moments."""

    root: Path
    draw: random.Random
    cuts: dict[str, int] = field(default_factory=dict)  # version → tokens of its chunks
    cut: int = _CUTS[0]
    seconds: dict[str, float] = field(default_factory=dict)  # operation → how long it took, undisturbed
    ended: Counter[str] = field(default_factory=Counter)
    dead_runs: int = 0
    slowest_end: float = 0.0

    def __post_init__(self) -> None:
        plugin = self.root / "plugin"
        model = write_weights(plugin / "weights")
        (plugin / "kills_plugin.py").write_text(_PLUGIN.format(model=str(model)))
        info = plugin / "kills_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kills-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[embed_assets.encoders]\nwords = kills_plugin:words\n")
        sys.path.insert(0, str(plugin))
        write_notes(self.root / "notes", 60, length=40)
        self._write_settings()
        self.finish("run", "--settings", "pipeline.yaml")

    @property
    def environ(self) -> dict[str, str]:
        """Of the commands: the plugin installed, no Dagster home but the store's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_HOME")}
        path = os.pathsep.join([str(self.root / "plugin"), str(REPOSITORY)])
        return {**inherited, "PYTHONPATH": path, "XDG_CACHE_HOME": str(self.root / "cache")}

    def operation(self) -> tuple[str, list[str]]:
        """One of the commands, with something to do: its name and arguments."""
        name = self.draw.choice(
            ["edit", "edit", "version", "version", "promote", "rollback", "retire", "maintain", "status"]
        )
        if name == "edit":
            self._edit()
        elif name == "version":
            self.cut = self.draw.choice([cut for cut in _CUTS if cut != self.cut])
            self._write_settings()
        run = ["run", "--settings", "pipeline.yaml"]
        store = ["--store", "store"]
        commands = {
            "edit": run,
            "version": run,
            "promote": ["promote", "words", *store],
            "rollback": ["rollback", "words", *store],
            "retire": ["retire", "--all-unused", *store],
            "maintain": ["maintain", *store],
            "status": ["status", "--json", *store],
        }
        return name, commands[name]

    def disturb(self) -> str:
        """One command, ended at a random moment by SIGKILL or SIGTERM; what was done, in words."""
        name, arguments = self.operation()
        moment = self.draw.uniform(0, self.seconds.get(name, 6.0))
        number = self.draw.choice([signal.SIGKILL, signal.SIGTERM])
        process = self._start(*arguments)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            began = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=END_SECONDS)
            self.slowest_end = max(self.slowest_end, time.monotonic() - began)
            self.ended[f"{name} {number.name}"] += 1
            return f"{name} {number.name} after {moment:.1f} s: exit {process.returncode}"
        self.seconds[name] = moment  # shorter than was thought
        self.ended[f"{name} undisturbed"] += 1
        return f"{name} undisturbed in {moment:.1f} s: exit {process.returncode}"

    def finish(self, *arguments: str) -> str:
        """A command to its end, in time and with exit status 0; what it said."""
        began = time.monotonic()
        process = self._start(*arguments)
        try:
            said, _ = process.communicate(timeout=NEXT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{arguments} hangs after {self.ended}") from None
        assert process.returncode == 0, f"{arguments} ends with {process.returncode}: {said}"
        self.seconds.setdefault("edit", time.monotonic() - began)
        self.seconds.setdefault("version", time.monotonic() - began)
        self.dead_runs += said.count("is dead")
        return said

    def is_as_undisturbed(self, scratch: Path) -> None:
        """Rows of the current and the live version equal those of a store that is made of the same media at once."""
        steps = Steps(load_settings(self.root / "pipeline.yaml"))
        pointer = steps.store.serving.pointer("words")
        current = steps.current_version("words")
        assert pointer.live is not None
        assert current is not None
        self.cuts[current.version] = self.cut
        for version in {current.version, pointer.live.encoder_version}:
            found = steps.vectors(steps.version(VersionId("words", version))).open()
            assert found is not None
            if version in self.cuts:
                expected = self._made_at_once(scratch / version, self.cuts[version])
                assert _rows(found) == expected, f"rows of {version} differ"

    def _made_at_once(self, folder: Path, cut: int) -> dict[str, tuple[str, bytes]]:
        values = _settings(self.root, cut) | {"store": str(folder / f"store-{self.draw.random()}")}
        steps = Steps(type(load_settings(self.root / "pipeline.yaml")).model_validate(values))
        steps.refresh("notes")
        record = steps.resolve("words").record
        steps.embed(record)
        table = steps.vectors(record).open()
        assert table is not None
        return _rows(table)

    def _edit(self) -> None:
        folder, at = self.root / "notes", self.draw.randrange(10**6)
        files = sorted(folder.glob("*.txt"))
        for file in self.draw.sample(files, 5):
            file.write_text(note(self.draw.randrange(10**6), length=40))
        (folder / f"new-{at}.txt").write_text(note(at, length=40))
        self.draw.choice(files).unlink()

    def _write_settings(self) -> None:
        (self.root / "pipeline.yaml").write_text(json.dumps(_settings(self.root, self.cut)))

    def _start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", _MAIN, *arguments],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )


@contextmanager
def daemon(harness: Harness) -> Iterator[None]:
    """Dagster's daemon on the harness' store, beside its commands."""
    home = harness.root / "dagster"
    environ = {**harness.environ, "DAGSTER_HOME": str(home), "EMBED_ASSETS_STORE": str(harness.root / "store")}
    with (harness.root / "daemon.log").open("w") as log:
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "embed_assets.location"]
        process = subprocess.Popen(command, cwd=harness.root, env=environ, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def kill(harness: Harness, times: int, *, say: Any = lambda text: None) -> None:
    """So many disturbed commands, each followed by a run that finishes; now and then all rows are compared."""
    for number in range(times):
        done = harness.disturb()
        began = time.monotonic()
        harness.finish("run", "--settings", "pipeline.yaml")
        harness.is_as_undisturbed(harness.root / "scratch")
        say(f"{number + 1}: {done}; the next run took {time.monotonic() - began:.1f} s")
    harness.finish("status", "--json", "--store", "store")


def _settings(root: Path, cut: int) -> dict[str, Any]:
    return {
        "store": str(root / "store"),
        "sources": {"notes": {"uri": str(root / "notes")}},
        "encoders": {"words": {"model": "words", "segment": {"max_tokens": cut}}},
        "compute": {"device": "cpu", "offline": True, "batch_tokens": 16, "flush_rows": 10},
        "index": {"min_rows": 256},
        "maintenance": {"keep_hours": 1e-6},
        "shards": 4,
    }


def _rows(table: Any) -> dict[str, tuple[str, bytes]]:
    """By key and span: an item that was edited keeps the id of its first content."""
    rows = table.to_arrow().to_pylist()
    places = [f"{row['key']}:{row['segment_id'].partition(':')[2]}" for row in rows]
    found = {
        place: (row["content_hash"], np.asarray(row["vector"]).tobytes())
        for place, row in zip(places, rows, strict=True)
    }
    assert len(found) == len(rows), "a segment is there twice"
    return found


def kill_encoding_actor(*, after: float) -> bool:
    """End the first encoding actor by SIGKILL, some seconds after it is seen; False where none is seen in a minute."""
    for _ in range(600):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                title = (folder / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if b"EncodingWorker" in title:
                time.sleep(after)
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        time.sleep(0.1)
    return False


def _main() -> None:
    root, times = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    root.mkdir(parents=True)
    harness = Harness(root, random.Random(time.time()))
    if "--daemon" in sys.argv:
        with daemon(harness):
            kill(harness, times, say=print)
    else:
        kill(harness, times, say=lambda text: print(text, flush=True))
    print(dict(harness.ended), f"dead runs ended: {harness.dead_runs}; slowest end: {harness.slowest_end:.1f} s")


if __name__ == "__main__":
    _main()
