"""The pipeline beside what a user would write: files to committed rows, against a plain loop of the model's library.

    python benchmarks/plain_loop.py [CASES…] [--rounds R] [--texts N] [--pictures N] [--sounds N] [--json]

Cases: minilm (SciFact's abstracts and Banking77's questions, mixed), resnet50, mobilenet-v2, clip-vit-b32 (photos of
groceries), whisper-tiny (ESC-10's sounds). The loops have the libraries' defaults: `SentenceTransformer.encode`; for
pictures torchvision's or transformers' own preprocessing and 32 a batch; for sounds one after another through the
feature extractor and the encoder. They keep the vectors in memory: reading files is in their time, writing is not.

The pipeline's time is refresh and embed into a new, empty store: listing, hashing, reading, decoding, batches, the
forward pass, rows committed. By torch and OpenVINO in float32, and by OpenVINO in bfloat16. Loop and variants take
turns; a ratio is the loop's seconds over the variant's in the same round: median, least and largest. Models are warm.

Cosine: of the stored vectors, float16, with the loop's. `of GEMM`: the model's operations (as torch counts them, at
its true lengths) a second of encoding, over what matrix products of 1024 x 1024 reach at that precision by torch,
measured between the rounds.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from encode import machine, settings_of
from encoders import Inputs, Models, flops
from shared_data import DATA, SCIFACT, abstracts, missing

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.catalog import builtin_specs
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.load_version import forget_models

BANKING = DATA / "text_banking77" / "test.csv"
SOUNDS = DATA / "audio_esc10_fold1"
VARIANTS = {
    "torch float32": {"runtime": "torch", "dtype": "float32"},
    "openvino float32": {"runtime": "openvino", "dtype": "float32"},
    "openvino bfloat16": {"runtime": "openvino", "dtype": "bfloat16"},
}
BATCH = 32  # of the plain loops over pictures

Loop = Callable[[Sequence[Path]], np.ndarray]  # files → float32, (len(files), dim)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One run of the pipeline. Seconds."""

    seconds: float
    encode_seconds: float
    waited_seconds: float
    segments: int


def text_loop(model: str) -> Loop:
    """`SentenceTransformer.encode` with its defaults."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model, device="cpu")
    return lambda files: np.asarray(loaded.encode([file.read_text(encoding="utf-8") for file in files]))


def picture_loop(name: str, model: str) -> Loop:
    """Torchvision's transforms and network, or transformers' processor and model, 32 pictures at a time."""
    import torch
    from PIL import Image

    prepare, network = _clip(model) if name.startswith("clip") else _torchvision(name, model)

    def run(files: Sequence[Path]) -> np.ndarray:
        found = []
        with torch.no_grad():
            for start in range(0, len(files), BATCH):
                pictures = [Image.open(file).convert("RGB") for file in files[start : start + BATCH]]
                found.append(network(prepare(pictures)).numpy())
        return np.concatenate(found)

    return run


def _torchvision(name: str, model: str) -> tuple[Any, Any]:
    import torch
    import torchvision
    from safetensors.torch import load_file
    from torchvision.models.feature_extraction import create_feature_extractor

    architecture = name.replace("-", "_")
    network: Any = torchvision.models.get_model(architecture, weights=None)
    network.load_state_dict(load_file(model))
    weights = str(builtin_specs()[name].options["weights"])
    transform = torchvision.models.get_model_weights(architecture)[weights].transforms()
    layer = "flatten"
    tapped = create_feature_extractor(network.eval(), {layer: "vector"})
    return (
        lambda pictures: torch.stack([transform(picture) for picture in pictures]),
        lambda pixels: tapped(pixels)["vector"],
    )


def _clip(model: str) -> tuple[Any, Any]:
    from transformers import CLIPModel, CLIPProcessor

    processor: Any = CLIPProcessor.from_pretrained(model)
    network = CLIPModel.from_pretrained(model).eval()

    def features(inputs: Any) -> Any:
        found = network.get_image_features(**inputs)
        return getattr(found, "pooler_output", found)

    return lambda pictures: processor(images=pictures, return_tensors="pt"), features


def sound_loop(model: str) -> Loop:
    """Whisper's feature extractor and encoder, one sound after another, averaged over the sound's own frames."""
    import torch
    from transformers import AutoFeatureExtractor, WhisperModel

    extractor, network = AutoFeatureExtractor.from_pretrained(model), WhisperModel.from_pretrained(model).eval()

    def run(files: Sequence[Path]) -> np.ndarray:
        found = []
        with torch.no_grad():
            for file in files:
                samples = _samples(file)
                mel = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features
                frames = -(-len(samples) // 320)  # the encoder has fifty a second
                found.append(network.get_encoder()(mel).last_hidden_state[0, :frames].mean(dim=0).numpy())
        return np.stack(found)

    return run


def _samples(file: Path) -> np.ndarray:
    import av

    with av.open(str(file)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def run_pipeline(settings: dict[str, Any], work: Path) -> tuple[Timed, dict[str, np.ndarray]]:
    """Refresh and embed into a new store; the seconds, and the vectors by file name."""
    with tempfile.TemporaryDirectory(dir=work) as store:
        steps = Steps(make_settings({**settings, "store": f"{store}/store"}))
        record = _loaded(steps)
        started = time.perf_counter()
        steps.refresh("media")
        report = steps.embed(record)
        seconds = time.perf_counter() - started
        table: Any = steps.store.vectors(record.id).open()
        rows = table.search().select(["key", "vector"]).limit(100_000).to_list()
    vectors = {row["key"]: np.asarray(row["vector"], dtype=np.float32) for row in rows}
    timed = Timed(
        seconds=seconds,
        encode_seconds=report.encode_seconds,
        waited_seconds=report.waited_seconds,
        segments=report.segments_encoded,
    )
    return timed, vectors


def _loaded(steps: Steps) -> VersionRecord:
    record = steps.resolve("encoder").record
    steps.context.verified_encoder(record)
    return record


def gemm_rate(dtype: str) -> float:
    """Operations a second of matrix products of 1024 x 1024 by torch, the best of some."""
    import torch

    one = torch.rand(1024, 1024).to(getattr(torch, dtype))
    best = 0.0
    for _ in range(12):
        started = time.perf_counter()
        torch.mm(one, one)
        best = max(best, 2 * 1024**3 / (time.perf_counter() - started))
    return best


def operations(encoder: Encoder, files: Sequence[Path], name: str) -> float:
    """Operations of the model for all files: of texts by their lengths, of all else those of one times their number."""
    from PIL import Image

    if name == "minilm":
        prepared = [encoder.prepare("text", file.read_text(encoding="utf-8")) for file in files]
        lengths = sorted(prepared, key=lambda each: each.cost)
        sample = lengths[:: max(1, len(lengths) // 12)]
        return statistics.mean(flops(encoder, each) for each in sample) * len(files)
    if name == "whisper-tiny":
        return 0.0
    return float(flops(encoder, encoder.prepare("image", Image.open(files[0]).convert("RGB")))) * len(files)


def measure(
    name: str, files: Sequence[Path], loop: Loop, settings: dict[str, Any], *, rounds: int
) -> list[dict[str, Any]]:
    """Rounds of the loop and of each variant, after one of each that does not count."""
    work = Path(settings["store"]).parent
    loops: list[float] = []
    runs: dict[str, list[Timed]] = {variant: [] for variant in VARIANTS}
    rates: dict[str, float] = {}
    expected: Sequence[np.ndarray] = ()
    vectors = dict[str, dict[str, np.ndarray]]()
    for number in range(rounds + 1):
        started = time.perf_counter()
        expected = list(loop(files))
        if number:
            loops.append(time.perf_counter() - started)
        for variant, compute in VARIANTS.items():
            timed, vectors[variant] = run_pipeline({**settings, "compute": {"device": "cpu", **compute}}, work)
            if number:
                runs[variant].append(timed)
        for dtype in ("float32", "bfloat16"):
            rates[dtype] = max(rates.get(dtype, 0.0), gemm_rate(dtype))
    work_of_all = _operations(name, files, settings)
    return [
        {
            "case": name,
            "variant": variant,
            "items": len(files),
            "loop_items_per_second": round(len(files) / statistics.median(loops), 1),
            "items_per_second": round(len(files) / statistics.median(each.seconds for each in timed), 1),
            "ratio": _spread([one / other.seconds for one, other in zip(loops, timed, strict=True)]),
            "waited": round(statistics.median(each.waited_seconds / each.seconds for each in timed), 2),
            "least_cosine": _least_cosine(vectors[variant], dict(zip(files, expected, strict=True))),
            "of_gemm": _share(work_of_all, timed, rates[VARIANTS[variant]["dtype"]]),
        }
        for variant, timed in runs.items()
    ]


def _operations(name: str, files: Sequence[Path], settings: dict[str, Any]) -> float:
    steps = Steps(make_settings({**settings, "compute": {"device": "cpu", "runtime": "torch"}}))
    return operations(steps.encoder(steps.resolve("encoder").record), files, name)


def _share(work: float, timed: Sequence[Timed], rate: float) -> float | None:
    seconds = statistics.median(each.encode_seconds for each in timed)
    return round(work / seconds / rate, 2) if work else None


def _least_cosine(found: Mapping[str, np.ndarray], expected: Mapping[Path, np.ndarray]) -> float:
    values = [_cosine(found[file.name], vector) for file, vector in expected.items()]
    return round(min(values), 5)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _spread(ratios: list[float]) -> list[float]:
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def put_texts(count: int, folder: Path) -> None:
    """Write half abstracts, half questions to a bank, as a corpus of mixed lengths."""
    import csv

    folder.mkdir()
    with BANKING.open(encoding="utf-8", newline="") as lines:
        asked = [row["text"] for row in csv.DictReader(lines)]
    half = count // 2
    for number, text in enumerate([*list(abstracts().values())[:half], *asked[: count - half]]):
        (folder / f"{number:05}.txt").write_text(text, encoding="utf-8")


def case(name: str, inputs: Inputs, wanted: argparse.Namespace, work: Path) -> list[dict[str, Any]]:
    """One model's figures."""
    media = work / "media"
    if name == "minilm":
        from embed_assets.demo.encoders import minilm_folder

        put_texts(wanted.texts, media)
        model, loop = str(minilm_folder()), text_loop
    else:
        kind = builtin_specs()[name].media[0]
        inputs.put(kind, wanted.sounds if kind == "audio" else wanted.pictures, media)
        model = Models(inputs.words).build(builtin_specs()[name], work / "model")
        loop = sound_loop if kind == "audio" else lambda model: picture_loop(name, model)
    settings = settings_of(media, work / "store", model, {})
    if "weights" in builtin_specs()[name].options:
        settings["encoders"]["encoder"]["options"] = dict(builtin_specs()[name].options)
    try:
        return measure(name, sorted(media.iterdir()), loop(model), settings, rounds=wanted.rounds)
    finally:
        forget_models()


CASES = ("minilm", "resnet50", "mobilenet-v2", "clip-vit-b32", "whisper-tiny")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="The pipeline beside a plain loop, by turns.")
    parser.add_argument("cases", nargs="*", metavar="CASES", help=f"some of {', '.join(CASES)} (default all)")
    parser.add_argument("--rounds", type=int, default=3, metavar="R", help="rounds that count (default 3)")
    parser.add_argument("--texts", type=int, default=400, metavar="N", help="texts (default 400)")
    parser.add_argument("--pictures", type=int, default=96, metavar="N", help="pictures (default 96)")
    parser.add_argument("--sounds", type=int, default=24, metavar="N", help="sounds (default 24)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    wanted = parser.parse_args()
    if unknown := sorted(set(wanted.cases) - set(CASES)):
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    return wanted


def main() -> int:
    """Measure what is wanted."""
    from transformers.utils.logging import disable_progress_bar

    wanted = arguments()
    if absent := missing(SCIFACT / "corpus.jsonl", BANKING, SOUNDS, DATA / "image_grocery"):
        print(f"skipped: {', '.join(absent)} is not there")
        return 0
    disable_progress_bar()
    rows: list[dict[str, Any]] = []
    about = machine()
    if not wanted.json:
        print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = f"{home}/cache"
        inputs = Inputs.gather(Path(home))
        for name in wanted.cases or CASES:
            with tempfile.TemporaryDirectory() as work:
                found = case(name, inputs, wanted, Path(work))
            if not wanted.json:
                show(found, head=not rows)
            rows += found
    if wanted.json:
        print(json.dumps({"machine": about, "rows": rows}, indent=1))
    return 0


def show(rows: Sequence[Mapping[str, Any]], *, head: bool) -> None:
    """Print rows of a table in Markdown."""
    if head:
        print("| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0]), sep="\n")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
