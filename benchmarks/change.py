"""What change costs: nothing changed, 1 % edited, a renamed model, swapped weights, promotion and roll-back.

    python benchmarks/change.py [--texts N] [--abstracts N] [--media-only] [--json]

The SciFact abstracts and 60,000 generated short texts, a file each, go through `embed-assets run` with
MiniLM, in one process that has loaded Dagster and the model before. While the swapped weights are embedded,
another process asks the live version ten questions over and over: every answer must be the old version's,
or, once that is promoted, the new one's.

Bounds: nothing changed encodes and writes nothing, at most 1 s per 10,000 items; 1 % edited encodes 1 %, in
at most 2 % of the full run's time, by the median of three such edits one after the other; a renamed model
encodes nothing; no question fails or gets a mixture.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from shared_data import SCIFACT, abstracts, missing, questions

from embed_assets.cli.shared.run_pipeline import run_pipeline
from embed_assets.demo.encoders import minilm_folder
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.settings import PipelineSettings
from embed_assets.store.store import Store

MOST_SECONDS = 1.0  # of a run with nothing to do, for 10,000 items
MOST_SHARE = 0.02  # of the full run's time, with 1 % edited
EDITED = 0.01
EDITS = 3  # times that so many are edited: a run of seconds is at the mercy of what else the machine does
ASKED = 10
_WORDS = """
harbour copper winter signal garden lattice orbit thunder meadow engine violet marble compass river candle
glacier window timber falcon anchor cotton mirror desert bridge saffron pebble lantern harvest
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One `embed-assets run`."""

    what: str
    items: int
    encoded: int  # segments
    table_versions: int  # commits to the store's tables; 0 says that nothing was written
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of the pointer."""

    what: str
    milliseconds: float
    bytes_written: int
    tables_written: list[str]


@dataclass(kw_only=True)
class Outcome:
    """Everything that was measured."""

    runs: list[Run] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    questions: int = 0
    errors: int = 0
    old_answers: int = 0
    new_answers: int = 0
    mixed_answers: int = 0


def write_media(folder: Path, *, texts: int, limit: int | None) -> int:
    """Abstracts and short texts, in folders of a thousand; how many."""
    found = {} if missing(SCIFACT) else abstracts()
    chosen = list(found.items())[:limit]
    for name, text in chosen:
        _write(folder / "abstracts" / f"{name}.txt", text)
    for number in range(texts):
        _write(folder / f"short-{number // 1000:02d}" / f"{number:05d}.txt", short_text(number))
    return len(chosen) + texts


def short_text(number: int, edition: int = 0) -> str:
    """Return a sentence of its own for every number and edition."""
    words = random.Random(number * 1000 + edition).choices(_WORDS.split(), k=8)
    return f"Entry {number}: {' '.join(words)}."


def settings_of(work: Path, model: str, *, media: str = "media", store: str = "store") -> PipelineSettings:
    """One source, MiniLM from a folder of its own, SciFact's judgements."""
    values: dict[str, Any] = {
        "store": str(work / store),
        "sources": {"media": {"uri": str(work / media)}},
        "encoders": {"minilm": {"model": str(work / model), "space": "text", "segment": {"mode": "whole"}}},
    }
    if (work / "queries.jsonl").exists():
        values["spaces"] = {"text": {"queries": str(work / "queries.jsonl")}}
    return make_settings(values)


def run(what: str, settings: PipelineSettings, items: int) -> Run:
    """Run the pipeline and tell what it did."""
    store = Store(settings.store)
    events, before = len(store.history.all("embed")), _versions(store)
    started = time.perf_counter()
    run_pipeline(settings, quiet=True)
    seconds = time.perf_counter() - started
    encoded = sum(event["segments_encoded"] for event in store.history.all("embed")[events:])
    written = sum(version - before.get(name, 0) for name, version in _versions(store).items())
    done = Run(what=what, items=items, encoded=encoded, table_versions=written, seconds=round(seconds, 2))
    print(f"{what}: {seconds:.2f} s, {encoded} encoded", file=sys.stderr, flush=True)
    return done


def move(what: str, settings: PipelineSettings, act: Callable[[Steps], object]) -> Move:
    """Move the pointer; how long it took and what was written."""
    steps = Steps(settings)
    steps.store.table_names()
    before, versions = _files(Path(settings.store)), _versions(steps.store)
    started = time.perf_counter()
    act(steps)
    seconds = time.perf_counter() - started
    after = _files(Path(settings.store))
    return Move(
        what=what,
        milliseconds=round(1000 * seconds, 1),
        bytes_written=sum(size for name, size in after.items() if before.get(name) != size),
        tables_written=sorted(n for n, v in _versions(steps.store).items() if v != versions.get(n)),
    )


def swap_weights(model: Path, *, seed: int = 0) -> None:
    """Other weights in the same file, as a fine-tuned model would have."""
    import torch
    from safetensors.torch import load_file, save_file

    file = next(model.rglob("model.safetensors"))
    weights = load_file(file)
    torch.manual_seed(seed)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.ndim == 2:
            weights[name] = tensor + 0.05 * tensor.std() * torch.randn_like(tensor)
    save_file(weights, file, metadata={"format": "pt"})


def edit(folder: Path, *, texts: int, count: int, edition: int) -> None:
    """Other words in `count` of the short texts, others in each edition."""
    for number in random.Random(edition).sample(range(texts), count):
        _write(folder / f"short-{number // 1000:02d}" / f"{number:05d}.txt", short_text(number, edition=edition))


def ask(store: str, output: Path) -> None:
    """Until killed: ask, and write a line an answer. Runs in a process of its own."""
    searcher = Searcher(store)
    asked = [short_text(number, edition=EDITS + 1) for number in range(ASKED)]
    with output.open("w", encoding="utf-8") as stream:
        while True:
            for question in asked:
                try:
                    hits = searcher.search(question, space="text", k=5)
                    answer: Any = [(hit.key, hit.score) for hit in hits]
                except Exception as error:
                    answer = f"{type(error).__name__}: {error}"
                stream.write(json.dumps([question, answer]) + "\n")
                stream.flush()
            time.sleep(0.5)  # two cores: the pipeline is what is measured


def measure(work: Path, *, texts: int, limit: int | None, media_only: bool) -> Outcome:
    """All of it, or what is measured before the weights change."""
    outcome = Outcome()
    shutil.copytree(minilm_folder(), work / "model")
    _warm(work)
    items = write_media(work / "media", texts=texts, limit=limit)
    if not missing(SCIFACT) and limit is None:
        rows = [{"query": q.text, "relevant": [f"abstracts/{n}.txt" for n in q.relevant]} for q in questions()]
        (work / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = settings_of(work, "model")
    outcome.runs.append(run("full", settings, items))
    outcome.runs.append(run("nothing changed", settings, items))
    for edition in range(1, EDITS + 1):
        edit(work / "media", texts=texts, count=round(EDITED * items), edition=edition)
        outcome.runs.append(run("1 % edited", settings, items))
    (work / "model").rename(work / "renamed")
    settings = settings_of(work, "renamed")
    outcome.runs.append(run("model folder renamed", settings, items))
    if media_only:
        return outcome
    _swapped(work, settings, items, outcome)
    outcome.moves.append(move("roll back", settings, lambda steps: steps.roll_back("text", by="benchmark")))
    outcome.moves.append(move("promote", settings, lambda steps: steps.promote(_current(steps), by="benchmark")))
    return outcome


def _swapped(work: Path, settings: PipelineSettings, items: int, outcome: Outcome) -> None:
    """Re-embedding with other weights, while another process asks what serves."""
    answers = work / "answers.jsonl"
    live = Store(settings.store).serving.pointer("text").live
    command = [sys.executable, __file__, "--ask", settings.store, str(answers)]
    with subprocess.Popen(command) as asking:
        while not answers.exists() or len(answers.read_text().splitlines()) < ASKED:
            time.sleep(0.2)
        swap_weights(work / "renamed")
        outcome.runs.append(run("weights swapped", settings, items))
        time.sleep(5)
        asking.kill()
    lines = [json.loads(line) for line in answers.read_text().splitlines() if line.endswith("]")]
    old, new = {}, {}
    for question, answer in lines:
        old.setdefault(question, answer)
        new[question] = answer
    outcome.questions = len(lines)
    outcome.errors = sum(isinstance(answer, str) for _, answer in lines)
    outcome.old_answers = sum(answer == old[question] for question, answer in lines)
    outcome.new_answers = sum(answer == new[question] != old[question] for question, answer in lines)
    outcome.mixed_answers = outcome.questions - outcome.errors - outcome.old_answers - outcome.new_answers
    after = Store(settings.store).serving.pointer("text").live
    assert live is not None and after is not None and live.encoder_version != after.encoder_version


def _warm(work: Path) -> None:
    """Dagster imported and the model loaded, as they are in a process that has begun."""
    _write(work / "warm-media" / "one.txt", "one")
    run_pipeline(settings_of(work, "model", media="warm-media", store="warm/store"), quiet=True)
    os.environ.pop("DAGSTER_HOME", None)


def _current(steps: Steps) -> Any:
    record = steps.current_version("minilm")
    assert record is not None
    return record


def _versions(store: Store) -> dict[str, int]:
    if not Path(store.uri).exists():
        return {}
    return {name: store.open(name).version for name in store.table_names()}


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def missed(outcome: Outcome) -> list[str]:
    """Bounds that do not hold."""
    full, nothing, *edited = outcome.runs[: 2 + EDITS]
    renamed, *swapped = outcome.runs[2 + EDITS :]
    per_10k = nothing.seconds / nothing.items * 10_000
    share = median(each.seconds for each in edited) / full.seconds
    most = max(each.encoded for each in edited)
    rules = {
        "nothing changed encodes and writes nothing": nothing.encoded == nothing.table_versions == 0,
        f"nothing changed takes at most {MOST_SECONDS} s per 10,000 items ({per_10k:.2f})": per_10k <= MOST_SECONDS,
        f"1 % edited encodes 1 % ({most})": most <= round(EDITED * full.items),
        f"1 % edited takes at most {MOST_SHARE:.0%} of the full run ({share:.2%})": share <= MOST_SHARE,
        "a renamed model folder encodes nothing": renamed.encoded == 0,
        "swapped weights encode everything": all(done.encoded >= 0.99 * full.encoded for done in swapped),
        f"no question fails ({outcome.errors})": outcome.errors == 0,
        f"no answer is a mixture ({outcome.mixed_answers})": outcome.mixed_answers == 0,
    }
    return [rule for rule, holds in rules.items() if not holds]


def _print(outcome: Outcome) -> None:
    print("| run | items | segments encoded | table versions written | seconds |")
    print("|---|---|---|---|---|")
    for done in outcome.runs:
        print(f"| {done.what} | {done.items:,} | {done.encoded:,} | {done.table_versions} | {done.seconds:.2f} |")
    if not outcome.moves:
        return
    print("\n| move | milliseconds | bytes written | tables written |")
    print("|---|---|---|---|")
    for moved in outcome.moves:
        tables = ", ".join(moved.tables_written)
        print(f"| {moved.what} | {moved.milliseconds:.1f} | {moved.bytes_written:,} | {tables} |")
    print(
        f"\n{outcome.questions:,} questions during the re-embedding: {outcome.errors} errors, {outcome.old_answers:,} "
        f"answers of the old version, {outcome.new_answers:,} of the new one, {outcome.mixed_answers} of a mixture."
    )


def main() -> int:
    """Measure, print, and say which bounds do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=60_000, help="generated short texts")
    parser.add_argument("--abstracts", type=int, help="abstracts at most; all unless given")
    parser.add_argument("--media-only", action="store_true", help="leave out the swapped weights and the moves")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ask", nargs=2, metavar=("STORE", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ask:
        ask(chosen.ask[0], Path(chosen.ask[1]))
    with tempfile.TemporaryDirectory() as folder:
        wanted = {"texts": chosen.texts, "limit": chosen.abstracts, "media_only": chosen.media_only}
        outcome = measure(Path(folder), **wanted)
    if chosen.json:
        print(json.dumps(asdict(outcome), indent=2))
    else:
        _print(outcome)
    bounds = missed(outcome)
    for bound in bounds:
        print(f"missed: {bound}", file=sys.stderr)
    return 1 if bounds else 0


if __name__ == "__main__":
    sys.exit(main())
