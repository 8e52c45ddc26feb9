"""Search as users call it: by meaning, by words and hybrid on SciFact; and what calibrated scores say of strangers.

    python benchmarks/search_quality.py [--work FOLDER] [--json]

SciFact's 5,183 abstracts are one source, its 300 judged claims go through the Searcher, ten items each: nDCG@10 by
vector (0.645 is published for MiniLM), by full text (BM25 of LanceDB's index) and by both, fused by rank. Hybrid is
not below the better of both, or the exit status is 1.

Calibration: a good match is a percentile of at least 99 against random pairs. Of Banking77's questions, which have
nothing to do with science, the share whose best hit passes for a good match; of the judged claims, the share whose
first relevant abstract does not. `--work` keeps the store for the next time.
"""

import argparse
import csv
import json
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shared_data import DATA, SCIFACT, Question, abstracts, missing, questions, write_texts

from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.metrics.ranking_metrics import ndcg_at
from embed_assets.search.answers import GOOD_MATCH
from embed_assets.search.query import Query
from embed_assets.search.searcher import Searcher
from embed_assets.store.saved_settings import save_settings

BANKING = DATA / "text_banking77" / "test.csv"
MODES = ("vector", "text", "hybrid")
STRANGERS = 300
LEVELS = (95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Shares of unrelated queries above a percentile, and of judged ones below it."""

    percentile: float
    strangers_above: float
    judged_below: float


def searcher_of(work: Path) -> Searcher:
    """Build the store, or bring it up to date."""
    if not (work / "abstracts").exists():
        write_texts(work / "abstracts", abstracts())
    settings = make_settings(
        {
            "store": str(work / "store"),
            "sources": {"scifact": {"uri": str(work / "abstracts")}},
            "encoders": {"minilm": {"model": "embedded:minilm", "space": "text", "segment": {"mode": "whole"}}},
            "compute": {"device": "cpu"},
        }
    )
    steps = Steps(settings)
    steps.refresh("scifact")
    record = steps.resolve("minilm").record
    steps.embed(record)
    steps.index(record)
    steps.check(record)
    steps.promote(record, by="benchmark")
    save_settings(steps.store, settings)
    return Searcher(settings.store, compute=settings.compute)


def ndcg(keys_of: Callable[[str, str], list[str]], asked: Sequence[Question], mode: str) -> float:
    """Mean nDCG@10 of a mode."""
    scores = [
        ndcg_at([Path(key).stem for key in keys_of(question.text, mode)], dict.fromkeys(question.relevant, 1.0), 10)
        for question in asked
    ]
    return sum(scores) / len(scores)


def in_process(searcher: Searcher) -> Callable[[str, str], list[str]]:
    """Search in this process: keys of the ten hits of words in a mode."""

    def keys_of(words: str, mode: str) -> list[str]:
        query = Query(parts=[{"text": words}], mode=mode, k=10, spans=1)  # pyright: ignore[reportArgumentType]
        return [hit.key for hit in searcher.search(query)]

    return keys_of


def over_http(address: str) -> Callable[[str, str], list[str]]:
    """Search by a service: keys of the ten hits of words in a mode."""

    def keys_of(words: str, mode: str) -> list[str]:
        body = json.dumps({"parts": [{"text": words}], "mode": mode, "k": 10, "spans": 1}).encode()
        request = urllib.request.Request(f"{address}/search", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return [hit["key"] for hit in json.load(response)["hits"]]

    return keys_of


def cuts(searcher: Searcher, asked: Sequence[Question]) -> list[Cut]:
    """At several percentiles: strangers above, judged below."""
    with BANKING.open(encoding="utf-8") as lines:
        strangers = [row["text"] for row in csv.DictReader(lines)]
    strangers = strangers[:: max(1, len(strangers) // STRANGERS)][:STRANGERS]
    best = [searcher.search(text, space="text", k=1)[0].percentile or 0.0 for text in strangers]
    judged = []
    for question in asked:
        hits = searcher.search(question.text, space="text", k=100)
        found = [hit.percentile or 0.0 for hit in hits if Path(hit.key).stem in question.relevant]
        judged.append(max(found, default=0.0))
    return [
        Cut(
            percentile=level,
            strangers_above=round(sum(each >= level for each in best) / len(best), 4),
            judged_below=round(sum(each < level for each in judged) / len(judged), 4),
        )
        for level in LEVELS
    ]


def main() -> int:
    """Print the figures; 1 where hybrid is below the better of both."""
    parser = argparse.ArgumentParser(description="Search by meaning, by words and hybrid; calibrated scores.")
    parser.add_argument("--work", type=Path, help="keep the store here")
    parser.add_argument("--address", help="ask this service, of the store in FOLDER, for the modes")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if absent := missing(SCIFACT / "corpus.jsonl", SCIFACT / "qrels" / "test.tsv", BANKING):
        print(f"skipped: {', '.join(absent)} is not there")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        searcher = searcher_of(wanted.work or Path(folder))
        asked, ask = questions(), in_process(searcher) if wanted.address is None else over_http(wanted.address)
        figures = {mode: round(ndcg(ask, asked, mode), 4) for mode in MODES}
        found = cuts(searcher, asked)
    holds = figures["hybrid"] >= max(figures["vector"], figures["text"])
    if wanted.json:
        print(json.dumps({"ndcg_at_10": figures, "cuts": [asdict(each) for each in found], "holds": holds}, indent=1))
        return int(not holds)
    print("SciFact, nDCG@10: " + ", ".join(f"{mode} {value:.4f}" for mode, value in figures.items()))
    print(f"hybrid not below the better of both: {'yes' if holds else 'NO'}\n")
    print(f"{'percentile':>10} {'strangers above':>16} {'judged below':>13}")
    for each in found:
        mark = "  <- good match" if each.percentile == GOOD_MATCH else ""
        print(f"{each.percentile:10} {each.strangers_above:16.1%} {each.judged_below:13.1%}{mark}")
    return int(not holds)


if __name__ == "__main__":
    raise SystemExit(main())
