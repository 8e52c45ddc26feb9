"""The demo: its media, its settings, and the three searches it ends with."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from embed_assets.demo.corpus import is_written, write_corpus
from embed_assets.load_settings import make_settings, overridden
from embed_assets.settings import PipelineSettings

HOME = ".embed-assets/demo"
STORE = f"{HOME}/store"
_WRITE = (
    "import sys, pathlib; from embed_assets.demo.corpus import write_corpus; write_corpus(pathlib.Path(sys.argv[1]))"
)


@dataclass(frozen=True, kw_only=True)
class DemoSearch:
    """One search of the demo: in words, or with a picture of a source by its place in the listing."""

    title: str
    space: str
    words: str | None = None
    source: str = ""
    place: int = 0


SEARCHES = (
    DemoSearch(title="text → text", space="text", words="how do I split a path into its extension"),
    DemoSearch(title="text → image", space="image_text", words="a large red circle"),
    DemoSearch(title="image → image", space="image_text", source="scenes", place=40),
)


def demo_settings(home: str | Path = HOME) -> PipelineSettings:
    """Read the packaged pipeline.yaml, with media and store below `home`."""
    import yaml

    values = yaml.safe_load((files("embed_assets.demo") / "pipeline.yaml").read_text(encoding="utf-8"))
    return make_settings(overridden(values, folder=Path(home).absolute()), origin="the demo's pipeline.yaml")


def write_media(home: str | Path = HOME) -> None:
    """Write the demo's media below `home`; a second call takes milliseconds."""
    write_corpus(_media_folder(home))


@contextmanager
def writing_media(home: str | Path = HOME) -> Iterator[None]:
    """Write the demo's media below `home` in a process of its own while the block runs; they are there after it."""
    folder = _media_folder(home)
    if is_written(folder):
        yield
        return
    code = f"import sys; sys.path[:] = {sys.path!r}; {_WRITE}"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    try:
        yield
        process.wait()
    finally:
        process.kill()  # one that has ended stays as it is
        process.wait()
    write_corpus(folder)  # whatever stopped the process says so here


def _media_folder(home: str | Path) -> Path:
    folder = Path(home) / "media"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
