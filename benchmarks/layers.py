"""Where a converted network spends its time: share of each kind of layer, by OpenVINO's own counters.

    python benchmarks/layers.py [--dtype float32]

MiniLM on batches of SciFact's abstracts as the pipeline cuts them, ResNet-50 and CLIP's picture tower (random weights
at their true sizes) on batches of 8. Fully connected layers, convolutions and attention are products of matrices; the
rest moves numbers or works on each by itself.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from encoders import Inputs, Models
from shared_data import GROCERY, SCIFACT, abstracts, missing

from embed_assets.embedding.batching import BatchLimits, batches
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.catalog import builtin_specs
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.runtimes.convert_to_openvino import convert
from embed_assets.encoders.runtimes.openvino_network import INPUTS, PRECISIONS, openvino

ROUNDS = 3


def prepared_batches(encoder: Encoder, inputs: Inputs) -> list[list[Prepared]]:
    """Batches as the pipeline makes them: abstracts by length, photos by eights."""
    if "text" in encoder.spec.media:
        items = [encoder.prepare("text", text) for text in list(abstracts().values())[:120]]
        limit = BatchLimits(tokens=2048, pixels=1).tokens
        return [[items[place] for place in batch] for batch in batches([item.cost for item in items], lambda: limit)]
    from PIL import Image

    files = inputs.files["image"][:32]
    items = [encoder.prepare("image", Image.open(file).convert("RGB")) for file in files]
    return [items[start : start + 8] for start in range(0, len(items), 8)]


def profile(encoder: Encoder, made: list[list[Prepared]], dtype: str) -> Counter[str]:
    """Return microseconds by kind of layer, over all batches, after a round that does not count."""
    calls: list[tuple[str, tuple[Any, ...]]] = []
    run = encoder.networks.run

    def noted(name: str, *inputs: Any) -> Any:
        calls.append((name, inputs))
        return run(name, *inputs)

    encoder.networks.run = noted
    for batch in made:
        encoder.encode(batch)
    spent = Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        last = dict(calls)
        convert(encoder.networks, last, Path(name))
        requests = {called: _request(Path(name) / f"{called}.xml", dtype) for called in last}
        for number in range(ROUNDS + 1):
            for called, inputs in calls:
                request, places = requests[called]
                arrays = [np.ascontiguousarray(inputs[place].numpy()) for place in places]
                request.infer(arrays, share_inputs=True)
                if number:
                    for layer in request.profiling_info:
                        spent[layer.node_type] += layer.real_time.microseconds
    return spent


def _request(file: Path, dtype: str) -> tuple[Any, list[int]]:
    options = {"INFERENCE_PRECISION_HINT": PRECISIONS[dtype], "PERF_COUNT": True, "NUM_STREAMS": 1}
    compiled = openvino().Core().compile_model(str(file), "CPU", options)
    return compiled.create_infer_request(), [INPUTS.index(port.get_any_name()) for port in compiled.inputs]


def main() -> int:
    """Print the shares of each model."""
    from transformers.utils.logging import disable_progress_bar

    parser = argparse.ArgumentParser(description="Share of each kind of layer.")
    parser.add_argument("--dtype", default="float32", choices=list(PRECISIONS))
    chosen = parser.parse_args()
    if absent := missing(SCIFACT / "corpus.jsonl", GROCERY):
        print(f"skipped: {', '.join(absent)} is not there")
        return 0
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = f"{home}/cache"
        inputs = Inputs.gather(Path(home))
        for name in ("minilm", "resnet50", "clip-vit-b32"):
            model = Models(inputs.words).build(builtin_specs()[name], Path(home) / name)
            encoder = load_encoder(spec_for(name, model=model), device="cpu")
            spent = profile(encoder, prepared_batches(encoder, inputs), chosen.dtype)
            total = sum(spent.values())
            shares = ", ".join(f"{kind} {time / total:.1%}" for kind, time in spent.most_common(6))
            print(f"{name}, {chosen.dtype}: {shares}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
