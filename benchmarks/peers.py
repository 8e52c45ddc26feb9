"""Beside CocoIndex, Pixeltable and Daft: what keeping one index fresh costs, and whether what serves is right.

    python benchmarks/peers.py [--texts N] [--repeats N] [--tools NAME ...] [--venvs FOLDER] [--json FILE]

The same N texts as files, the same MiniLM: the first run, and what may change between two nights. Each step is a
process of its own, tools take turns step by step. A tool is installed from PyPI into an environment of its own below
--venvs, which is kept. Linux only: CPU seconds include daemons that a tool leaves running.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from peers.corpus import NEEDED, Corpus, make_corpus
from peers.environments import interpreter, versions
from peers.measure_process import adopt_orphans
from peers.models import NAMES, vectors_of, write_models
from peers.served import Vectors
from peers.steps import STEPS, Outcome, Scene, take_step
from peers.table import print_tables
from peers.tools import OURS, PEERS, Driven, EmbedAssets, Tool
from shared_data import missing

TOOLS = (*OURS, *PEERS)


def make_scene(folder: Path, corpus: Corpus) -> Scene:
    """Write the models, and encode the texts that are looked at with each."""
    write_models(folder)
    texts = {**corpus.first, **{f"{name} edited": text for name, text in corpus.edits.items()}}
    wanted = [*corpus.sample, *(f"{name} edited" for name in corpus.edits)]
    vectors: dict[str, dict[str, Vectors]] = {}
    for model in NAMES:
        found = dict(zip(wanted, vectors_of(folder / model, [texts[name] for name in wanted]), strict=True))
        first = {name: found[name] for name in corpus.sample}
        edited = {name: found[f"{name} edited"] for name in corpus.edits}
        vectors[model] = {"first": first, "edited": {**first, **edited}}
    return Scene(corpus=corpus, models=folder, vectors=vectors)


def make_tool(name: str, folder: Path, venvs: Path) -> Tool:
    """Return a tool with a new folder."""
    (folder / "models").mkdir(parents=True)
    return EmbedAssets(name, folder) if name in OURS else Driven(name, folder, interpreter(name, venvs))


def measure(work: Path, *, texts: int, repeats: int, tools: Sequence[str], venvs: Path) -> Iterator[Outcome]:
    """Take all steps with all tools, by turns."""
    scene = make_scene(work / "models", make_corpus(texts))
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            made = [make_tool(name, Path(folder) / name.replace(" ", "-"), venvs) for name in tools]
            for step in STEPS:
                for tool in made:
                    yield take_step(tool, step, scene, repeat=repeat)


def tell(done: Outcome, file: Path | None) -> None:
    """Say that a step is done, and add it to the file."""
    took = f"{done.seconds} s, {done.cpu_seconds} CPU s"
    line = f"{done.repeat} {done.step}, {done.tool}: {done.encoded} encoded, {took}, {done.verdict}"
    print(line, file=sys.stderr, flush=True)
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(done)) + "\n")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1000, metavar="N", help="(default 1,000)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="of all steps (default 1)")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS), metavar="NAME", help=", ".join(TOOLS))
    parser.add_argument("--venvs", type=Path, default=Path(".embed-assets/peers"), help="(default .embed-assets/peers)")
    parser.add_argument("--work", type=Path, help="folder for texts, models and stores (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add a line of JSON for each step as it is done")
    chosen = parser.parse_args()
    if lacking := missing(*NEEDED):
        print(f"skipped, missing: {', '.join(lacking)}")
        return 0
    venvs = chosen.venvs.resolve()
    for name in PEERS:
        if name in chosen.tools:
            interpreter(name, venvs)
    adopt_orphans()
    outcomes: list[Outcome] = []
    wanted = {"texts": chosen.texts, "repeats": chosen.repeats, "tools": chosen.tools, "venvs": venvs}
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        for done in measure(Path(folder), **wanted):
            outcomes.append(done)
            tell(done, chosen.json)
    print(f"{chosen.texts:,} texts, repeats: {chosen.repeats}, {os.cpu_count()} cores, {date.today()}; {versions()}")
    print_tables(outcomes, chosen.tools)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
