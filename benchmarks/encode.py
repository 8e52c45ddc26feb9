"""How much of the model's own speed the pipeline keeps, from files to committed rows.

    python benchmarks/encode.py [--texts N] [--pictures N] [--rounds R] [--json]

Two sides are timed in turn, round by round, in one process with one warm model:

- bare: `encoder.encode` on a list of ready batches: padding (stacking, for pictures), the forward
  pass, pooling, normalising, vectors as numpy. Nothing is read, decoded, tokenised or written.
- pipeline: `Steps.embed` on a new, empty store: planning, opening, reading and decoding files,
  tokenising or resizing, batching, the same `encode`, rows committed to LanceDB, the history.

Both do the same batches: those that the pipeline formed in an untimed first run, tensor by tensor.
The ratio is pipeline over bare items a second: 1 would mean that all else is free. `with refresh`
puts the manifest's listing, hashing and writing into the pipeline's time as well. Not in either:
imports, loading the model, registering its version.

`in CPU seconds` is the same ratio of the process's CPU time on all cores. On a busy machine it is the
steadier of the two, but it does not see time spent waiting.

`read`, `encode` and `write` are seconds over the pipeline's wall time. Readers are several threads
beside the encoder, so the three may sum to more than 1, and `encode` holds what the readers take from
its cores. Text is MiniLM on SciFact's abstracts; pictures are a ResNet-50 of random weights (speed
does not depend on their values) on photos of groceries.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shared_data import GROCERY, SCIFACT, abstracts, missing, pictures, write_texts

from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.load_settings import make_settings
from embed_assets.media.media_types import Modality
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.steps import Steps
from embed_assets.store.versions import VersionRecord

AIM = 0.90
Batches = list[list[Prepared]]


class Recorder(Encoder):
    """An encoder that notes the batches it is given."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner
        self.spec, self.dim, self.device, self.dtype = inner.spec, inner.dim, inner.device, inner.dtype
        self.batches: Batches = []

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """As the inner encoder."""
        return self._inner.prepare(modality, payload, query=query)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """As the inner encoder, after noting the batch."""
        self.batches.append(list(batch))
        return self._inner.encode(batch)

    def identity(self) -> Mapping[str, str]:
        """As the inner encoder."""
        return self._inner.identity()

    def tokenizer(self) -> Any:
        """As the inner encoder."""
        return self._inner.tokenizer()

    @property
    def max_tokens(self) -> int | None:
        """As the inner encoder."""
        return self._inner.max_tokens


class RecordedRun(RunContext):
    """A run whose encoder is recorded."""

    recorder: Recorder

    def encoder(self, record: VersionRecord) -> Encoder:
        """Return the version's encoder, behind a recorder."""
        self.recorder = Recorder(super().encoder(record))
        return self.recorder


@dataclass(frozen=True, kw_only=True)
class Side:
    """One timed run of the pipeline."""

    embed_seconds: float
    embed_cpu_seconds: float
    refresh_seconds: float
    report: EmbedReport


@dataclass(frozen=True, kw_only=True)
class Round:
    """Bare and pipeline, one after the other."""

    items: int
    bare_seconds: float
    bare_cpu_seconds: float
    pipeline: Side

    @property
    def ratio(self) -> float:
        """Pipeline over bare items a second, the embedding step alone."""
        return self.bare_seconds / self.pipeline.embed_seconds

    @property
    def cpu_ratio(self) -> float:
        """The ratio in CPU seconds of the process."""
        return self.bare_cpu_seconds / self.pipeline.embed_cpu_seconds

    @property
    def ratio_with_refresh(self) -> float:
        """The same with the manifest's refresh in the pipeline's time."""
        return self.bare_seconds / (self.pipeline.embed_seconds + self.pipeline.refresh_seconds)


def settings_of(folder: Path, store: Path, model: str, compute: Mapping[str, Any]) -> dict[str, Any]:
    """One source, one encoder; each text whole, so that an item is one segment."""
    return {
        "store": str(store),
        "sources": {"media": {"uri": str(folder)}},
        "encoders": {"encoder": {"model": model, "segment": {"mode": "whole"}}},
        "compute": dict(compute),
    }


def recorded_batches(settings: dict[str, Any]) -> Batches:
    """Record the batches that the pipeline forms; the run warms model, files and libraries up as well."""
    run = RecordedRun(make_settings(settings))
    steps = Steps(run.settings, context=run)
    steps.refresh("media")
    record = steps.resolve("encoder").record
    steps.context.verified_encoder(record)  # its canaries are no media
    steps.embed(record)
    shutil.rmtree(settings["store"])
    return run.recorder.batches


def run_bare(encoder: Encoder, batches: Batches) -> tuple[float, float]:
    """Seconds of the forward passes, on the clock and of CPU."""
    started, worked = time.perf_counter(), time.process_time()
    for batch in batches:
        encoder.encode(batch)
    return time.perf_counter() - started, time.process_time() - worked


def run_pipeline(settings: dict[str, Any]) -> Side:
    """Seconds of the manifest's refresh and of embedding into an empty store."""
    steps = Steps(make_settings(settings))
    started = time.perf_counter()
    steps.refresh("media")
    refreshed = time.perf_counter()
    record = steps.resolve("encoder").record
    steps.context.verified_encoder(record)  # once a run, however many items: its canaries are compared
    resolved, worked = time.perf_counter(), time.process_time()
    report = steps.embed(record)
    ended, done = time.perf_counter(), time.process_time()
    shutil.rmtree(settings["store"])
    return Side(
        embed_seconds=ended - resolved,
        embed_cpu_seconds=done - worked,
        refresh_seconds=refreshed - started,
        report=report,
    )


def measure(settings: dict[str, Any], *, rounds: int) -> tuple[list[Round], Batches]:
    """Run rounds of bare and pipeline; which goes first alternates."""
    batches = recorded_batches(settings)
    steps = Steps(make_settings(settings))
    encoder = steps.encoder(steps.resolve("encoder").record)
    shutil.rmtree(settings["store"], ignore_errors=True)
    found = []
    for number in range(rounds):
        if number % 2 == 0:
            bare, pipeline = run_bare(encoder, batches), run_pipeline(settings)
        else:
            pipeline, bare = run_pipeline(settings), run_bare(encoder, batches)
        items = pipeline.report.total("embedded")
        found.append(Round(items=items, bare_seconds=bare[0], bare_cpu_seconds=bare[1], pipeline=pipeline))
    return found, batches


def summary(rounds: Sequence[Round], batches: Batches) -> dict[str, Any]:
    """Medians, and the ratios' range, as JSON-able values."""
    ratios = [each.ratio for each in rounds]
    with_refresh = [each.ratio_with_refresh for each in rounds]
    items, segments = rounds[0].items, sum(map(len, batches))
    if items != segments:
        raise SystemExit(f"The pipeline embedded {items} items, the bare side {segments}: not comparable.")
    return {
        "items": items,
        "batches": len(batches),
        "items_per_batch": round(segments / len(batches), 1),
        "bare_items_per_second": _median(each.items / each.bare_seconds for each in rounds),
        "pipeline_items_per_second": _median(each.items / each.pipeline.embed_seconds for each in rounds),
        "ratio": _median(ratios),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "cpu_ratio": _median(each.cpu_ratio for each in rounds),
        "cpu_ratio_min": round(min(each.cpu_ratio for each in rounds), 3),
        "cpu_ratio_max": round(max(each.cpu_ratio for each in rounds), 3),
        "ratio_with_refresh": _median(with_refresh),
        "ratio_with_refresh_min": round(min(with_refresh), 3),
        "ratio_with_refresh_max": round(max(with_refresh), 3),
        "refresh_seconds": _median(each.pipeline.refresh_seconds for each in rounds),
        "embed_seconds": _median(each.pipeline.embed_seconds for each in rounds),
        "read_share": _median(_share(each, "read_seconds") for each in rounds),
        "encode_share": _median(_share(each, "encode_seconds") for each in rounds),
        "write_share": _median(_share(each, "write_seconds") for each in rounds),
    }


def _median(values: Any) -> float:
    return round(statistics.median(values), 3)


def _share(each: Round, stage: str) -> float:
    return getattr(each.pipeline.report, stage) / each.pipeline.embed_seconds


def save_resnet(file: Path) -> None:
    """Save a ResNet-50 of seeded random weights, as safetensors: the architecture decides the speed."""
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(torchvision.models.resnet50(weights=None).state_dict(), file)


def text_settings(work: Path, count: int, compute: Mapping[str, Any]) -> dict[str, Any]:
    """Write the first `count` abstracts, a file each, for MiniLM."""
    write_texts(work / "texts", dict(list(abstracts().items())[:count]))
    return settings_of(work / "texts", work / "store", "embedded:minilm", compute)


def picture_settings(work: Path, count: int, compute: Mapping[str, Any]) -> dict[str, Any]:
    """`count` photos, spread over the set, and ResNet-50."""
    (work / "pictures").mkdir()
    files = pictures()
    for place in np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)):
        shutil.copy(files[place], work / "pictures" / f"{place:04}.jpg")
    save_resnet(work / "resnet50.safetensors")
    return settings_of(work / "pictures", work / "store", str(work / "resnet50.safetensors"), compute)


def show(name: str, found: Mapping[str, Any]) -> None:
    """One modality, for people."""
    verdict = "reached" if found["ratio"] >= AIM else "MISSED"
    print(f"\n{name}: {found['items']} items in {found['batches']} batches, {found['items_per_batch']} a batch")
    print(f"  bare      {found['bare_items_per_second']:9.2f} items/s")
    print(f"  pipeline  {found['pipeline_items_per_second']:9.2f} items/s   {found['embed_seconds']:.2f} s")
    print(
        f"  ratio          {found['ratio']:.3f} ({found['ratio_min']:.3f} to {found['ratio_max']:.3f})"
        f"   aim {AIM:.2f}: {verdict}"
    )
    print(f"  in CPU seconds {found['cpu_ratio']:.3f} ({found['cpu_ratio_min']:.3f} to {found['cpu_ratio_max']:.3f})")
    print(
        f"  with refresh   {found['ratio_with_refresh']:.3f} ({found['ratio_with_refresh_min']:.3f} to "
        f"{found['ratio_with_refresh_max']:.3f})   refresh {found['refresh_seconds']:.2f} s"
    )
    print(
        f"  shares of the pipeline's time: read {found['read_share']:.3f}, "
        f"encode {found['encode_share']:.3f}, write {found['write_share']:.3f}"
    )


def machine() -> dict[str, Any]:
    """Describe the machine and versions that the figures depend on."""
    import torch

    return {
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Pipeline speed over the bare model's, on equal batches.")
    parser.add_argument("--texts", type=int, default=600, metavar="N", help="abstracts; 0: no texts (default 600)")
    parser.add_argument("--pictures", type=int, default=240, metavar="N", help="photos; 0: none (default 240)")
    parser.add_argument("--rounds", type=int, default=5, metavar="R", help="rounds of both sides (default 5)")
    parser.add_argument("--device", default="cpu", help="compute.device (default cpu)")
    parser.add_argument("--runtime", default="torch", help="compute.runtime (default torch, that of the bare model)")
    parser.add_argument("--readers", type=int, metavar="N", help="compute.readers; unset: the default")
    parser.add_argument("--batch-tokens", type=int, metavar="N", help="compute.batch_tokens; unset: by device")
    parser.add_argument("--batch-pictures", type=int, metavar="N", help="224 x 224 pictures a batch; unset: by device")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    return parser.parse_args()


def compute_of(wanted: argparse.Namespace) -> dict[str, Any]:
    """Build the settings' compute section; what was not requested keeps its default."""
    pixels = wanted.batch_pictures * 224 * 224 if wanted.batch_pictures else None
    chosen = {
        "device": wanted.device,
        "runtime": wanted.runtime,
        "readers": wanted.readers,
        "batch_tokens": wanted.batch_tokens,
        "batch_pixels": pixels,
    }
    return {key: value for key, value in chosen.items() if value is not None}


def main() -> int:
    """Measure what is asked for; 1 where a ratio misses the aim."""
    wanted = arguments()
    sides = {
        "text": (wanted.texts, text_settings, SCIFACT / "corpus.jsonl"),
        "image": (wanted.pictures, picture_settings, GROCERY),
    }
    found: dict[str, Any] = {"machine": machine()}
    for name, (count, prepare, needed) in sides.items():
        if not count:
            continue
        if absent := missing(needed):
            print(f"skipped {name}: {', '.join(absent)} is not there", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as work:
            settings = prepare(Path(work), count, compute_of(wanted))
            found[name] = summary(*measure(settings, rounds=wanted.rounds))
        if not wanted.json:
            show(name, found[name])
    if wanted.json:
        print(json.dumps(found, indent=1))
    return int(any(found[name]["ratio"] < AIM for name in sides if name in found))


if __name__ == "__main__":
    sys.exit(main())
