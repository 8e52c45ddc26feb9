"""Evaluation on real stores: figures against ir_measures, what a filter keeps, a poor index, versions, labels."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import NotFoundError, SettingsError, StoreError
from embed_assets.pipeline.reports.judged_searches import JudgedSearches
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.evaluation.evaluation_report import EvaluationReport
from embed_assets.quality.labelled_retrieval import graded_items
from embed_assets.quality.leaderboard.judgements import judgements_of
from embed_assets.quality.leaderboard.rank_items import rank_items
from embed_assets.quality.metrics.ranking_metrics import ndcg_at
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_groups import QueryFilter
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.upsert import read
from embed_assets.store.vectors import vector_schema
from tests.search.test_rerank import cross_encoder
from tests.support import DIM, note, picture, pipeline, run_all, table_versions, vector_rows, write_notes

NUMBERED = "{} number{} only{}"


def judged_file(folder: Path, queries: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    return {"words": {"queries": str(folder / "queries.jsonl")}}


def way(found: EvaluationReport, name: str) -> Any:
    return next(each for each in found.ways if each.way == name)


@pytest.fixture
def two_sources(tmp_path: Path) -> Callable[..., Steps]:
    """Twelve notes in each of two sources, with much the same words; those of `a` in a long document there, too."""
    for source in ("a", "b"):
        (tmp_path / source).mkdir()
        for number in range(12):
            (tmp_path / source / f"{number}.txt").write_text(
                f"{NUMBERED.format('rose', number, number)} {source}{number}"
            )
    (tmp_path / "a" / "all.txt").write_text(" ".join(NUMBERED.format("rose", n, n) + " and" * 20 for n in range(12)))
    sources = {name: {"uri": str(tmp_path / name)} for name in ("a", "b")}

    def made(queries: list[dict[str, Any]], **changes: Any) -> Steps:
        steps = pipeline(tmp_path, sources=sources, spaces=judged_file(tmp_path, queries), **changes)
        run_all(steps)
        return steps

    return made


QUERIES = [
    {
        "query": NUMBERED.format("rose", n, n + 1),
        "relevant": {f"a/{n}.txt": 2, f"b/{n + 1}.txt": 1, f"a/{n + 2}.txt": 0, "a/all.txt": 1},
    }
    for n in range(9)
]


def test_the_figures_are_those_of_exact_ranking_and_ir_measures(two_sources: Callable[..., Steps], words: list[Any]):
    measures = pytest.importorskip("ir_measures")
    steps = two_sources(QUERIES)
    before = table_versions(steps.store)
    found = steps.evaluate("words")
    assert table_versions(steps.store) == before, "nothing is stored"
    assert (found.basis, found.queries, found.items, found.k, found.live) == ("judged queries", 9, 25, 10, True)

    record = steps.resolve("words").record
    table = steps.vectors(record).open()
    assert table is not None
    rows = read(table, ["media_id", "source", "key", "labels", "vector"])
    assert len(rows) > 25, "the long document has several segments"
    queries = steps.context.queries.labelled("words")
    owners, vectors = rows["media_id"].to_pylist(), matrix(rows["vector"].combine_chunks())
    encoded = steps.context.queries.encoded(record, queries)[1]
    ranked = rank_items(encoded, vectors, owners, distance="cosine", depth=10)
    judged, _ = graded_items(rows.select(["media_id", "source", "key", "labels"]), queries)
    run = {str(n): {item: -float(rank) for rank, item in enumerate(each)} for n, each in enumerate(ranked)}
    qrels = {str(n): {item: int(grade) for item, grade in each.items()} for n, each in enumerate(judged)}
    names = {
        "ndcg@10": "nDCG@10", "recall@10": "R@10", "precision@10": "P@10", "mrr@10": "RR@10", "map@10": "AP@10"
    }  # fmt: skip
    expected = measures.calc_aggregate([measures.parse_measure(name) for name in names.values()], qrels, run)
    values = {str(measure): value for measure, value in expected.items()}
    for each in ("exact", "ann"):
        for ours, theirs in names.items():
            assert way(found, each).quality[ours].mean == pytest.approx(values[theirs], abs=2e-4), (each, ours)
    assert way(found, "ann").in_words("ndcg@10") == "ann scores the same as exact search on all 9 queries."


def test_a_filter_keeps_what_the_item_judged_best_fulfils(two_sources: Callable[..., Steps], words: list[Any]):
    steps = two_sources(QUERIES)
    found = steps.evaluate("words")
    searches = JudgedSearches(steps.context, "words", queries=100)
    items = read(searches.open_space.table, ["media_id", "source", "key", "labels"])
    judged = judgements_of(items, steps.context.queries.labelled("words"))
    assert judged is not None
    in_a = set(items.filter(np.asarray(items["source"]) == "a")["media_id"].to_pylist())
    narrowed = [replace(each, filter=QueryFilter("source", "a")) for each in searches.searches(judged)]
    ranked = searches.served(narrowed, k=10, name="filtered")
    assert all(len(each) == 10 and set(each) <= in_a for each in ranked)
    assert searches.exact(narrowed, k=10) == ranked
    grades = [{name: grade for name, grade in each.items() if name in in_a} for each in judged.grades]
    expected = float(np.mean([ndcg_at(each, kept, 10) for each, kept in zip(ranked, grades, strict=True)]))
    assert way(found, "filtered").quality["ndcg@10"].mean == pytest.approx(expected, abs=1e-4)
    assert way(found, "filtered").quality["ndcg@10"].mean > way(found, "ann").quality["ndcg@10"].mean + 0.05
    assert way(found, "filtered").against_exact.difference.mean == 0


def served_vectors(folder: Path, *, nprobes: int, refine_factor: int) -> Steps:
    """A space that serves 4,000 vectors behind an index of one bit a dimension; the five nearest rows are relevant."""
    (folder / "notes").mkdir()
    steps = pipeline(folder, spaces=judged_file(folder, [{"query": note(n), "relevant": ["x"]} for n in range(40)]))
    record = steps.resolve("words").record
    schema = vector_schema(record.id, dim=DIM, dtype="float32", distance="cosine")
    table = steps.store.vectors(record.id)
    table.create(schema)
    vectors = np.random.default_rng(0).standard_normal((4000, DIM)).astype(np.float32)
    table.replace_items(vector_rows(schema, vectors), replaced=())
    asked = steps.context.queries.labelled("words")
    names = [f"m{number:05d}.txt" for number in range(4000)]
    nearest = rank_items(steps.context.queries.encoded(record, asked)[1], vectors, names, distance="cosine", depth=5)
    judged_file(folder, [{"query": q.query, "relevant": found} for q, found in zip(asked, nearest, strict=True)])

    index = IndexSettings(min_rows=1000, rows_per_partition=64, num_bits=1)
    report = build_indices(steps.store, record.table, distance="cosine", settings=index)
    steps.store.serving.set_up("words")
    facts = {"space": "words", "encoder": "words", "encoder_version": record.version, "table": record.table}
    facts |= {"distance": "cosine"}
    effort = {"ann": report.ann, "nprobes": nprobes, "refine_factor": refine_factor}
    release = Release(**facts, **effort, table_version=report.table_version, dim=DIM, rows=4000)
    steps.store.releases.put(release)
    steps.store.serving.promote(release, required=frozenset(), by="test")
    return steps


def test_an_index_with_poor_effort_is_worse_than_exact_search_and_reads_so(tmp_path: Path, words: list[Any]):
    found = served_vectors(tmp_path, nprobes=1, refine_factor=1).evaluate("words")
    ann = way(found, "ann")
    assert way(found, "exact").quality["ndcg@10"].low == 1.0
    assert found.indexed and (found.verdict, ann.against_exact.verdict) == ("worse", "worse")
    assert ann.against_exact.difference.high < 0 and ann.against_exact.p < 0.01
    assert ann.quality["recall@10"].mean < 0.97
    assert found.in_words()[0].startswith("As served, by the ANN index: ndcg@10 0.")
    assert found.in_words()[1].startswith("ann is worse than exact search (ndcg@10 -0.")


def test_an_index_with_enough_effort_is_not(tmp_path: Path, words: list[Any]):
    found = served_vectors(tmp_path, nprobes=63, refine_factor=20).evaluate("words")
    assert found.verdict == "not distinguishable"
    assert way(found, "ann").quality["recall@10"].mean > 0.98


def test_queries_are_made_from_labels_where_none_were_judged(tmp_path: Path, words: list[Any]):
    for label, word in (("good", "rose"), ("bad", "sky")):
        (tmp_path / "notes" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "notes" / label / f"{number}.txt").write_text(NUMBERED.format(word, number, number))
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}})
    run_all(steps)
    found = steps.evaluate("words")
    assert (found.basis, found.queries, [each.way for each in found.ways]) == ("labels", 24, ["exact", "ann"])
    assert found.left_out == {
        "filtered": "all items are of one source and one modality, and no label narrows a query",
        "hybrid": "no query is in words",
        "reranked": "serve.reranker names no cross-encoder",
    }
    assert way(found, "ann").quality == way(found, "exact").quality
    assert way(found, "ann").quality["mrr@10"].mean > 0.6, "the item that is the query is no answer"
    assert {each.group for each in way(found, "ann").groups} == {"good", "bad"}
    assert found.clusters is not None and (found.clusters.items, found.clusters.labels) == (24, 2)
    assert steps.evaluate("words", queries=10).queries == 10


def test_with_neither_the_settings_that_are_missing_are_named(tmp_path: Path, words: list[Any]):
    write_notes(tmp_path / "notes", 5)
    steps = pipeline(tmp_path)
    with pytest.raises(StoreError, match="Space 'words' serves nothing"):
        steps.evaluate("words")
    run_all(steps)
    with pytest.raises(SettingsError, match=r"Name judged queries in spaces\.words\.queries, judged pairs in "):
        steps.evaluate("words")
    pairs = [{"a": note(1), "b": f"{note(1)} and {note(n)}" if n else note(1), "score": 5 - n} for n in range(5)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    found = steps.evaluate("words", similarity=str(tmp_path / "pairs.jsonl"))
    assert (found.ways, found.basis, found.verdict, found.clusters) == ((), None, "unknown", None)
    assert found.similarity is not None and found.similarity.pairs == 5
    by_setting = pipeline(tmp_path, spaces={"words": {"similarity": str(tmp_path / "pairs.jsonl")}})
    assert by_setting.evaluate("words").similarity == found.similarity


def test_pairs_are_not_compared_by_an_encoder_that_takes_no_texts(tmp_path: Path, words: list[Any]):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "1.png").write_bytes(picture(1))
    (tmp_path / "pairs.jsonl").write_text('{"a": "x", "b": "y", "score": 1}\n')
    steps = pipeline(tmp_path, encoders={"pixels": {"model": "pixels", "space": "pictures"}})
    run_all(steps)
    with pytest.raises(SettingsError, match="pairs are texts, and encoder 'pixels' takes image"):
        steps.evaluate("pictures", similarity=str(tmp_path / "pairs.jsonl"))


def test_an_encoder_version_is_measured_by_its_newest_release(two_sources: Callable[..., Steps], words: list[Any]):
    steps = two_sources([*QUERIES, {"query": "tram kiosk", "relevant": ["a/new.txt"]}])
    live = steps.resolve("words").record
    (Path(steps.store.uri).parent / "a" / "new.txt").write_text("tram kiosk market")  # in the candidate alone
    spaces = {"words": {"queries": steps.settings.space("words").queries, "promotion": "manual"}}
    changed = {"encoders": {"words": {"model": "words", "generation": 2}}, "spaces": spaces}
    sources = {name: source.model_dump(exclude_unset=True) for name, source in steps.settings.sources.items()}
    later = pipeline(Path(steps.store.uri).parent, sources=sources, **changed)
    candidate = later.resolve("words").record
    for source in sources:
        later.refresh(source)
    later.embed(candidate)
    later.index(candidate)
    found = later.evaluate("words", version=candidate.version)
    assert (found.version, found.live, found.queries) == (candidate.version, False, 10)
    assert way(found, "ann").quality == way(found, "exact").quality
    served = later.evaluate("words")
    assert (served.version, served.live, served.queries, served.unanswerable) == (live.version, True, 9, 1)
    with pytest.raises(NotFoundError, match="Space 'words' has no release of encoder version 'nothing'"):
        later.evaluate("words", version="nothing")


def test_only_queries_in_words_are_searched_by_words(two_sources: Callable[..., Steps], tmp_path: Path, words: list):
    (tmp_path / "seen.png").write_bytes(picture(3))
    steps = two_sources([*QUERIES, {"query_file": "seen.png", "relevant": ["a/1.txt"]}])
    found = steps.evaluate("words")
    assert [(each.way, each.queries) for each in found.ways] == [
        ("exact", 10),
        ("ann", 10),
        ("filtered", 10),
        ("hybrid", 9),
    ]
    assert way(found, "hybrid").against_exact.exact == pytest.approx(
        steps.evaluate("words").ways[0].quality["ndcg@10"].mean * 10 / 9, abs=0.12
    )
    assert way(found, "ann").quality == way(found, "exact").quality


def test_judged_queries_without_a_relevant_item_are_counted(two_sources: Callable[..., Steps], words: list[Any]):
    steps = two_sources([*QUERIES, {"query": "gone", "relevant": ["a/gone.txt"]}])
    found = steps.evaluate("words", queries=4)
    assert (found.queries, found.unanswerable) == (4, 1)
    assert "1 more have no relevant item here" in found.in_words()[0]


def test_a_query_in_words_is_encoded_once(two_sources: Callable[..., Steps], words: list[Any]):
    steps = two_sources(QUERIES)
    words.clear()
    steps.evaluate("words")
    assert sorted(words) == sorted(each["query"] for each in QUERIES)


@pytest.mark.slow
def test_a_reranker_of_the_settings_is_measured(
    two_sources: Callable[..., Steps], tiny_bert: Path, tmp_path: Path, words
):
    model = cross_encoder(tiny_bert, tmp_path / "reranker")
    steps = two_sources(QUERIES, serve={"reranker": model})
    found = steps.evaluate("words")
    reranked = way(found, "reranked")
    assert "reranked" not in found.left_out and reranked.queries == 9
    assert reranked.quality["ndcg@10"] != way(found, "ann").quality["ndcg@10"]
    assert reranked.against_exact.verdict in ("worse", "better", "not distinguishable")


def test_labels_of_very_many_items_are_fewer_queries(monkeypatch: pytest.MonkeyPatch):
    import pyarrow as pa

    from embed_assets.quality.leaderboard import judgements

    monkeypatch.setattr(judgements, "_MOST_RELEVANT", 1000)
    rows = {"media_id": [f"m{n:03d}" for n in range(200)], "labels": [["x"]] * 200}
    found = judgements_of(pa.table(rows), [LabelledQuery(query="q", relevant=())][:0])
    assert found is not None and len(found) == 5
    assert all(len(each) == 199 for each in found.grades)
