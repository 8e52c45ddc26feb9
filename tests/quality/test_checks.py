"""Every check, seen passing and failing on a real table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.manifest.pending_items import Plan
from embed_assets.pipeline.steps import Steps
from embed_assets.quality import checks
from embed_assets.quality.candidate_comparison import Comparison, NotComparable, Quality
from embed_assets.quality.labelled_retrieval import Evaluation
from embed_assets.quality.recall.ann_recall import LADDER, Recall, measure, tune
from embed_assets.quality.recall.filtered_recall import FilteredRecall
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.serving.vector_scan import kth_distances, sample_vectors
from embed_assets.store.store import Store
from tests.kept import Kept
from tests.support import NOT_ENCODABLE, pipeline, refresh_and_embed, rewrite, vector_rows, vector_table, write_notes


def random_vectors(count: int, *, dim: int = 32, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def opened(folder: Path, vectors: np.ndarray, **columns: Any):
    table = vector_table(Store(str(folder)), vectors, **columns).open()
    assert table is not None
    return table


def with_foreign_rows(folder: Path, good: np.ndarray, bad: np.ndarray):
    """Rows that LanceDB would refuse, appended by Lance itself."""
    import lance

    table = opened(folder, good)
    ids = [f"foreign-{number}" for number in range(len(bad))]
    lance.write_dataset(vector_rows(table.schema, bad, media_id=ids), str(folder / "words__v1.lance"), mode="append")
    return Store(str(folder)).open("words__v1")


def release(**changes: Any) -> Release:
    facts = {"space": "words", "encoder": "words", "encoder_version": "v1", "table": "words__v1", "table_version": 2}
    return Release(**{**facts, "dim": 32, "distance": "cosine", "rows": 10, "ann": False, **changes})


def plan(**changes: Any) -> Plan:
    nothing: dict[str, Any] = {"encode": [], "rewrite": [], "delete": {}, "replaced": set()}
    return Plan(**{**nothing, "unchanged": {}, "quarantined": {}, "deleted": {}, **changes})


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_dimension_passes_on_the_type_that_was_promised(tmp_path, dtype):
    table = opened(tmp_path, random_vectors(3), dtype=dtype)
    verdict = checks.check_dimension(table, release(), vector_dtype=dtype)
    assert verdict.passed
    assert verdict.figures == {"dim": 32, "expected_dim": 32}


def test_dimension_fails_on_another_dim_or_element_type(tmp_path):
    table = opened(tmp_path, random_vectors(3))
    other_dim = checks.check_dimension(table, release(dim=64), vector_dtype="float32")
    other_type = checks.check_dimension(table, release(), vector_dtype="float16")
    assert not other_dim.passed
    assert not other_type.passed
    assert other_dim.summary == "vectors are float32[32]; the encoder version has float32[64]"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_unit_vectors_passes_in_both_element_types(tmp_path, dtype):
    verdict = checks.check_unit_vectors(opened(tmp_path, random_vectors(200), dtype=dtype), unit_length=True)
    assert verdict.passed
    assert verdict.figures["rows"] == 200
    assert verdict.figures["min_norm"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("value", "figure"), [(np.nan, "not_finite"), (np.inf, "not_finite"), (0.0, "zero")])
def test_unit_vectors_counts_rows_that_are_no_direction(tmp_path, value, figure):
    bad = random_vectors(2)
    bad[:, 5 if figure == "not_finite" else slice(None)] = value
    table = with_foreign_rows(tmp_path, random_vectors(50), bad)
    for unit_length in (True, False):
        verdict = checks.check_unit_vectors(table, unit_length=unit_length)
        assert not verdict.passed
        assert verdict.figures[figure] == 2


def test_unit_vectors_fails_off_unit_length_only_where_it_was_promised(tmp_path):
    vectors = random_vectors(50)
    vectors[3] *= 1.02
    table = opened(tmp_path, vectors)
    promised = checks.check_unit_vectors(table, unit_length=True)
    assert not promised.passed
    assert promised.figures["off_unit_length"] == 1
    assert checks.check_unit_vectors(table, unit_length=False).passed


def test_unit_vectors_looks_at_every_row(tmp_path):
    vectors = random_vectors(40_000, dim=8)
    vectors[-1] = 0
    assert checks.check_unit_vectors(opened(tmp_path, vectors), unit_length=True).figures["zero"] == 1


def test_vectors_that_an_earlier_release_had_right_are_not_read_again(tmp_path):
    table = opened(tmp_path, random_vectors(40))
    figures = {"not_finite": 0, "zero": 0, "off_unit_length": 0, "min_norm": 0.25, "max_norm": 4.0}
    verdict = CheckVerdict(name="unit_vectors", passed=True, blocking=True, summary="", figures=figures)
    right = release(table_version=table.version, checks=(verdict,))
    again = checks.check_unit_vectors(table, unit_length=True, before=right)
    assert again.passed
    assert again.figures == {"rows": 40, **figures}
    table.add(vector_rows(table.schema, np.zeros((2, 32)), media_id=["late", "later"]))
    table.checkout_latest()
    assert checks.check_unit_vectors(table, unit_length=True, before=right).figures["zero"] == 2
    for wrong in (
        replace(right, table_version=table.version, checks=(replace(verdict, passed=False),)),
        replace(right, table_version=table.version, checks=(replace(verdict, figures={**figures, "zero": 1}),)),
        replace(right, table_version=table.version, checks=()),
        replace(right, table_version=table.version + 1),
    ):
        assert checks.check_unit_vectors(table, unit_length=True, before=wrong).figures["zero"] == 2


def test_checks_look_at_the_releases_table_version_and_not_at_later_rows(tmp_path):
    table = opened(tmp_path, random_vectors(10))
    candidate = release(table_version=table.version)
    table.add(vector_rows(table.schema, np.zeros((1, 32)), media_id=["late"]))
    at_release = open_release(Store(str(tmp_path)), candidate)
    assert checks.check_unit_vectors(at_release, unit_length=True).figures["rows"] == 10
    assert len(sample_vectors(at_release, 100)) == 10
    assert not checks.check_unit_vectors(Store(str(tmp_path)).open("words__v1"), unit_length=True).passed


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def embedded(tmp_path: Path, words: list[Any], kept: Kept) -> Steps:
    """Twenty notes with vectors, one deleted and one set aside."""
    steps = pipeline(tmp_path)

    def embed() -> None:
        notes = write_notes(tmp_path / "notes", 20)
        (notes / "bad.txt").write_text(NOT_ENCODABLE)
        refresh_and_embed(steps)
        (notes / "note-000.txt").unlink()
        refresh_and_embed(steps)

    kept.once("embedded", embed)
    return steps


def accounts(steps: Steps):
    record = steps.resolve("words").record
    return checks.check_accounts(steps.store.open(record.table), steps.plan(record))


def first_rows(steps: Steps, count: int) -> Any:
    return steps.store.open(steps.resolve("words").record.table).to_arrow().slice(0, count)


def test_accounts_close_on_what_the_pipeline_wrote(embedded):
    verdict = accounts(embedded)
    assert verdict.passed
    assert verdict.summary == "19 with vectors + 1 quarantined + 1 deleted = 21 items"


def test_accounts_find_items_without_vectors(embedded):
    table = embedded.store.open(embedded.resolve("words").record.table)
    table.delete("key = 'note-005.txt'")
    verdict = accounts(embedded)
    assert not verdict.passed
    assert verdict.figures["missing"] == 1


def test_accounts_find_items_that_were_edited_since(embedded, tmp_path):
    rewrite(tmp_path / "notes" / "note-005.txt", "edited since")
    embedded.refresh("notes")
    assert accounts(embedded).figures["missing"] == 1


def test_accounts_find_rows_of_items_that_are_gone(embedded, tmp_path):
    (tmp_path / "notes" / "note-005.txt").unlink()
    embedded.refresh("notes")
    verdict = accounts(embedded)
    assert not verdict.passed
    assert verdict.figures["orphans"] == 1


def test_accounts_find_doubled_segments(embedded):
    table = embedded.store.open(embedded.resolve("words").record.table)
    table.add(first_rows(embedded, 2))
    verdict = accounts(embedded)
    assert not verdict.passed
    assert verdict.figures["doubled"] == 2


def test_accounts_find_items_with_a_segment_missing(tmp_path, words):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "long.txt").write_text(" ".join(["granite"] * 100))
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    assert accounts(steps).passed
    table = steps.store.open(steps.resolve("words").record.table)
    table.delete(f"segment_id = '{first_rows(steps, 1).column('segment_id')[0].as_py()}'")
    verdict = accounts(steps)
    assert not verdict.passed
    assert verdict.figures["torn"] == 1


@pytest.fixture(scope="module")
def one_bit(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """4,000 random vectors behind an index of one bit a dimension in 63 cells."""
    store = Store(str(tmp_path_factory.mktemp("index")))
    vector_table(store, random_vectors(4000))
    settings = IndexSettings(min_rows=1000, rows_per_partition=64, num_bits=1)
    report = build_indices(store, "words__v1", distance="cosine", settings=settings)
    assert report.ann
    assert report.rows == 4000
    assert report.rows_not_indexed == 0
    return store.open("words__v1")


def test_ann_recall_fails_where_the_index_misses_neighbours(one_bit):
    queries = random_vectors(50, seed=1)
    truth = kth_distances(one_bit, queries, k=10, distance="cosine")
    seen = measure(one_bit, queries, truth, k=10, distance="cosine", nprobes=1, refine_factor=1)
    verdict = checks.check_ann_recall({"text": seen}, target=0.95, rows=4000, filtered={})
    assert seen.mean < 0.6
    assert not verdict.passed
    assert verdict.figures["recall_at_10"] == round(seen.mean, 4)


def test_ann_recall_passes_at_the_effort_that_tuning_finds(one_bit):
    queries = random_vectors(50, seed=1)
    seen = tune(one_bit, queries, k=10, distance="cosine", target=0.75)
    assert seen.lower >= 0.75
    assert (seen.nprobes, seen.refine_factor) != (10, 2)  # the cheapest does not reach it on this index
    assert checks.check_ann_recall({"text": seen}, target=0.75, rows=4000, filtered={}).passed


def test_some_queries_suffice_where_they_reach_the_target(one_bit):
    queries = random_vectors(200, seed=1)
    whole = tune(one_bit, queries, k=10, distance="cosine", target=0.7)
    effort = (whole.nprobes, whole.refine_factor)
    some = tune(one_bit, queries, k=10, distance="cosine", target=0.7, start=effort, first=50)
    assert (whole.queries, some.queries) == (200, 50)
    assert (some.nprobes, some.refine_factor) == effort
    assert some.lower >= 0.7
    missed = tune(one_bit, queries, k=10, distance="cosine", target=0.7, start=LADDER[0], first=50)
    assert missed == whole  # the first effort does not reach it on 50, so that all are searched


def test_ann_recall_counts_the_worst_modality():
    good = Recall(mean=0.99, lower=0.98, queries=200, k=10, nprobes=20, refine_factor=2)
    bad = replace(good, mean=0.90)
    verdict = checks.check_ann_recall({"image": good, "text": bad}, target=0.95, rows=4000, filtered={})
    assert not verdict.passed
    assert verdict.figures["recall_at_10"] == 0.9
    assert "200 held-out text queries" in verdict.summary


def test_ann_recall_fails_where_a_filter_alone_loses_neighbours_and_names_it():
    good = Recall(mean=0.99, lower=0.98, queries=200, k=10, nprobes=20, refine_factor=2)
    lost = FilteredRecall(where="source = 'shop'", mean=0.9, queries=20, exact=False)
    few = FilteredRecall(where="shard = 's00'", mean=1.0, queries=0, exact=True)
    verdict = checks.check_ann_recall({"text": good}, target=0.95, rows=4000, filtered={"10pct": lost, "1pct": few})
    assert not verdict.passed
    assert verdict.figures["recall_at_10_filtered_10pct"] == 0.9
    assert verdict.figures["recall_at_10_filtered_1pct"] == 1.0
    assert verdict.summary.endswith("under filters that keep 10 %: 0.900 (source = 'shop'), 1 %: exact search")


def test_ann_recall_of_exact_search_passes_and_without_queries_fails():
    assert checks.check_ann_recall(None, target=0.95, rows=10, filtered={}).passed
    assert not checks.check_ann_recall({}, target=0.95, rows=10, filtered={}).passed


def test_labelled_retrieval_fails_under_either_floor():
    facts: dict = {"unanswerable": 0, "unknown": (), "recall_at_100": None}
    seen = Evaluation(queries=10, ndcg_at_10=0.7, recall_at_10=0.8, mrr=0.6, **facts)
    assert checks.check_retrieval(seen, min_recall=0.8, min_ndcg=0.7).passed
    assert not checks.check_retrieval(seen, min_recall=0.81, min_ndcg=0.7).passed
    assert not checks.check_retrieval(seen, min_recall=0.8, min_ndcg=0.71).passed


def test_labelled_retrieval_fails_where_no_query_has_an_answer_and_passes_without_a_query_set():
    none = Evaluation(queries=0, unanswerable=9, unknown=(), ndcg_at_10=0, recall_at_10=0, recall_at_100=None, mrr=0)
    assert not checks.check_retrieval(none, min_recall=0, min_ndcg=0).passed
    assert checks.check_retrieval(None, min_recall=1, min_ndcg=1).passed


SAME = Quality(queries=10, ndcg_at_10=0.80, recall_at_10=0.90)


def compared(**changes: Any) -> Comparison:
    facts: dict[str, Any] = {"live": "words__v0@7", "labelled": True, "candidate": SAME, "live_quality": SAME}
    return Comparison(**{**facts, **changes})


def test_compared_with_live_fails_where_either_figure_is_worse_by_more_than_is_allowed():
    for better in ({"ndcg_at_10": 0.83}, {"recall_at_10": 0.93}):
        found = compared(live_quality=replace(SAME, **better))
        assert checks.check_compared(found, max_loss=0.03, max_lost_share=0.05).passed
        verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
        assert not verdict.passed
        assert f"live {next(iter(better.values())):.3f}" in verdict.summary
    better = compared(candidate=Quality(queries=10, ndcg_at_10=1, recall_at_10=1))
    assert checks.check_compared(better, max_loss=0, max_lost_share=0.05).passed


def test_compared_with_live_fails_where_too_many_of_lives_items_were_quarantined():
    for labelled in (True, False):
        found = compared(labelled=labelled, lost=5, live_items=100)
        assert checks.check_compared(found, max_loss=0.02, max_lost_share=0.05).passed
        verdict = checks.check_compared(replace(found, lost=6), max_loss=0.02, max_lost_share=0.05)
        assert not verdict.passed
        assert "6 of live's 100 items are quarantined (6.0%, at most 5.0%" in verdict.summary


def test_compared_with_live_fails_where_the_judgements_are_of_nothing_that_both_hold():
    nothing = Quality(queries=0, ndcg_at_10=0, recall_at_10=0)
    found = compared(candidate=nothing, live_quality=nothing)
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert not verdict.passed
    assert "Fix the query set" in verdict.summary
    assert checks.check_compared(found, max_loss=1, max_lost_share=0.05).passed


def test_compared_with_live_passes_with_information_where_there_are_no_judgements():
    found = compared(
        labelled=False, candidate=None, live_quality=None, overlap_at_10=0.5, median_ms=2, live_median_ms=3
    )
    verdict = checks.check_compared(found, max_loss=0, max_lost_share=0.05)
    assert verdict.passed
    assert verdict.summary == (
        "no labelled queries; 50% of the ten nearest items are live's as well; 2 ms a query (live 3 ms)"
    )
    assert checks.check_compared(NotComparable("nothing serves yet"), max_loss=0, max_lost_share=0.05).passed


def test_compared_with_live_fails_where_nothing_can_be_compared_and_names_the_way_out():
    found = compared(live_quality=None, note="live can't be searched: its model is gone")
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert not verdict.passed
    assert "set checks.max_quality_loss to 1" in verdict.summary
    assert verdict.summary.endswith("its model is gone")
    assert checks.check_compared(found, max_loss=1, max_lost_share=0.05).passed


def test_quarantined_share_counts_what_is_of_the_encoders_kinds_and_names_the_reasons():
    aside = plan(unchanged={"notes": 93}, quarantined={"notes": {"broken image": 7}}, unknown={"notes": {"pdf": 300}})
    verdict = checks.check_quarantined(aside, max_share=0.07)
    assert verdict.passed
    assert verdict.summary == "7 of 100 items (7.0%, at most 7.0%): broken image 7"
    assert not checks.check_quarantined(aside, max_share=0.06).passed


def test_collapsed_vectors_fails_where_all_say_the_same(tmp_path):
    same = random_vectors(1) + 0.01 * random_vectors(300)
    verdict = checks.check_collapsed(opened(tmp_path / "same", same), max_mean_cosine=0.9)
    assert not verdict.passed
    assert not verdict.blocking
    assert verdict.figures["mean_cosine"] > 0.99
    spread = checks.check_collapsed(opened(tmp_path / "spread", random_vectors(300)), max_mean_cosine=0.9)
    assert spread.passed
    assert abs(spread.figures["mean_cosine"]) < 0.05


def test_collapsed_vectors_fails_on_nan_and_passes_on_one_row(tmp_path):
    spoiled = with_foreign_rows(tmp_path / "nan", random_vectors(5), np.full((5, 32), np.nan))
    assert not checks.check_collapsed(spoiled, max_mean_cosine=0.9).passed
    assert checks.check_collapsed(opened(tmp_path / "one", random_vectors(1)), max_mean_cosine=0.9).passed


def test_a_table_without_rows_passes_the_checks_on_vectors(tmp_path):
    table = opened(tmp_path, random_vectors(1))
    table.delete("true")
    assert checks.check_unit_vectors(table, unit_length=True).passed
    assert checks.check_collapsed(table, max_mean_cosine=0.9).passed
    assert checks.check_accounts(table, plan()).passed


def test_the_blocking_checks_are_those_that_promotion_requires():
    assert {spec.name for spec in checks.CHECKS if spec.blocking} == checks.REQUIRED
    assert {"dimension", "unit_vectors", "accounts", "ann_recall", "compared_with_live"} == checks.REQUIRED


def scored(ndcg: np.ndarray, recall: np.ndarray | None = None) -> Quality:
    """A quality whose queries have these nDCG@10; recall is the same where none is given."""
    recall = ndcg if recall is None else recall
    scores = tuple((float(one), float(other)) for one, other in zip(ndcg, recall, strict=True))
    return Quality(queries=len(ndcg), ndcg_at_10=float(ndcg.mean()), recall_at_10=float(recall.mean()), scores=scores)


@pytest.mark.parametrize(
    ("shift", "passed", "words"),
    [
        (-0.08, False, "worse than live beyond noise: nDCG@10 -0.08"),
        (-0.03, True, "not distinguishable from live: nDCG@10 -0.03"),
        (0.08, True, "better than live beyond noise: nDCG@10 +0.08"),
    ],
)
def test_a_loss_counts_where_it_is_beyond_noise(shift: float, passed: bool, words: str):
    random = np.random.default_rng(5)
    live, noise = random.random(60), random.normal(0, 0.15, 60)
    found = compared(candidate=scored(live + noise - noise.mean() + shift), live_quality=scored(live))
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert verdict.passed is passed
    assert words in verdict.summary
    assert verdict.figures["ndcg_difference"] == pytest.approx(shift, abs=1e-4)
    assert verdict.figures["ndcg_difference_low"] < shift < verdict.figures["ndcg_difference_high"]
    assert verdict.figures["verdict"] == words.partition(" than")[0].partition(" from")[0]
    if passed and shift < 0:
        assert "judged queries would be needed" in verdict.summary


def test_a_small_loss_beyond_noise_is_within_what_is_allowed():
    live = np.linspace(0, 1, 200)
    found = compared(candidate=scored(live - 0.01), live_quality=scored(live))
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert verdict.passed and "worse than live beyond noise" in verdict.summary
    assert not checks.check_compared(found, max_loss=0.005, max_lost_share=0.05).passed


def test_a_block_by_recall_alone_says_recall_and_its_figures():
    random = np.random.default_rng(5)
    live, noise = random.random(60), random.normal(0, 0.15, 60)
    ndcg = live + noise - noise.mean() - 0.01
    found = compared(candidate=scored(ndcg, live - 0.1), live_quality=scored(live))
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert not verdict.passed
    assert (
        "; worse than live beyond noise: recall@10 -0.100, 95 % from -0.100 to -0.100, p < 0.001; not distinguishable "
        "from live: nDCG@10 -0.010"
    ) in verdict.summary
    assert (verdict.figures["recall_verdict"], verdict.figures["recall_difference"]) == ("worse", -0.1)


def test_recall_is_named_where_it_differs_beyond_noise_and_ndcg_does_not():
    live = np.linspace(0, 1, 200)
    better = checks.check_compared(
        compared(candidate=scored(live, live + 0.01), live_quality=scored(live)), max_loss=0.02, max_lost_share=0.05
    )
    assert better.passed
    assert "p 1.000; better than live beyond noise: recall@10 +0.010" in better.summary


def test_of_few_queries_the_bound_alone_decides():
    live = np.linspace(0, 1, checks.FEWEST_PAIRED - 1)
    random = np.random.default_rng(6).normal(-0.05, 0.5, len(live))
    found = compared(candidate=scored(live + random - random.mean() - 0.05), live_quality=scored(live))
    verdict = checks.check_compared(found, max_loss=0.02, max_lost_share=0.05)
    assert not verdict.passed
    assert "fewer than 20, so that the bound alone decides" in verdict.summary
