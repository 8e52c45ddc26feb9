"""Reports: seconds on a large index, false alarms and power of drift, and what noise costs encoders of pictures.

    python benchmarks/reports.py [PARTS…] [--items N] [--json]

seconds: every report on a space of synthetic items in real tables, labelled by their topics, 384 dimensions, a third
of them new; their manifest is of a table with a text a row, which noise and the leaderboard embed a sample of.
drift: two samples of 500 of 40 topics, 200 times; then four topics doubled, vanished, or new.
noise: disturbed copies of photos of groceries as queries, by raw pixels, MobileNet v2, and MobileNet v2 with random
weights.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from encoders import Models
from shared_data import DATA, GROCERY, missing

from embed_assets.encoders.catalog import builtin_specs
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.inspection.inspection_steps import Inspection
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.drift.domain_classifier import domain_classifier
from embed_assets.quality.drift.mmd import mmd_test
from embed_assets.quality.measured_report import Measured
from embed_assets.quality.random_pairs import measure_random_pairs
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.vectors import vector_schema

WEIGHTS = DATA / "weights"
TOPICS, DIM, SIDE = 40, 384, 500
MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
_BATCH = 10_000
_WORDS = ("river", "market", "winter", "engine", "garden", "letter", "silver", "window", "doctor", "island")


def topics(shares: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw topics by their shares, int64 (count,), and a unit vector of each, float32 (count, DIM)."""
    chosen = random.choice(len(shares), size=count, p=shares / shares.sum())
    return chosen, vectors_of(chosen, len(shares), random)


def vectors_of(chosen: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw a unit vector of each of the chosen of `count` topics, float32 (len(chosen), DIM)."""
    centres = np.random.default_rng(99).standard_normal((count, DIM))
    vectors = centres[chosen] + 0.8 * random.standard_normal((len(chosen), DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def seconds(items: int) -> dict[str, Any]:
    """Return seconds and sample of each report on a space of synthetic items."""
    with tempfile.TemporaryDirectory() as folder:
        steps = _served(Path(folder), items)
        found = {}
        for name, report in _reports(steps, Path(folder)).items():
            started = time.perf_counter()
            measured, what = report()
            spent = round(time.perf_counter() - started, 2)
            found[name] = {"seconds": spent, "sample": measured.sample(), "found": what}
    return {"items": items, "reports": found}


def _reports(steps: Steps, folder: Path) -> dict[str, Callable[[], tuple[Measured, str]]]:
    """Return each report by its name: it measures, and says what it found. The map finds the nearest of every item."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps({"query": _text(number)}) + "\n" for number in range(1000)), encoding="utf-8")
    inspections: list[Inspection] = []

    def drawn() -> tuple[Measured, str]:
        inspections.append(steps.inspect("space"))
        return (found := inspections[0].map()), found.method

    def inspected(report: Callable[[Inspection], Any]) -> tuple[Measured, str]:
        return (found := report(inspections[0])), found.in_words().partition(";")[0]

    return {
        "drift": lambda: ((found := steps.drift("space", since=MOMENT)), found.verdict),
        "query drift": lambda: ((found := steps.query_drift("space", str(log))), found.verdict),
        "balance": lambda: ((found := steps.balance("space")), f"served worse: {len(found.served_worse)} groups"),
        "evaluation": lambda: ((found := steps.evaluate("space")), found.verdict),
        "map": drawn,
        "duplicates, after the map": lambda: inspected(Inspection.duplicates),
        "outliers, after the map": lambda: inspected(Inspection.outliers),
        "labels, after the map": lambda: inspected(Inspection.labels),
        "noise": lambda: ((found := steps.noise(["minilm"])), " ".join(found.in_words())),
        "leaderboard": lambda: ((found := steps.compare(list(steps.settings.encoders))), " ".join(found.in_words())),
        "saved query": lambda: ((found := steps.matches("alike")), f"{len(found.matches):,} matches"),
    }


def show_seconds(found: dict[str, Any]) -> None:
    """Print a row a report, in Markdown."""
    print(f"\n{found['items']:,} items\n\n| report | seconds | sample | found |\n|---|---|---|---|")
    for name, each in found["reports"].items():
        print(f"| {name} | {each['seconds']:,.1f} | {each['sample']} | {each['found']} |")


def _text(number: int) -> str:
    """Return a text of a few words, by its number."""
    digits = [int(each) for each in f"{number * 7919 % 10**8:08d}"]
    return f"{' '.join(_WORDS[digit] for digit in digits)}, about {_WORDS[number % TOPICS % 10]} {number % TOPICS}"


def _served(folder: Path, items: int) -> Steps:
    """Return a pipeline whose space serves synthetic vectors, written and promoted as real ones are."""
    (folder / "media").mkdir()
    with (folder / "media" / "rows.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(items):
            row = {"id": str(number), "text": _text(number), "topic": f"topic {number % TOPICS}"}
            lines.write(json.dumps(row) + "\n")
    table = {"id": "id", "text": "text", "labels": ["topic"]}
    models = {"minilm": {"model": "embedded:minilm"}, "minilm_128": {"model": "embedded:minilm", "truncate_dim": 128}}
    steps = Steps(
        make_settings(
            {
                "store": str(folder / "store"),
                "sources": {"media": {"uri": str(folder / "media"), "table": table}},
                "encoders": {name: {**facts, "space": "space"} for name, facts in models.items()},
                "saved_queries": {"alike": {"space": "space", "like": f"media/rows.jsonl#{items // 2}"}},
                "compute": {"device": "cpu", "offline": True},
            }
        )
    )
    steps.refresh("media")
    record, random = steps.resolve("minilm").record, np.random.default_rng(0)
    schema = vector_schema(record.id, dim=DIM, dtype=record.vector_dtype, distance="cosine")
    vectors = steps.store.vectors(record.id)
    vectors.create(schema)
    rows = steps.manifest.table(["media"], columns=["media_id", "key", "uri", "labels", "content_hash"])
    for start in range(0, len(rows), _BATCH):
        vectors.replace_items(_rows(schema, rows.slice(start, _BATCH), items, random), replaced=())
    report = build_indices(steps.store, record.table, distance="cosine", settings=steps.settings.index)
    steps.store.serving.set_up("space")
    written = vectors.open()
    assert written is not None
    calibration = measure_random_pairs(written, {}, distance="cosine")
    release = Release(
        space="space",
        encoder="minilm",
        encoder_version=record.version,
        table=record.table,
        table_version=report.table_version,
        dim=DIM,
        distance="cosine",
        rows=items,
        ann=report.ann,
        calibration=calibration,
    )
    steps.store.releases.put(release)
    steps.store.serving.promote(release, required=frozenset(), by="benchmark")
    return steps


def _rows(schema: pa.Schema, found: pa.Table, items: int, random: np.random.Generator) -> pa.Table:
    """Return a segment of each item of the manifest, the last third of their numbers new."""
    numbers = np.array([int(key.rpartition("#")[2]) for key in found["key"].to_pylist()])
    vectors = vectors_of(numbers % TOPICS, TOPICS, random)
    vectors[1::100] = vectors[:-1:100]  # near-duplicates
    columns: dict[str, Any] = {name: found[name].combine_chunks() for name in found.column_names} | {
        "segment_id": [f"{media_id}:chunk:0" for media_id in found["media_id"].to_pylist()],
        "text": [_text(number) for number in numbers.tolist()],
        "media_hash": found["content_hash"].combine_chunks(),
        "end": random.integers(50, 5000, len(numbers)),
        "embedded_at": [MOMENT + timedelta(days=1 if each else -1) for each in numbers >= items * 2 // 3],
    }
    fixed = {"source": "media", "shard": "s00", "modality": "text", "kind": "chunk", "segment_count": 1, "start": 0}
    fixed |= {"encoder_version": "v", "meta_hash": "m"}
    vector: Any = schema.field("vector").type
    stored = vectors.astype(pa.array([], vector.value_type).to_numpy().dtype)
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), DIM)
    arrays = [
        columns["vector"]
        if field.name == "vector"
        else pa.array(columns.get(field.name, [fixed.get(field.name)] * len(numbers)), type=field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def drift(repetitions: int = 200) -> dict[str, Any]:
    """Return how often each kind of drift is found at 5 %, the mean AUC, and seconds of a test."""
    even = np.append(np.ones(TOPICS), np.zeros(4))
    doubled, vanished, added = even.copy(), even.copy(), even.copy()
    doubled[:4], vanished[:4], added[-4:] = 2, 0, 1
    found: dict[str, Any] = {}
    for name, shares, times in (
        ("no drift", even, repetitions),
        ("4 of 40 topics doubled", doubled, repetitions // 4),
        ("4 of 40 topics vanished", vanished, repetitions // 4),
        ("4 new topics", added, repetitions // 4),
    ):
        random, alarms, sizes, spent = np.random.default_rng(1), [], [], 0.0
        for _ in range(times):
            sides = [topics(each, SIDE, random)[1] for each in (even, shares)]
            started = time.perf_counter()
            alarms.append(mmd_test(*sides).p <= 0.05)
            spent += time.perf_counter() - started
            if len(sizes) < repetitions // 10:
                sizes.append(domain_classifier(*sides).auc)
        found[name] = {
            "repetitions": times,
            "found": round(float(np.mean(alarms)), 3),
            "AUC": round(float(np.mean(sizes)), 3),
            "seconds": round(spent / times, 3),
        }
    return found


def noise(items: int) -> dict[str, Any]:
    """Return the noise report of encoders of pictures, as JSON-able values."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for file in sorted((GROCERY / "natural" / "train").rglob("*.jpg")):
            label = folder / "media" / file.stem.rpartition("_")[0]
            label.mkdir(parents=True, exist_ok=True)
            (label / file.name).symlink_to(file)
        published = {"weights": "IMAGENET1K_V1", "mean": [0.5] * 3, "std": [0.5] * 3}
        random = Models([]).build(builtin_specs()["mobilenet-v2"], folder / "random")
        mobilenet = str(WEIGHTS / "mobilenet_v2_torchvision_fp16.safetensors")
        encoders = {
            "pixels": {"model": "pixels", "space": "space"},
            "mobilenet_v2": {"model": mobilenet, "options": published, "space": "space"},
            "untrained": {"model": random, "options": published, "space": "space"},
        }
        steps = Steps(_settings(folder, encoders))
        steps.refresh("media")
        started = time.perf_counter()
        found = steps.noise(list(encoders), sample=items)
        return asdict(found) | {
            "seconds": round(time.perf_counter() - started, 1),
            "in words": found.in_words(),
        }


def _settings(folder: Path, encoders: dict[str, Any]) -> Any:
    source = {"uri": str(folder / "media"), "labels": "folder", "follow_links": True}
    compute = {"device": "cpu", "offline": True}
    return make_settings(
        {"store": str(folder / "store"), "sources": {"media": source}, "encoders": encoders, "compute": compute}
    )


def show_noise(found: dict[str, Any]) -> None:
    """Print a row a disturbance and a column an encoder, in Markdown."""
    encoders = list(dict.fromkeys(row["encoder"] for row in found["rows"]))
    print(f"\n{found['sampled']} items, {found['seconds']} s\n")
    print("| disturbance | " + " | ".join(f"{each}: recall@1, nDCG@10" for each in encoders) + " |")
    print("|---" * (len(encoders) + 1) + "|")
    for name in dict.fromkeys(row["disturbance"] for row in found["rows"]):
        cells = [_cell(row) for row in found["rows"] if row["disturbance"] == name]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()
    for sentence in found["in words"]:
        print(f"- {sentence}")


def _cell(row: dict[str, Any]) -> str:
    parts = []
    for metric in (row["recall_at_1"], row["ndcg_at_10"]):
        if metric:
            spread = metric["difference"]
            lost = f"{spread['mean']:+.3f}, {spread['low']:+.3f} to {spread['high']:+.3f}"
            parts.append(f"{metric['under']['mean']:.3f} ({lost})")
    return "; ".join(parts)


def main() -> int:
    """Measure what is wanted."""
    parser = argparse.ArgumentParser(description="Reports: seconds, false alarms, power, noise.")
    parser.add_argument("parts", nargs="*", choices=[[], "seconds", "drift", "noise"], metavar="PARTS")
    parser.add_argument("--items", type=int, default=100_000, metavar="N", help="of the large index (default 100,000)")
    parser.add_argument("--pictures", type=int, default=200, metavar="N", help="of the noise report (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    wanted = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "seconds": lambda: seconds(wanted.items),
        "drift": drift,
        "noise": lambda: noise(wanted.pictures),
    }
    show: dict[str, Callable[[dict[str, Any]], None]] = {"seconds": show_seconds, "noise": show_noise}
    found = {}
    for name in wanted.parts or parts:
        if name == "noise" and (absent := missing(GROCERY, WEIGHTS)):
            print(f"skipped: {', '.join(absent)} is not there")
            continue
        found[name] = parts[name]()
        if not wanted.json:
            show.get(name, lambda each: print(json.dumps(each, indent=1)))(found[name])
    if wanted.json:
        print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
