"""The service under load while its pointer moves: failed and mixed answers, latency, memory.

    python benchmarks/serve_load.py                      # 32 clients, 60 s, three promotions and three roll-backs
    python benchmarks/serve_load.py --clients 8 --seconds 10

Notes are embedded by two versions of MiniLM, of 384 and of 128 dimensions, and `embed-assets serve` serves them in a
process of its own. What each version answers to each query is known before; under load every answer has to be that of
the version that it names. Exit status 1 where one failed or was mixed, or where memory grew by more than a tenth after
the first quarter of the time.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
MOVES = 6  # roll-backs and promotions, in turn
_GROWTH = 1.1
_WORDS = [
    *("amber", "harbour", "walrus", "tunnel", "cedar", "copper", "lantern", "meadow"),
    *("orbit", "pebble", "quarry", "ribbon", "saddle", "thunder", "violet"),
]

Expected = Mapping[str, Mapping[str, list[Any]]]  # version → query → what it answers


@dataclass
class Outcome:
    """What happened under load."""

    seconds: list[float] = field(default_factory=list)  # of each answer
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    megabytes: list[float] = field(default_factory=list)  # of the service, over time


def ask(connection: http.client.HTTPConnection, space: str, query: str, version: str | None = None) -> Any:
    """Search once."""
    body = {"parts": [{"text": query}], "spaces": [space], "k": 5} | ({"version": version} if version else {})
    connection.request("POST", "/search", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {text[:200]!r}")
    return json.loads(text)


def answered(document: Mapping[str, Any]) -> list[Any]:
    """Return what of an answer belongs to one version."""
    return [[hit["key"], round(hit["score"], 3)] for hit in document["hits"]]


def expected_answers(url: str, space: str, versions: Sequence[str], queries: Sequence[str]) -> Expected:
    """Return what each version answers to each query."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    return {
        version: {query: answered(ask(connection, space, query, version)) for query in queries} for version in versions
    }


def load(
    url: str,
    space: str,
    expected: Expected,
    *,
    clients: int,
    seconds: float,
    move: Callable[[int], None],
    memory: Callable[[], float] = lambda: 0.0,
) -> Outcome:
    """Search from many threads for so long, moving the pointer meanwhile."""
    outcome, end = Outcome(), time.monotonic() + seconds
    threads = [threading.Thread(target=_client, args=(url, space, expected, end, outcome, n)) for n in range(clients)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    moved = 0
    while time.monotonic() < end:
        outcome.megabytes.append(memory())
        if moved < MOVES and time.monotonic() - began > seconds * (moved + 1) / (MOVES + 1):
            move(moved)
            moved += 1
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    return outcome


def _client(url: str, space: str, expected: Expected, end: float, outcome: Outcome, seed: int) -> None:
    draw, queries = random.Random(seed), list(next(iter(expected.values())))
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    while time.monotonic() < end:
        query, began = draw.choice(queries), time.perf_counter()
        try:
            document = ask(connection, space, query)
        except Exception as error:
            outcome.failed.append(f"{query!r}: {type(error).__name__}: {error}")
            connection.close()
            continue
        outcome.seconds.append(time.perf_counter() - began)
        version = document["spaces"][0]["encoder_version"]
        outcome.versions.add(version)
        if expected[version][query] != answered(document):
            outcome.mixed.append(f"{query!r} by {version}: {answered(document)}")


def note(number: int) -> str:
    """Return a note of its own for every number."""
    return f"note {number}: " + " ".join(random.Random(number).choices(_WORDS, k=12)) + "."


def _settings(folder: Path, dim: int | None) -> dict[str, Any]:
    return {
        "store": str(folder / "store"),
        "sources": {"notes": {"uri": str(folder / "notes")}},
        "encoders": {"minilm": {"model": "embedded:minilm", "space": "text", "truncate_dim": dim}},
        "compute": {"device": "cpu", "offline": True},
    }


def build(folder: Path, notes: int) -> tuple[Any, list[str]]:
    """Embed the notes by two versions; return the pipeline's steps, and the versions, the live one last."""
    from embed_assets.load_settings import make_settings
    from embed_assets.pipeline.steps import Steps

    (folder / "notes").mkdir()
    for number in range(notes):
        (folder / "notes" / f"{number}.txt").write_text(note(number))
    versions: list[str] = []
    steps: Any = None
    for dim in (None, 128):
        steps = Steps(make_settings(_settings(folder, dim)))
        steps.refresh("notes")
        record = steps.resolve("minilm").record
        steps.embed(record)
        steps.index(record)
        steps.check(record)
        steps.promote(record, by="benchmark")
        versions.append(record.version)
    (folder / "pipeline.yaml").write_text(json.dumps(_settings(folder, 128)))
    return steps, versions


def mover(steps: Any, space: str, versions: Sequence[str]) -> Callable[[int], None]:
    """Return a function that rolls back and promotes again, in turn."""
    from embed_assets.quality.checks import REQUIRED
    from embed_assets.store.versions import VersionId

    serving = steps.store.serving
    encoder = serving.pointer(space).live.encoder

    def move(number: int) -> None:
        if number % 2 == 0:
            serving.roll_back(space, by="benchmark")
        else:
            release = steps.store.releases.candidate(VersionId(encoder, versions[-1]))
            serving.promote(release, required=REQUIRED, by="benchmark")

    return move


def megabytes(process: int) -> float:
    """Return the resident memory of a process."""
    fields = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def report(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return the figures."""
    times = sorted(outcome.seconds)
    quarter = outcome.megabytes[len(outcome.megabytes) // 4]
    return {
        "answers": len(times),
        "answers_per_second": round(len(times) / seconds, 1),
        "p50_ms": round(1000 * statistics.median(times), 1),
        "p99_ms": round(1000 * times[int(0.99 * len(times))], 1),
        "failed": len(outcome.failed),
        "mixed": len(outcome.mixed),
        "versions": len(outcome.versions),
        "megabytes_after_a_quarter": round(quarter),
        "megabytes_at_the_end": round(outcome.megabytes[-1]),
    }


def main() -> None:
    """Build, serve, load, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--notes", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps, versions = build(folder, arguments.notes)
        program = "from embed_assets.cli.main import main; main()"
        command = [sys.executable, "-c", program, "serve", "--port", "0", "--settings", str(folder / "pipeline.yaml")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url = next(line.split()[1] for line in process.stdout if line.startswith("Search: "))
            expected = expected_answers(url, "text", versions, [note(number)[10:60] for number in range(200)])
            outcome = load(
                url,
                "text",
                expected,
                clients=arguments.clients,
                seconds=arguments.seconds,
                move=mover(steps, "text", versions),
                memory=lambda: megabytes(process.pid),
            )
        finally:
            process.terminate()
            process.wait(20)
    figures = report(outcome, arguments.seconds)
    print(json.dumps(figures, indent=1))
    for line in [*outcome.failed[:5], *outcome.mixed[:5]]:
        print(line)
    grew = figures["megabytes_at_the_end"] > _GROWTH * figures["megabytes_after_a_quarter"]
    if outcome.failed or outcome.mixed or grew or len(outcome.versions) < 2:
        sys.exit(1)


if __name__ == "__main__":
    main()
