"""What OpenVINO saves over torch with the same vectors: texts a second, and a cold search.

    python benchmarks/runtimes.py [--texts N] [--rounds N] [--json]

Texts: MiniLM on SciFact's abstracts, tokenised, sorted and cut into batches as the pipeline does, each runtime with
its own budget. The variants take turns; a ratio is of one round, to torch in float32, and what is printed is the median
with the least and the largest. CPU seconds stand beside, since they suffer less from what else the machine does.

Search: `embed-assets search` in a process of its own on a store of 30 short texts, by turns on a pipeline with
`compute.runtime: torch` and on one with `openvino`, whose conversion is in the cache.

Bounds: OpenVINO in float32 is at least 1.25 times as fast, its vectors within 1e-5; a cold search takes at most
half of the CPU seconds.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from shared_data import SCIFACT, abstracts, missing

from embed_assets.demo.encoders import minilm_folder
from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.runtimes.load_on_openvino import load_on_openvino

LEAST_SPEED, MOST_DIFFERENCE, MOST_SEARCH = 1.25, 1e-5, 0.5


def load(dtype: str) -> Encoder:
    """MiniLM by torch."""
    return load_encoder(spec_for("minilm", model=str(minilm_folder())), device="cpu", dtype=dtype)


def converted(dtype: str) -> Encoder:
    """MiniLM by OpenVINO."""
    by_torch = load(dtype)
    encoder = load_on_openvino(by_torch.spec, by_torch.identity(), dtype=dtype, reason="a benchmark", load=load)
    assert encoder.runtime == "openvino", encoder.runtime_reason
    return encoder


VARIANTS: dict[str, Callable[[], Encoder]] = {
    "torch float32": lambda: load("float32"),
    "torch bfloat16": lambda: load("bfloat16"),
    "openvino float32": lambda: converted("float32"),
    "openvino bfloat16": lambda: converted("bfloat16"),
}


def measure_texts(texts: list[str], rounds: int) -> list[dict[str, Any]]:
    """Seconds of each variant, by turns, after one round that does not count."""
    encoders = {name: make() for name, make in VARIANTS.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    vectors: dict[str, np.ndarray] = {}
    for number in range(rounds + 1):
        for name, encoder in encoders.items():
            wall, used = time.perf_counter(), time.process_time()
            prepared = [encoder.prepare("text", text) for text in texts]
            vectors[name] = encode(encoder, prepared, limits=BatchLimits.for_encoder(encoder))
            if number:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - used))
    exact, base = vectors["torch float32"], seconds["torch float32"]
    return [
        {
            "variant": name,
            "texts_per_second": round(len(texts) / statistics.median(wall for wall, _ in runs), 1),
            "ratio": _spread([one[0] / other[0] for one, other in zip(base, runs, strict=True)]),
            "cpu_ratio": _spread([one[1] / other[1] for one, other in zip(base, runs, strict=True)]),
            "largest_difference": float(np.abs(vectors[name] - exact).max()),
            "least_cosine": round(float((vectors[name] * exact).sum(axis=1).min()), 6),
        }
        for name, runs in seconds.items()
    ]


def measure_search(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """CPU and wall seconds of a search from a cold process, by turns."""
    (folder / "media").mkdir()
    for number in range(30):
        (folder / "media" / f"{number}.txt").write_text(f"Text {number} about birds, boats and harbours. " * 3)
    for runtime in ("torch", "openvino"):
        document = {
            "store": str(folder / runtime),
            "sources": {"media": {"uri": str(folder / "media")}},
            "encoders": {"minilm": {"model": "embedded:minilm"}},
            "compute": {"runtime": runtime, "offline": True, "device": "cpu"},
        }
        (folder / f"{runtime}.yaml").write_text(yaml.safe_dump(document))
        command("run", "--settings", str(folder / f"{runtime}.yaml"))
    seconds: dict[str, list[tuple[float, float]]] = {"torch": [], "openvino": []}
    for number in range(rounds + 1):
        for runtime, runs in seconds.items():
            taken = command("search", "boats", "--store", str(folder / runtime))
            if number:
                runs.append(taken)
    return [
        {
            "runtime": runtime,
            "seconds": round(statistics.median(wall for wall, _ in runs), 2),
            "cpu_seconds": round(statistics.median(used for _, used in runs), 2),
            "cpu_ratio": _spread([one[1] / other[1] for one, other in zip(runs, seconds["torch"], strict=True)]),
        }
        for runtime, runs in seconds.items()
    ]


def command(*arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of one command in a process of its own."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from embed_assets.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - wall, used


def show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print a table, or one line of JSON, once it is measured."""
    if as_json:
        print(json.dumps(rows), flush=True)
        return
    print("| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0]), sep="\n")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


def _spread(ratios: list[float]) -> list[float]:
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def main() -> int:
    """Measure; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description="torch and OpenVINO, by turns.")
    parser.add_argument("--texts", type=int, default=300, metavar="N", help="abstracts (default 300)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each variant (default 5)")
    parser.add_argument("--json", action="store_true", help="print a line of JSON a table instead")
    chosen = parser.parse_args()
    if lacking := missing(SCIFACT):
        print(lacking)
        return 0
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        search = measure_search(Path(name), chosen.rounds)
        show(search, as_json=chosen.json)
        texts = measure_texts(list(abstracts().values())[: chosen.texts], chosen.rounds)
        show(texts, as_json=chosen.json)
    fast = next(row for row in texts if row["variant"] == "openvino float32")
    light = next(row for row in search if row["runtime"] == "openvino")
    kept = fast["ratio"][0] >= LEAST_SPEED and fast["largest_difference"] <= MOST_DIFFERENCE
    return 0 if kept and light["cpu_ratio"][0] <= MOST_SEARCH else 1


if __name__ == "__main__":
    raise SystemExit(main())
