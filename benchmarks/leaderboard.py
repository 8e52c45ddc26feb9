"""Leaderboards on real media: which encoder is better, beyond noise, on texts, pictures and sounds.

    python benchmarks/leaderboard.py [SETS…] [--sample N] [--json]

scifact: judged claims over abstracts (half of the sample is what they are about). banking77: questions to a bank, test
questions over train questions, relevant is what has the same intent. grocery: test photos over train photos by class.
esc10: sounds, each a query for the others of its class.

Encoders: MiniLM whole, cut to 128 dimensions, and pooled by its first token instead of its mean; a BERT of MiniLM's
size with random weights; MobileNet v2 and SqueezeNet with published weights, and raw pixels; the mel spectrogram's
means, and a Whisper-tiny with random weights. Figures are those of `embed-assets compare`.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from encoders import Inputs, Models
from shared_data import DATA, GROCERY, SCIFACT, abstracts, missing, questions, write_texts

from embed_assets.encoders.catalog import builtin_specs
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.leaderboard.leaderboard_document import leaderboard_document
from embed_assets.quality.leaderboard.standings import Leaderboard

BANKING, SOUNDS, WEIGHTS = DATA / "text_banking77", DATA / "audio_esc10_fold1", DATA / "weights"
TEXTS = ("minilm", "minilm_128", "minilm_cls", "random_bert")
Settings = dict[str, Any]


def scifact(work: Path) -> Settings:
    """Abstracts, a file each, and the test claims."""
    write_texts(work / "media", abstracts())
    rows = [{"query": each.text, "relevant": [f"{name}.txt" for name in each.relevant]} for each in questions()]
    return _settings(work, _texts(work, TEXTS), queries=rows)


def banking77(work: Path) -> Settings:
    """Train questions, ten an intent, in folders by intent; three test questions an intent are queries."""
    for name, number, text in _rows("train.csv", 10):
        (work / "media" / name).mkdir(parents=True, exist_ok=True)
        (work / "media" / name / f"{number}.txt").write_text(text, encoding="utf-8")
    rows = [{"query": text, "relevant_labels": [name]} for name, _, text in _rows("test.csv", 3)]
    return _settings(work, _texts(work, TEXTS), queries=rows)


def _rows(file: str, most: int) -> list[tuple[str, int, str]]:
    """Return intent, number and text of the first questions of each intent."""
    counts: dict[str, int] = {}
    found = []
    with (BANKING / file).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            number = counts[row["category"]] = counts.get(row["category"], 0) + 1
            if number <= most:
                found.append((row["category"], number, row["text"]))
    return found


def grocery(work: Path) -> Settings:
    """Train photos in folders by class; test photos are queries."""
    for file in sorted((GROCERY / "natural" / "train").rglob("*.jpg")):
        (work / "media" / _grocery(file)).mkdir(parents=True, exist_ok=True)
        (work / "media" / _grocery(file) / file.name).symlink_to(file)
    tests = sorted((GROCERY / "natural" / "test").rglob("*.jpg"))
    rows = [{"query_file": str(file), "relevant_labels": [_grocery(file)]} for file in tests]
    caffe = {"mean": [104 / 255, 117 / 255, 123 / 255], "std": [1 / 255] * 3, "bgr": True}
    mobile = {"weights": "IMAGENET1K_V1", "mean": [0.5] * 3, "std": [0.5] * 3}
    models = {
        "mobilenet_v2": {"model": str(WEIGHTS / "mobilenet_v2_torchvision_fp16.safetensors"), "options": mobile},
        "squeezenet": {"model": str(WEIGHTS / "squeezenet1_1_features.safetensors"), "options": caffe},
        "pixels": {"model": "pixels"},
    }
    return _settings(work, models, queries=rows, follow_links=True)


def _grocery(file: Path) -> str:
    return file.stem.rpartition("_")[0]


def esc10(work: Path) -> Settings:
    """Sounds in folders by class."""
    entries = json.loads((SOUNDS / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    for name, entry in entries.items():
        if "class" in entry:
            folder = work / "media" / str(entry["class"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / Path(name).name).symlink_to(SOUNDS / name)
    whisper = Models(["sound"]).build(builtin_specs()["whisper-tiny"], work / "whisper")
    models = {"mel": {"model": "mel"}, "random_whisper": {"model": whisper}}
    return _settings(work, models, follow_links=True)


def _texts(work: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Return MiniLM whole, cut and pooled otherwise, and one that has learned nothing."""
    (work / "words").mkdir()
    words = Inputs.gather(work / "words").words
    made = {
        "minilm": {"model": "embedded:minilm"},
        "minilm_128": {"model": "embedded:minilm", "truncate_dim": 128},
        "minilm_cls": {"model": _pooled_by_first_token(work / "cls")},
        "random_bert": {"model": Models(words).build(builtin_specs()["minilm"], work / "random")},
    }
    return {name: made[name] for name in names}


def _pooled_by_first_token(folder: Path) -> str:
    import shutil

    from embed_assets.demo.encoders import minilm_folder

    shutil.copytree(minilm_folder(), folder)
    modes = {"word_embedding_dimension": 384, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes), encoding="utf-8")
    return str(folder)


def _settings(
    work: Path, encoders: Mapping[str, Any], *, queries: list[dict[str, Any]] | None = None, follow_links: bool = False
) -> Settings:
    found: Settings = {
        "store": str(work / "store"),
        "sources": {"media": {"uri": str(work / "media"), "labels": "folder", "follow_links": follow_links}},
        "encoders": {name: {"space": "space", **facts} for name, facts in encoders.items()},
        "compute": {"device": "cpu", "offline": True},
    }
    if queries:
        (work / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries), encoding="utf-8")
        found["spaces"] = {"space": {"queries": str(work / "queries.jsonl")}}
    return found


SETS: dict[str, Callable[[Path], Settings]] = {
    "scifact": scifact,
    "banking77": banking77,
    "grocery": grocery,
    "esc10": esc10,
}
SHOWN = ("ndcg@10", "recall@1", "recall@10", "mrr", "map")


def show(name: str, found: Leaderboard, seconds: float) -> None:
    """Print one set as a table in Markdown, and what it says in words."""
    print(f"\n**{name}**: {found.queries:,} queries ({found.basis}), {found.sampled:,} items, {seconds:.0f} s\n")
    print("| encoder | " + " | ".join(SHOWN) + " | dim | items/s |\n|" + "---|" * (len(SHOWN) + 3))
    for each in found.standings:
        quality = each.quality()
        cells = [f"{quality[m].mean:.3f} ({quality[m].low:.3f} to {quality[m].high:.3f})" for m in SHOWN]
        print(f"| {each.encoder} | " + " | ".join(cells) + f" | {each.cost.dim} | {each.cost.items_per_second} |")
    print()
    for sentence in found.in_words():
        print(f"- {sentence}")
    for each in found.variants:
        if each.encoder == found.standings[0].encoder:
            print(
                f"- {each.encoder} as {each.variant}: {each.smaller:.0f} times smaller, ndcg@10 {each.ndcg:.3f} "
                f"({each.found.difference.mean:+.3f}, {each.verdict})"
            )


def main() -> int:
    """Measure what is wanted."""
    parser = argparse.ArgumentParser(description="Leaderboards on real media.")
    parser.add_argument("sets", nargs="*", choices=[[], *SETS], metavar="SETS", help=f"some of {', '.join(SETS)}")
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="items (default 1000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    wanted = parser.parse_args()
    if absent := missing(SCIFACT / "corpus.jsonl", BANKING / "test.csv", GROCERY, SOUNDS, WEIGHTS):
        print(f"skipped: {', '.join(absent)} is not there")
        return 0
    documents = {}
    for name in wanted.sets or SETS:
        with tempfile.TemporaryDirectory() as work:
            steps = Steps(make_settings(SETS[name](Path(work))))
            steps.refresh("media")
            started = time.perf_counter()
            found = steps.compare(list(steps.settings.encoders), sample=wanted.sample)
        documents[name] = leaderboard_document(found)
        if not wanted.json:
            show(name, found, time.perf_counter() - started)
    if wanted.json:
        print(json.dumps(documents, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
