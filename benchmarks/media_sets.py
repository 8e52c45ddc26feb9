"""Every shared set through the pipeline that fits it: what is embedded, what is not and why, what is found.

    python benchmarks/media_sets.py [SET ...] [--json]

Each set goes through refresh, resolve and embed with an encoder that needs no download. Of a large set a
sample is taken, spread evenly; the column "of" says of how many. Every file is one of embedded, reused
(the same bytes as another) or quarantined, and a reason is counted for each of the last: where that does
not add up, or a decoder crashed or timed out, the exit status is 1.

Recall@10 and nDCG@10 are leave-one-out where files have labels: each item's own vector (its segments'
mean) is searched among all others by cosine, exactly, and those of the same label are relevant. This
measures the encoder on the set more than the pipeline, and compares with no published figure.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shared_data import DATA, missing

from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.metrics.ranking_metrics import capped_recall_at, ndcg_at
from embed_assets.store.versions import VersionRecord

ALL = {"minilm": "embedded:minilm", "clip": "embedded:clip", "mel": "mel", "frames": "embedded:clip-frames"}
FATAL = {"decoder crashed", "decoder timed out"}
SKIPPED = ("MANIFEST.json", "README", "LICEN", "captions.jsonl", "classes.csv")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a set is run: its encoders, how many files at most, and which field of the manifest is the label."""

    encoders: tuple[str, ...]
    most: int = 400
    label: str | None = None
    rows: bool = False  # a CSV of texts instead of files


PLANS = {
    "text_banking77": Plan(encoders=("minilm",), most=770, label="category", rows=True),
    "image_grocery": Plan(encoders=("clip", "pixels"), most=300, label="class"),
    "imagetext_exercises": Plan(encoders=("clip", "pixels"), label="exercise"),
    "image_exif_orientation": Plan(encoders=("clip", "pixels")),  # nine times one picture: no label tells them apart
    "audio_fsdd": Plan(encoders=("mel",), label="digit"),
    "audio_esc10_fold1": Plan(encoders=("mel",), label="class"),
    "video_clips": Plan(encoders=("frames", "mel")),
    "video_intel": Plan(encoders=("frames",)),
    "malformed_pillow": Plan(encoders=tuple(ALL)),
    "malformed_small": Plan(encoders=tuple(ALL)),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One set with one encoder. `elsewhere`: usable files of a kind that this encoder is not fed."""

    dataset: str
    encoder: str
    files: int
    of: int
    embedded: int
    reused: int
    quarantined: dict[str, int]
    elsewhere: int
    queries: int
    recall_at_10: float | None
    ndcg_at_10: float | None
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether all files are accounted for and no decoder was lost."""
        told = self.embedded + self.reused + self.elsewhere + sum(self.quarantined.values())
        return told == self.files and not FATAL & set(self.quarantined)


def chosen(names: list[str], most: int) -> list[str]:
    """At most so many, spread evenly over all."""
    if len(names) <= most:
        return names
    return [names[place] for place in np.unique(np.linspace(0, len(names) - 1, most).astype(int))]


def fill(folder: Path, dataset: str, plan: Plan) -> tuple[dict[str, str | None], int]:
    """Put the set's files into a folder; the label of each, and how many the set has."""
    folder.mkdir()
    if plan.rows:
        with (DATA / dataset / "test.csv").open(encoding="utf-8", newline="") as lines:
            rows = {f"{number:05}.txt": row for number, row in enumerate(csv.DictReader(lines))}
        kept = chosen(list(rows), plan.most)
        for name in kept:
            (folder / name).write_text(rows[name]["text"], encoding="utf-8")
        return {name: rows[name][str(plan.label)] for name in kept}, len(rows)
    entries = json.loads((DATA / dataset / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    names = sorted(name for name in entries if dataset.startswith("malformed") or not name.startswith(SKIPPED))
    kept = chosen(names, plan.most)
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / dataset / name, folder / name)
    labels = {name: entries[name].get(plan.label) if plan.label else None for name in kept}
    return {name: None if label is None else str(label) for name, label in labels.items()}, len(names)


def run(dataset: str, plan: Plan) -> list[Outcome]:
    """Run the set through each of its encoders."""
    with tempfile.TemporaryDirectory() as work:
        labels, of = fill(Path(work) / "media", dataset, plan)
        steps = Steps(make_settings(settings_of(Path(work), plan)))
        started = time.perf_counter()
        steps.refresh("media")
        listing = time.perf_counter() - started
        return [_embedded(steps, name, dataset, labels, of, listing) for name in plan.encoders]


def settings_of(work: Path, plan: Plan) -> dict[str, Any]:
    """One source and the set's encoders."""
    return {
        "store": str(work / "store"),
        "sources": {"media": {"uri": str(work / "media"), "pattern": "**/*"}},
        "encoders": {name: {"model": ALL.get(name, name)} for name in plan.encoders},
        "compute": {"device": "cpu", "offline": True},
    }


def _embedded(
    steps: Steps, name: str, dataset: str, labels: Mapping[str, str | None], of: int, listing: float
) -> Outcome:
    started = time.perf_counter()
    record = steps.resolve(name).record
    report = steps.embed(record)
    seconds = time.perf_counter() - started + listing
    media = steps.manifest.rows("media")
    reasons = Counter(str(row["reason"]) for row in media if row["status"] == "quarantined")
    for more in report.reasons.values():
        reasons.update(more)
    queries, recall, ndcg = retrieval(vectors_of(steps, record), labels)
    return Outcome(
        dataset=dataset,
        encoder=name,
        files=len(labels),
        of=of,
        embedded=report.total("embedded"),
        reused=report.total("reused"),
        quarantined=dict(reasons.most_common()),
        elsewhere=sum(row["status"] == "ok" and row["modality"] not in record.spec.media for row in media),
        queries=queries,
        recall_at_10=recall,
        ndcg_at_10=ndcg,
        seconds=round(seconds, 1),
    )


def vectors_of(steps: Steps, record: VersionRecord) -> dict[str, np.ndarray]:
    """Return a vector of unit length for each file: its segments' mean."""
    rows = steps.vectors(record).read(["key", "vector"])
    found: dict[str, list[np.ndarray]] = {}
    for row in rows.to_pylist() if rows is not None else ():
        found.setdefault(row["key"], []).append(np.asarray(row["vector"], np.float32))
    means = {key: np.mean(vectors, axis=0) for key, vectors in found.items()}
    return {key: mean / max(float(np.linalg.norm(mean)), 1e-12) for key, mean in means.items()}


def retrieval(
    vectors: Mapping[str, np.ndarray], labels: Mapping[str, str | None]
) -> tuple[int, float | None, float | None]:
    """Return the number of queries with labels, and their mean recall@10 and nDCG@10; None without labels."""
    keys = [key for key in vectors if labels.get(key) is not None]
    if not keys:
        return 0, None, None
    matrix = np.stack([vectors[key] for key in keys])
    scores = matrix @ matrix.T
    np.fill_diagonal(scores, -np.inf)
    found: list[tuple[float, float]] = []
    for number, key in enumerate(keys):
        relevant = {other for other in keys if other != key and labels[other] == labels[key]}
        if relevant:
            ranked = [keys[place] for place in np.argsort(-scores[number], kind="stable")[:10]]
            found.append(
                (
                    capped_recall_at(ranked, dict.fromkeys(relevant, 1.0), 10),
                    ndcg_at(ranked, dict.fromkeys(relevant, 1.0), 10),
                )
            )
    if not found:
        return 0, None, None
    recall, ndcg = np.mean(found, axis=0)
    return len(found), round(float(recall), 3), round(float(ndcg), 3)


def show(outcome: Outcome) -> None:
    """One row of a Markdown table."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in outcome.quarantined.items()) or "-"
    figures = ["-" if figure is None else f"{figure:.3f}" for figure in (outcome.recall_at_10, outcome.ndcg_at_10)]
    print(
        f"| {outcome.dataset} | {outcome.encoder} | {outcome.files} of {outcome.of} | {outcome.embedded} | "
        f"{outcome.reused} | {outcome.elsewhere} | {reasons} | {figures[0]} | {figures[1]} | {outcome.seconds} |",
        flush=True,
    )


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Every shared set through the pipeline that fits it.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(PLANS)}; none: all")
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")
    wanted = parser.parse_args()
    if unknown := set(wanted.sets) - PLANS.keys():
        parser.error(f"unknown set: {', '.join(sorted(unknown))}")
    return wanted


def main() -> int:
    """Run what is asked for; 1 where a set's files are not all accounted for."""
    wanted = arguments()
    outcomes: list[Outcome] = []
    if not wanted.json:
        print("| set | encoder | files | embedded | reused | other kinds | quarantined | recall@10 | nDCG@10 | s |")
        print("|---|---|---|---|---|---|---|---|---|---|")
    for dataset in wanted.sets or PLANS:
        if absent := missing(DATA / dataset):
            print(f"skipped {dataset}: {', '.join(absent)} is not there", file=sys.stderr)
            continue
        for outcome in run(dataset, PLANS[dataset]):
            outcomes.append(outcome)
            if not wanted.json:
                show(outcome)
    if wanted.json:
        print(json.dumps([asdict(each) for each in outcomes], indent=1))
    return int(not all(each.whole for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
