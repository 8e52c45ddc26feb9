"""The checks on a release: each reads the table version itself and returns a verdict with figures.

A check is one function with `@check`; `CHECKS` is their order in the UI and in reports.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import PromotionError, named
from embed_assets.manifest.pending_items import Plan
from embed_assets.quality.candidate_comparison import Comparison, NotComparable, Quality
from embed_assets.quality.collapsed_vectors import mean_cosine
from embed_assets.quality.labelled_retrieval import Evaluation
from embed_assets.quality.metrics.bootstrap import NOT_APART, WORSE, PairedDifference
from embed_assets.quality.recall.ann_recall import Recall
from embed_assets.quality.recall.filtered_recall import SHARES, FilteredRecall
from embed_assets.settings import CheckSettings, SpaceSettings
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.vector_scan import norms, sample_vectors, vector_batches
from embed_assets.store.upsert import read
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_NAMED = 5  # names in a summary
_UNIT = 0.005  # float16 rounds a component by 5e-4 of itself; the norm stays well within this

FEWEST_PAIRED = 20  # labelled queries from which a loss can be held against noise


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A release to check. Figures that take time are functions, called by the checks that need them."""

    release: Release
    table: "Table"  # at the release's table version
    record: VersionRecord
    plan: Plan
    limits: CheckSettings
    floors: SpaceSettings
    recall: Callable[[], Mapping[str, Recall] | None]
    filtered_recall: Callable[[], Mapping[str, FilteredRecall]]
    evaluation: Callable[[], Evaluation | None]
    comparison: Callable[[], Comparison | NotComparable]
    empty_reason: Callable[[], str]
    collapse_reason: Callable[[], str]
    measured_before: Release | None = None  # the newest earlier release of the table


@dataclass(frozen=True)
class Finding:
    """The result of a check, without the check's name and weight."""

    passed: bool
    summary: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    blocking: bool = False  # True: it blocks promotion, even by a check that otherwise warns


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check: its name, whether a failure blocks promotion, its text in the UI, and its function."""

    name: str
    blocking: bool
    description: str
    function: Callable[[Candidate], Finding]

    def run(self, candidate: Candidate) -> CheckVerdict:
        """Check the candidate."""
        finding = self.function(candidate)
        return CheckVerdict(
            name=self.name,
            passed=finding.passed,
            blocking=self.blocking or finding.blocking,
            summary=finding.summary,
            figures=finding.figures,
        )


def check(*, blocking: bool) -> Callable[[Callable[[Candidate], Finding]], Check]:
    """Make a check of a function: it is called by the function's name and described by its docstring."""

    def decorate(function: Callable[[Candidate], Finding]) -> Check:
        description = " ".join((function.__doc__ or "").split())
        return Check(name=function.__name__, blocking=blocking, description=description, function=function)

    return decorate


@check(blocking=True)
def dimension(candidate: Candidate) -> Finding:
    """Compare dim and element type of the vector column with those of the encoder version."""
    return check_dimension(candidate.table, candidate.release, vector_dtype=candidate.record.vector_dtype)


def check_dimension(table: "Table", release: Release, *, vector_dtype: str) -> Finding:
    """Compare the column's type with the encoder version's."""
    column = table.schema.field("vector").type
    is_vector = isinstance(column, pa.FixedSizeListType)
    dtype = pa.array([], column.value_type).to_numpy().dtype.name if is_vector else str(column)
    dim = column.list_size if is_vector else 0
    summary = f"vectors are {dtype}[{dim}]; the encoder version has {vector_dtype}[{release.dim}]"
    return _finding(dtype == vector_dtype and dim == release.dim, summary, dim=dim, expected_dim=release.dim)


@check(blocking=True)
def unit_vectors(candidate: Candidate) -> Finding:
    """Require that all vectors are finite, none is zero, and all have unit length if the encoder promises it."""
    before = candidate.measured_before
    return check_unit_vectors(candidate.table, unit_length=candidate.record.spec.unit_length, before=before)


def check_unit_vectors(table: "Table", *, unit_length: bool, before: Release | None = None) -> Finding:
    """Count vectors that are not finite, zero, or off unit length.

    Every row is read, but for those that `before`, an earlier release of the table, had, if all of them were right.
    """
    known = _right_vectors(before) if before is not None and before.table_version <= table.version else None
    not_finite = zero = off = 0
    low, high = (known["min_norm"], known["max_norm"]) if known else (np.inf, -np.inf)
    for vectors in vector_batches(table, since=before.table_version if before is not None and known else None):
        lengths = norms(vectors)
        finite = np.isfinite(lengths)
        not_finite += int((~finite).sum())
        zero += int((lengths == 0).sum())
        off += int((np.abs(lengths[finite] - 1) > _UNIT).sum())
        if finite.any():
            low, high = min(low, float(lengths[finite].min())), max(high, float(lengths[finite].max()))
    rows = table.count_rows()
    bad = not_finite + zero + (off if unit_length else 0)
    summary = f"{rows} vectors: {not_finite} not finite, {zero} zero"
    if unit_length:
        summary += f", {off} off unit length"
    extremes = {"min_norm": round(low, 5), "max_norm": round(high, 5)} if rows and np.isfinite(low) else {}
    return _finding(bad == 0, summary, rows=rows, not_finite=not_finite, zero=zero, off_unit_length=off, **extremes)


def _right_vectors(release: Release) -> Mapping[str, Any] | None:
    """Return the figures of a release's check of its vectors, where none of them was wrong."""
    figures = next((each.figures for each in release.checks if each.name == unit_vectors.name and each.passed), {})
    wrong = [figures.get(name, 1) for name in ("not_finite", "zero", "off_unit_length")]
    return figures if not any(wrong) and "min_norm" in figures else None


@check(blocking=True)
def accounts(candidate: Candidate) -> Finding:
    """Account for every item of the manifest: embedded, unchanged, quarantined or deleted, exactly once.

    A release without rows fails where its sources, or the live release, have some.
    """
    return check_accounts(candidate.table, candidate.plan, empty_reason=candidate.empty_reason())


def check_accounts(table: "Table", plan: Plan, *, empty_reason: str = "") -> Finding:
    """Compare the manifest with the rows: none missing, none doubled, none without its item.

    `empty_reason` is why the release has no rows, if it must have some.
    """
    columns = read(table, ["segment_id", "media_id", "segment_count"])
    torn = _torn_items(columns)
    doubled = columns.num_rows - pc.count_distinct(columns["segment_id"]).as_py()
    quarantined = sum(sum(reasons.values()) for reasons in plan.quarantined.values())
    missing, orphans = len(plan.encode), len(plan.delete)
    embedded, deleted = sum(plan.unchanged.values()), sum(plan.deleted.values())
    total = embedded + quarantined + deleted + missing
    closed = not (missing or orphans or doubled or torn)
    summary = (
        f"{embedded} with vectors + {quarantined} quarantined + {deleted} deleted = {total} items"
        if closed
        else f"{missing} items without vectors, {orphans} with rows that should have none, "
        f"{doubled} doubled segments, {torn} items with segments missing"
    )
    return _finding(
        closed and not empty_reason,
        empty_reason or summary,
        items=total,
        with_vectors=embedded,
        quarantined=quarantined,
        deleted=deleted,
        missing=missing,
        orphans=orphans,
        doubled=doubled,
        torn=torn,
    )


def _torn_items(columns: pa.Table) -> int:
    """Count the items that have not as many rows as each of them says."""
    alone = pc.all(pc.equal(columns["segment_count"], 1)).as_py()
    if alone and pc.count_distinct(columns["media_id"]).as_py() == columns.num_rows:
        return 0  # a tenth of the time of the groups
    items = columns.group_by("media_id").aggregate(
        [([], "count_all"), ("segment_count", "min"), ("segment_count", "max")]
    )
    whole = pc.and_(
        pc.equal(items["count_all"], items["segment_count_min"]),
        pc.equal(items["segment_count_min"], items["segment_count_max"]),
    )
    return items.num_rows - (pc.sum(whole).as_py() or 0)


@check(blocking=True)
def ann_recall(candidate: Candidate) -> Finding:
    """Measure recall@10 of the ANN index against exact search, on queries that are no rows of it, with filters too."""
    recall, target = candidate.recall(), candidate.limits.min_ann_recall
    filtered = candidate.filtered_recall() if recall else {}
    return check_ann_recall(recall, target=target, rows=candidate.release.rows, filtered=filtered)


def check_ann_recall(
    recall: Mapping[str, Recall] | None, *, target: float, rows: int, filtered: Mapping[str, FilteredRecall]
) -> Finding:
    """Compare the recall of the worst query modality, and under filters, with the target; None without an ANN index."""
    if recall is None:
        return _finding(True, f"exact search: no ANN index on {rows} rows", exact=True, recall_at_10=1.0)
    if not recall:
        return _finding(False, "no held-out query could be made to measure the ANN index with")
    worst_name, worst = min(recall.items(), key=lambda item: item[1].mean)
    by_modality = {f"recall_at_10_{name}": round(each.mean, 4) for name, each in recall.items()}
    summary = f"recall@10 {worst.mean:.3f} on {worst.queries} held-out {worst_name} queries, target {target:.2f}"
    if filtered:
        summary += f"; under filters that keep {', '.join(map(_filtered, filtered.items()))}"
    return _finding(
        worst.mean >= target and all(each.mean >= target for each in filtered.values()),
        summary,
        exact=False,
        recall_at_10=round(worst.mean, 4),
        recall_at_10_lower=round(worst.lower, 4),
        queries=worst.queries,
        nprobes=worst.nprobes,
        refine_factor=worst.refine_factor,
        **by_modality,
        **{f"recall_at_10_filtered_{name}": round(each.mean, 4) for name, each in filtered.items()},
    )


def _filtered(item: tuple[str, FilteredRecall]) -> str:
    name, recall = item
    return f"{SHARES[name] * 100:g} %: {'exact search' if recall.exact else f'{recall.mean:.3f} ({recall.where})'}"


@check(blocking=False)
def labelled_retrieval(candidate: Candidate) -> Finding:
    """Measure recall@10 and nDCG@10 on the labelled queries of the space."""
    floors = candidate.floors
    return check_retrieval(candidate.evaluation(), min_recall=floors.min_recall, min_ndcg=floors.min_ndcg)


def check_retrieval(evaluation: Evaluation | None, *, min_recall: float, min_ndcg: float) -> Finding:
    """Compare labelled queries with the floors of the settings; None if the space has no query set."""
    if evaluation is None:
        return _finding(True, "the space has no query set")
    passed = evaluation.recall_at_10 >= min_recall and evaluation.ndcg_at_10 >= min_ndcg and evaluation.queries > 0
    summary = (
        f"recall@10 {evaluation.recall_at_10:.3f} (floor {min_recall:.2f}), "
        f"nDCG@10 {evaluation.ndcg_at_10:.3f} (floor {min_ndcg:.2f}) on {evaluation.queries} labelled queries"
    )
    if evaluation.unknown:
        unknown = named(evaluation.unknown[:_NAMED], of=len(evaluation.unknown))
        summary += f"; not in the index: {unknown}"
    figures = {name: value for name, value in asdict(evaluation).items() if name != "unknown"}
    return _finding(passed, summary, **_rounded(figures), unknown=len(evaluation.unknown))


@check(blocking=True)
def compared_with_live(candidate: Candidate) -> Finding:
    """Compare labelled nDCG@10 and recall@10 with the live release; overlap and latency are for information."""
    limits = candidate.limits
    return check_compared(
        candidate.comparison(), max_loss=limits.max_quality_loss, max_lost_share=limits.max_quarantined_share
    )


def check_compared(comparison: Comparison | NotComparable, *, max_loss: float, max_lost_share: float) -> Finding:
    """Fail a candidate that is worse than live by more than `max_loss`, or has quarantined too many of live's items."""
    if isinstance(comparison, NotComparable):
        return _finding(True, comparison.reason)
    passed, summary = _not_worse(comparison, max_loss) if comparison.labelled else (True, "no labelled queries")
    if comparison.overlap_at_10 is not None:
        summary += f"; {comparison.overlap_at_10:.0%} of the ten nearest items are live's as well"
        summary += f"; {comparison.median_ms} ms a query (live {comparison.live_median_ms} ms)"
    if comparison.lost:
        share = comparison.lost / comparison.live_items
        passed = passed and share <= max_lost_share
        summary += (
            f"; {comparison.lost} of live's {comparison.live_items} items are quarantined ({share:.1%}, at most "
            f"{max_lost_share:.1%}: checks.max_quarantined_share)"
        )
    summary = "; ".join(part for part in (summary, comparison.note) if part)
    return _finding(passed, summary, **_compared_figures(comparison))


def _compared_figures(comparison: Comparison) -> dict[str, Any]:
    own, live = comparison.candidate, comparison.live_quality
    figures = {
        "live": comparison.live,
        "overlap_at_10": comparison.overlap_at_10,
        "queries": comparison.queries or None,
        "median_ms": comparison.median_ms,
        "live_median_ms": comparison.live_median_ms,
        "lost_items": comparison.lost or None,
    }
    if own is not None:
        figures |= {"ndcg_at_10": own.ndcg_at_10, "recall_at_10": own.recall_at_10, "judged_queries": own.queries}
    if live is not None:
        figures |= {"live_ndcg_at_10": live.ndcg_at_10, "live_recall_at_10": live.recall_at_10}
    if (differences := comparison.differences()) is not None:
        ndcg, recall = differences
        figures |= {
            "verdict": ndcg.verdict(),
            "ndcg_difference": ndcg.difference.mean,
            "ndcg_difference_low": ndcg.difference.low,
            "ndcg_difference_high": ndcg.difference.high,
            "p": ndcg.p,
            "recall_verdict": recall.verdict(),
            "recall_difference": recall.difference.mean,
            "recall_difference_low": recall.difference.low,
            "recall_difference_high": recall.difference.high,
            "recall_p": recall.p,
        }
    return _rounded({name: value for name, value in figures.items() if value is not None})


def _not_worse(comparison: Comparison, max_loss: float) -> tuple[bool, str]:
    own, live = comparison.candidate, comparison.live_quality
    if live is None or own is None:
        way = "Restore live's model, or set checks.max_quality_loss to 1 to do without the comparison"
        return max_loss >= 1, "no figures to compare by" if max_loss >= 1 else f"no figures to compare by. {way}"
    if not own.queries:
        way = "Fix the query set, or set checks.max_quality_loss to 1 to do without the comparison"
        return max_loss >= 1, f"no labelled query has a relevant item that both hold. {way}"
    origin = ", as recorded" if comparison.recorded else ""
    passed, verdict = _within_loss(comparison, own, live, max_loss)
    summary = (
        f"nDCG@10 {own.ndcg_at_10:.3f} (live {live.ndcg_at_10:.3f}{origin}), recall@10 {own.recall_at_10:.3f} "
        f"(live {live.recall_at_10:.3f}) on {own.queries} labelled queries, at most {max_loss:.2f} worse{verdict}"
    )
    return passed, summary


def _within_loss(comparison: Comparison, own: Quality, live: Quality, max_loss: float) -> tuple[bool, str]:
    """Return whether the candidate may be promoted by its quality, and what its paired differences say.

    A loss over `max_loss` counts where it is beyond noise, or where the queries are too few to know noise by.
    """
    losses = (live.ndcg_at_10 - own.ndcg_at_10, live.recall_at_10 - own.recall_at_10)
    differences = comparison.differences()
    if differences is None or own.queries < FEWEST_PAIRED:
        few = f"; fewer than {FEWEST_PAIRED}, so that the bound alone decides" if differences is not None else ""
        return max(losses) <= max_loss + 1e-9, few
    blocked = [
        loss > max_loss + 1e-9 and found.verdict() == WORSE for loss, found in zip(losses, differences, strict=True)
    ]
    return not any(blocked), f"; {_in_words(*differences, recall_blocks=blocked == [False, True])}"


def _in_words(ndcg: PairedDifference, recall: PairedDifference, *, recall_blocks: bool) -> str:
    """Say which of better, worse and not distinguishable the candidate is.

    By nDCG@10; by recall@10 first where it alone blocks, and by both where recall says something else beyond noise.
    """
    by_ndcg, by_recall = _verdict_in_words("nDCG@10", ndcg), _verdict_in_words("recall@10", recall)
    if recall_blocks:
        return f"{by_recall}; {by_ndcg}"
    return by_ndcg if recall.verdict() in (NOT_APART, ndcg.verdict()) else f"{by_ndcg}; {by_recall}"


def _verdict_in_words(metric: str, found: PairedDifference) -> str:
    verdict, figures = found.verdict(), f"{metric} {found.difference.in_words(found.p)}"
    if verdict == NOT_APART:
        needed = f", {found.queries_needed:,} judged queries would be needed" if found.queries_needed else ""
        return f"not distinguishable from live: {figures}{needed}"
    return f"{verdict} than live beyond noise: {figures}"


@check(blocking=False)
def quarantined_share(candidate: Candidate) -> Finding:
    """Limit the share of quarantined items among those of the encoder's kinds."""
    return check_quarantined(candidate.plan, max_share=candidate.limits.max_quarantined_share)


def check_quarantined(plan: Plan, *, max_share: float) -> Finding:
    """Compare the quarantined share with its limit, and name the reasons.

    Items of no known kind count once, in the status of their source, and for no encoder.
    """
    reasons = Counter[str]()
    for counts in plan.quarantined.values():
        reasons.update(counts)
    quarantined = sum(reasons.values())
    total = quarantined + sum(plan.unchanged.values()) + len(plan.encode)
    share = quarantined / total if total else 0.0
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(5))
    summary = f"{quarantined} of {total} items ({share:.1%}, at most {max_share:.1%})" + (f": {why}" if why else "")
    return _finding(share <= max_share, summary, quarantined=quarantined, share=round(share, 5))


@check(blocking=False)
def collapsed_vectors(candidate: Candidate) -> Finding:
    """Limit the mean cosine of pairs: near 1, the encoder has one vector for everything.

    Blocks if live separates the same items, or if canary texts have one vector as well.
    """
    limit = candidate.limits.max_mean_cosine
    return check_collapsed(candidate.table, max_mean_cosine=limit, collapse_reason=candidate.collapse_reason())


def check_collapsed(table: "Table", *, max_mean_cosine: float, collapse_reason: str = "") -> Finding:
    """Compare the mean cosine of all pairs of a sample with its limit: a warning, for media may be alike.

    `collapse_reason` is why the encoder is at fault rather than the media: that blocks.
    """
    vectors = sample_vectors(table, 2000)
    if len(vectors) < 2:
        return _finding(True, "fewer than two vectors")
    mean = mean_cosine(vectors)
    passed = bool(np.isfinite(mean) and mean <= max_mean_cosine)
    summary = f"mean cosine of pairs {mean:.3f}, at most {max_mean_cosine:.2f}"
    figures = {"mean_cosine": round(mean, 4)} if np.isfinite(mean) else {}
    if collapse_reason:
        return Finding(False, collapse_reason, figures, blocking=True)
    return Finding(passed, summary, figures)


CHECKS = (
    dimension,
    unit_vectors,
    accounts,
    ann_recall,
    labelled_retrieval,
    compared_with_live,
    quarantined_share,
    collapsed_vectors,
)
REQUIRED = frozenset(each.name for each in CHECKS if each.blocking)
_BY_HAND = ("accounts", "ann_recall", "compared_with_live", "collapsed_vectors")  # a person may accept their failure


def require_acceptable(names: Collection[str]) -> None:
    """Raise PromotionError for checks whose failure nobody may accept: vectors of them can't be searched."""
    for name in names:
        if name not in _BY_HAND:
            raise PromotionError(
                f"A promotion despite check {name!r} is not possible; it is despite: {', '.join(_BY_HAND)}."
            )


def _finding(passed: bool, summary: str, **figures: Any) -> Finding:
    return Finding(bool(passed), summary, figures)


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
