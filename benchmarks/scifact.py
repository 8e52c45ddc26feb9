"""Search quality of the whole pipeline on SciFact, beside the published figure of the same model.

    python benchmarks/scifact.py [--limit N] [--chunks] [--json]

5,183 abstracts, a file each, go through the steps that users run: refresh, resolve, embed, index,
check. 300 judged claims are then searched exactly and by the ANN index. MiniLM cuts a text at 256
tokens and every abstract is one segment, as in the published evaluation, so that the pipeline is
measured and not the model: a wrong prompt, pooling, truncation, join or ranking shows as a lower nDCG.

Bounds: exact nDCG@10 within 0.01 of the published 0.64508, and ANN less than 0.005 below exact. nDCG@10
is of a search for ten items, as a user's; recall@100 (relevant found / relevant) of one for a hundred.
`--chunks` also cuts abstracts into chunks, which leaves no words out; nothing published compares.
`--limit` keeps N abstracts, relevant ones first: a trial run, whose figures compare with nothing.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared_data import SCIFACT, Question, abstracts, missing, questions, write_texts

from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.labelled_retrieval import evaluate
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.versions import VersionRecord

PUBLISHED_NDCG = 0.64508  # MTEB, sentence-transformers/all-MiniLM-L6-v2, SciFact, test split
PUBLISHED_CUT = "256"  # tokens
MOST_OFF, MOST_LOST = 0.01, 0.005


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Retrieval by one way of searching."""

    ndcg_at_10: float
    recall_at_100: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One way of cutting texts, run through the pipeline and searched both ways."""

    mode: str
    items: int
    segments: int
    queries: int
    exact: Quality
    ann: Quality
    nprobes: int
    refine_factor: int
    checks_failed: list[str]
    refresh_seconds: float
    embed_seconds: float
    index_seconds: float
    check_seconds: float
    embedded_per_second: float


class Stopwatch:
    """Seconds since it was last read."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def read(self) -> float:
        """Seconds, and start over."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return round(seconds, 2)


def chosen(limit: int | None) -> tuple[dict[str, str], list[Question]]:
    """Abstracts and questions; with a limit, relevant abstracts first and the questions these can answer."""
    texts, asked = abstracts(), questions()
    if limit is None:
        return texts, asked
    relevant = [abstract for question in asked for abstract in question.relevant]
    kept = list(dict.fromkeys([*relevant, *texts]))[:limit]
    texts = {abstract: texts[abstract] for abstract in kept}
    return texts, [question for question in asked if set(question.relevant) <= set(texts)]


def write_queries(file: Path, asked: list[Question]) -> None:
    """Write the judgements as the pipeline takes them: keys of the relevant files."""
    rows = [{"query": each.text, "relevant": [f"{name}.txt" for name in each.relevant]} for each in asked]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def steps_of(work: Path, mode: str, compute: Mapping[str, str]) -> Steps:
    """Make a pipeline of one source and MiniLM, with an ANN index however few the rows."""
    values = {
        "store": str(work / f"store-{mode}"),
        "sources": {"scifact": {"uri": str(work / "abstracts")}},
        "encoders": {"minilm": {"model": "embedded:minilm", "space": "text", "segment": {"mode": mode}}},
        "spaces": {"text": {"queries": str(work / "queries.jsonl")}},
        "compute": dict(compute),
        "index": {"min_rows": 1, "rows_per_partition": 128},
    }
    return Steps(make_settings(values))


def run(work: Path, mode: str, compute: Mapping[str, str]) -> Outcome:
    """All steps, then both searches."""
    steps, watch = steps_of(work, mode, compute), Stopwatch()
    steps.refresh("scifact")
    refresh_seconds = watch.read()
    record = steps.resolve("minilm").record
    _check_cut(record)
    watch.read()
    report = steps.embed(record)
    embed_seconds = watch.read()
    steps.index(record)
    index_seconds = watch.read()
    release, verdicts = steps.check(record)
    check_seconds = watch.read()
    return Outcome(
        mode=mode,
        items=report.total("embedded"),
        segments=release.rows,
        queries=len(steps.context.queries.labelled(release.space)),
        exact=search(steps, record, release, by_exact_search=True),
        ann=search(steps, record, release, by_exact_search=False),
        nprobes=release.nprobes,
        refine_factor=release.refine_factor,
        checks_failed=[verdict.name for verdict in verdicts if not verdict.passed],
        refresh_seconds=refresh_seconds,
        embed_seconds=embed_seconds,
        index_seconds=index_seconds,
        check_seconds=check_seconds,
        embedded_per_second=round(report.total("embedded") / embed_seconds, 2),
    )


def search(steps: Steps, record: VersionRecord, release: Release, *, by_exact_search: bool) -> Quality:
    """Ask for ten items for nDCG and for a hundred for recall. Every question has to be answerable."""
    judged = steps.context.queries.labelled(release.space)
    vectors = steps.context.queries.vectors(record, judged)
    table = open_release(steps.store, release)
    ten = evaluate(table, release, judged, vectors, by_exact_search=by_exact_search, depth=10)
    hundred = evaluate(table, release, judged, vectors, by_exact_search=by_exact_search, depth=100)
    if ten.unanswerable or hundred.recall_at_100 is None:
        raise SystemExit(f"{ten.unanswerable} questions have no relevant abstract in the table: not comparable.")
    return Quality(ndcg_at_10=round(ten.ndcg_at_10, 5), recall_at_100=round(hundred.recall_at_100, 5))


def bounds(outcome: Outcome) -> dict[str, bool]:
    """Whether each bound is kept."""
    return {
        f"exact within {MOST_OFF} of the published": abs(outcome.exact.ndcg_at_10 - PUBLISHED_NDCG) <= MOST_OFF,
        f"ANN loses less than {MOST_LOST}": outcome.exact.ndcg_at_10 - outcome.ann.ndcg_at_10 < MOST_LOST,
    }


def _check_cut(record: VersionRecord) -> None:
    """Compare with the published figure, which is of texts cut at 256 tokens."""
    found = record.parts.get("truncation")
    if found != PUBLISHED_CUT:
        raise SystemExit(f"MiniLM cuts at {found} tokens, the published evaluation at {PUBLISHED_CUT}.")


def show(outcome: Outcome) -> None:
    """One way of cutting, for people."""
    print(f"\n{outcome.mode}: {outcome.items} abstracts, {outcome.segments} segments, {outcome.queries} claims")
    print(f"  {'':10} {'nDCG@10':>8} {'recall@100':>11}")
    print(f"  {'exact':10} {outcome.exact.ndcg_at_10:8.4f} {outcome.exact.recall_at_100:11.4f}")
    effort = f"nprobes {outcome.nprobes}, refine_factor {outcome.refine_factor}"
    print(f"  {'ANN':10} {outcome.ann.ndcg_at_10:8.4f} {outcome.ann.recall_at_100:11.4f}   {effort}")
    print(
        f"  seconds: refresh {outcome.refresh_seconds}, embed {outcome.embed_seconds} "
        f"({outcome.embedded_per_second} abstracts/s), index {outcome.index_seconds}, check {outcome.check_seconds}"
    )
    print(f"  checks that did not pass: {', '.join(outcome.checks_failed) or 'none'}")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="SciFact through the pipeline, beside the published figure.")
    parser.add_argument("--limit", type=int, metavar="N", help="a trial run on N abstracts: no bound is applied")
    parser.add_argument("--chunks", action="store_true", help="also cut abstracts into chunks")
    parser.add_argument("--device", default="cpu", help="compute.device (default cpu)")
    parser.add_argument("--runtime", default="auto", help="compute.runtime (default auto)")
    parser.add_argument("--dtype", default="float32", help="compute.dtype (default float32)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    return parser.parse_args()


def main() -> int:
    """Run what is asked for; 1 where a bound is missed."""
    wanted = arguments()
    needed = (SCIFACT / "corpus.jsonl", SCIFACT / "queries.jsonl", SCIFACT / "qrels" / "test.tsv")
    if absent := missing(*needed):
        print(f"skipped: {', '.join(absent)} is not there")
        return 0
    texts, asked = chosen(wanted.limit)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_texts(work / "abstracts", texts)
        write_queries(work / "queries.jsonl", asked)
        compute = {"device": wanted.device, "runtime": wanted.runtime, "dtype": wanted.dtype}
        outcomes = [run(work, mode, compute) for mode in ("whole", *(["chunks"] if wanted.chunks else []))]
    verdicts = bounds(outcomes[0]) if wanted.limit is None else {}
    report(outcomes, verdicts, as_json=wanted.json)
    return int(not all(verdicts.values()))


def report(outcomes: list[Outcome], verdicts: dict[str, bool], *, as_json: bool) -> None:
    """Everything found, as one JSON object or for people."""
    if as_json:
        found: dict[str, Any] = {each.mode: asdict(each) for each in outcomes}
        print(json.dumps({"published_ndcg_at_10": PUBLISHED_NDCG, **found, "bounds": verdicts}, indent=1))
        return
    for outcome in outcomes:
        show(outcome)
    print(f"\npublished nDCG@10 (whole, exact): {PUBLISHED_NDCG}")
    for bound, kept in verdicts.items():
        print(f"  {'PASS' if kept else 'FAIL'}: {bound}")
    if not verdicts:
        print("  not compared: --limit leaves abstracts out")


if __name__ == "__main__":
    sys.exit(main())
