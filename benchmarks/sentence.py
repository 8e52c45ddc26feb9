"""What the sentence chain of this package saves over sentence-transformers: CPU seconds of one cold text.

    python benchmarks/sentence.py [--runs N] [--json]

Each run is a process of its own: the registry is imported, the embedded MiniLM loaded and one text encoded, by the
chain (`encoders/sentence/chain.py`, on transformers alone) or by the library (`options={"library": True}`), in turn.
CPU seconds, medians of all runs; the files are read once before. `saved` is what the chain does without, nearly all of
it `import sentence_transformers`.

Bound: the chain stays as long as it saves at least 10 % of the library's cold start.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

LEAST_SHARE = 0.10

_RUN = """
import json, sys, time
from embed_assets.demo.encoders import minilm_folder
from embed_assets.encoders.registry import load_encoder, spec_for
options = {"library": True} if sys.argv[1] == "library" else {}
encoder = load_encoder(spec_for("minilm", model=str(minilm_folder()), options=options), device="cpu")
vector = encoder.encode([encoder.prepare("text", "a cold start")])[0]
print(json.dumps({"seconds": time.process_time(), "vector": vector.tolist()}))
"""


def run(mode: str) -> dict[str, Any]:
    """Seconds of one process."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, mode],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Measure; 1 if the chain saves less than the bound."""
    parser = argparse.ArgumentParser(description="Cold start of MiniLM, by our chain and by sentence-transformers.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="processes of each (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    chosen = parser.parse_args()
    for mode in ("chain", "library"):
        run(mode)  # the files, read once
    seconds: dict[str, list[dict[str, Any]]] = {"chain": [], "library": []}
    for _ in range(chosen.runs):
        for mode, runs in seconds.items():
            runs.append(run(mode))
    chain, library = (statistics.median(each["seconds"] for each in runs) for runs in seconds.values())
    pairs = zip(seconds["chain"][0]["vector"], seconds["library"][0]["vector"], strict=True)
    figures = {
        "chain": round(chain, 2),
        "library": round(library, 2),
        "saved": round(1 - chain / library, 3),
        "largest_difference": max(abs(own - other) for own, other in pairs),
    }
    print(json.dumps(figures) if chosen.json else "\n".join(f"{name:20} {value:g}" for name, value in figures.items()))
    return 0 if figures["saved"] >= LEAST_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
