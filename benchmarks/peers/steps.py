"""The nights of an index: what changes before each run, and what ought to serve after it."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers.corpus import Corpus, write_change
from peers.served import Vectors, Verdict, judge, whose
from peers.tools import Tool

STEPS = (
    "first run",
    "nothing changed",
    "1 % edited",
    "1 % deleted",
    "model changed",
    "model folder renamed",  # before the weights are swapped, so that each step has one cause
    "weights swapped in place",
    "way back",
)
_LOOK = 1.0  # seconds between two looks at what serves while the model changes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One step of one tool."""

    tool: str
    step: str
    repeat: int
    encoded: int
    seconds: float
    cpu_seconds: float
    bytes: int  # of the store, afterwards
    verdict: Verdict
    mixed: int | None  # looks during the run that found two models; None: it can't be looked at


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What all tools share: the texts, the three models, and their vectors of the texts that are looked at."""

    corpus: Corpus
    models: Path
    vectors: dict[str, dict[str, Vectors]] = field(default_factory=dict)  # by model, by the step's texts

    def expected(self, step: str) -> dict[str, Vectors]:
        """Return the vectors by model of the sample's texts as they are after the step."""
        there = self.corpus.after(step)
        names = [name for name in self.corpus.sample if name in there]
        edited = "edited" if there is not self.corpus.first else "first"
        return {model: {name: by_state[edited][name] for name in names} for model, by_state in self.vectors.items()}


def take_step(tool: Tool, step: str, scene: Scene, *, repeat: int) -> Outcome:
    """Change what changes, run the tool, and look at what serves."""
    write_change(tool.texts, scene.corpus, step)
    model, ought = _change_model(tool.folder / "models", step, scene)
    expected = scene.expected(step)
    with _looking(tool, expected, during=step == "model changed") as looks:
        encoded, usage = tool.run(model)
    served = tool.served(model)
    gone = scene.corpus.deletions if len(scene.corpus.after(step)) < len(scene.corpus.first) else frozenset()
    return Outcome(
        tool=tool.name,
        step=step,
        repeat=repeat,
        encoded=encoded,
        seconds=round(usage.seconds, 2),
        cpu_seconds=round(usage.cpu_seconds, 2),
        bytes=size_of(tool.store),
        verdict=judge(served, ought=ought, expected=expected, gone=set(gone)),
        mixed=sum(looks) if looks else None,
    )


def size_of(folder: Path) -> int:
    """Return the bytes on disk; files with holes count what is in them."""
    return sum(512 * path.lstat().st_blocks for path in folder.rglob("*") if path.is_file())


def _change_model(models: Path, step: str, scene: Scene) -> tuple[Path, str]:
    """Return the folder that is named to the tool, and whose vectors ought to serve."""
    if step == "first run":
        shutil.copytree(scene.models / "first", models / "first")
    if step == "model changed":
        shutil.copytree(scene.models / "second", models / "second")
    if step == "model folder renamed":
        (models / "second").rename(models / "renamed")
    if step == "weights swapped in place":
        shutil.copy(scene.models / "third" / "model.safetensors", models / "renamed" / "model.safetensors")
        return models / "renamed", "third"
    if step in ("model changed", "model folder renamed"):
        return models / ("renamed" if "renamed" in step else "second"), "second"
    return models / "first", "first"


@contextmanager
def _looking(tool: Tool, expected: dict[str, Vectors], *, during: bool) -> Iterator[list[bool]]:
    """Look every second, beside the run, whether what serves is of two models."""
    looks: list[bool] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK):
            if (served := tool.served_now()) is not None:
                looks.append(len(set(whose(served, expected).values())) > 1)

    thread = threading.Thread(target=look)
    if during:
        thread.start()
    try:
        yield looks
    finally:
        done.set()
        if during:
            thread.join()
