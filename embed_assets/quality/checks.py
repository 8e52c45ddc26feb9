"""The checks on a release: each looks at the table version itself and returns a verdict with figures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.errors import named
from embed_assets.manifest.pending_items import Plan
from embed_assets.quality.ann_recall import Recall
from embed_assets.quality.candidate_comparison import Comparison
from embed_assets.quality.collapsed_vectors import mean_cosine
from embed_assets.quality.labelled_retrieval import Evaluation
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.vector_scan import norms, sample_vectors, vector_batches
from embed_assets.store.upsert import read

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_NAMED = 5  # names in a summary
_UNIT = 0.005  # float16 rounds a component by 5e-4 of itself; the norm stays well within this


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """What a check is called, whether it blocks promotion, and what it says in the UI."""

    name: str
    blocking: bool
    description: str


DIMENSION = CheckSpec(
    name="dimension",
    blocking=True,
    description="The vector column has the dim and the element type of the encoder version.",
)
UNIT_VECTORS = CheckSpec(
    name="unit_vectors",
    blocking=True,
    description="All vectors are finite, none is zero, and all have unit length where the encoder promises it.",
)
ACCOUNTS = CheckSpec(
    name="accounts",
    blocking=True,
    description="Every item of the manifest is embedded, unchanged, quarantined or deleted, exactly once; and the "
    "release is not empty where sources or what serves are not.",
)
ANN_RECALL = CheckSpec(
    name="ann_recall",
    blocking=True,
    description="Recall@10 of the ANN index against exact search, on queries that are not rows of the table.",
)
RETRIEVAL = CheckSpec(
    name="labelled_retrieval",
    blocking=False,
    description="Recall@10 and nDCG@10 on the judged queries of the space's query set.",
)
QUARANTINED = CheckSpec(
    name="quarantined_share",
    blocking=False,
    description="Share of the items of the encoder's kinds that were set aside.",
)
COLLAPSED = CheckSpec(
    name="collapsed_vectors",
    blocking=False,
    description="Mean cosine of pairs: near 1, the encoder says the same of everything. Blocks where live tells "
    "the same items apart, or canary texts have one vector as well.",
)
COMPARED = CheckSpec(
    name="compared_with_live",
    blocking=True,
    description="Labelled nDCG@10 and recall@10 beside what the space serves; overlap and latency for information.",
)
ALL = (DIMENSION, UNIT_VECTORS, ACCOUNTS, ANN_RECALL, RETRIEVAL, COMPARED, QUARANTINED, COLLAPSED)
REQUIRED = frozenset(spec.name for spec in ALL if spec.blocking)


def check_dimension(table: "Table", release: Release, *, vector_dtype: str) -> CheckVerdict:
    """The column's type against the encoder version's."""
    kind = table.schema.field("vector").type
    fixed = isinstance(kind, pa.FixedSizeListType)
    number = pa.array([], kind.value_type).to_numpy().dtype.name if fixed else str(kind)
    found_dim = kind.list_size if fixed else 0
    passed = number == vector_dtype and found_dim == release.dim
    summary = f"vectors are {number}[{found_dim}]; the encoder version has {vector_dtype}[{release.dim}]"
    return _verdict(DIMENSION, passed, summary, dim=found_dim, expected_dim=release.dim)


def check_unit_vectors(table: "Table", *, unit_length: bool) -> CheckVerdict:
    """Finite, not zero, and of unit length; every row is looked at."""
    rows = not_finite = zero = off = 0
    low, high = np.inf, -np.inf
    for vectors in vector_batches(table):
        found = norms(vectors)
        finite = np.isfinite(found)
        rows += len(found)
        not_finite += int((~finite).sum())
        zero += int((found == 0).sum())
        off += int((np.abs(found[finite] - 1) > _UNIT).sum())
        if finite.any():
            low, high = min(low, float(found[finite].min())), max(high, float(found[finite].max()))
    bad = not_finite + zero + (off if unit_length else 0)
    summary = f"{rows} vectors: {not_finite} not finite, {zero} zero"
    if unit_length:
        summary += f", {off} off unit length"
    norms_seen = {"min_norm": round(low, 5), "max_norm": round(high, 5)} if rows and np.isfinite(low) else {}
    return _verdict(
        UNIT_VECTORS,
        bad == 0,
        summary,
        rows=rows,
        not_finite=not_finite,
        zero=zero,
        off_unit_length=off,
        **norms_seen,
    )


def check_accounts(table: "Table", plan: Plan, *, nothing: str = "") -> CheckVerdict:
    """Manifest against rows: nothing missing, nothing doubled, nothing without its item.

    `nothing` says why the release is empty, where it must not be.
    """
    columns = read(table, ["segment_id", "media_id", "segment_count"])
    items = columns.group_by("media_id").aggregate(
        [([], "count_all"), ("segment_count", "min"), ("segment_count", "max")]
    )
    whole = pc.and_(
        pc.equal(items["count_all"], items["segment_count_min"]),
        pc.equal(items["segment_count_min"], items["segment_count_max"]),
    )
    torn = items.num_rows - (pc.sum(whole).as_py() or 0)
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
    return _verdict(
        ACCOUNTS,
        closed and not nothing,
        nothing or summary,
        items=total,
        with_vectors=embedded,
        quarantined=quarantined,
        deleted=deleted,
        missing=missing,
        orphans=orphans,
        doubled=doubled,
        torn=torn,
    )


def check_ann_recall(recall: Mapping[str, Recall] | None, *, target: float, rows: int) -> CheckVerdict:
    """The worst modality of the held-out queries counts. None: there is no ANN index to measure."""
    if recall is None:
        return _verdict(ANN_RECALL, True, f"exact search: no ANN index on {rows} rows", exact=True, recall_at_10=1.0)
    if not recall:
        return _verdict(ANN_RECALL, False, "no held-out query could be made to measure the ANN index with")
    worst_name, worst = min(recall.items(), key=lambda item: item[1].mean)
    figures = {f"recall_at_10_{name}": round(seen.mean, 4) for name, seen in recall.items()}
    summary = f"recall@10 {worst.mean:.3f} on {worst.queries} held-out {worst_name} queries, asked for {target:.2f}"
    return _verdict(
        ANN_RECALL,
        worst.mean >= target,
        summary,
        exact=False,
        recall_at_10=round(worst.mean, 4),
        recall_at_10_lower=round(worst.lower, 4),
        queries=worst.queries,
        nprobes=worst.nprobes,
        refine_factor=worst.refine_factor,
        **figures,
    )


def check_retrieval(evaluation: Evaluation | None, *, min_recall: float, min_ndcg: float) -> CheckVerdict:
    """Judged queries against the floors of the settings. None: the space has no query set."""
    if evaluation is None:
        return _verdict(RETRIEVAL, True, "the space has no query set")
    passed = evaluation.recall_at_10 >= min_recall and evaluation.ndcg_at_10 >= min_ndcg and evaluation.queries > 0
    summary = (
        f"recall@10 {evaluation.recall_at_10:.3f} (floor {min_recall:.2f}), "
        f"nDCG@10 {evaluation.ndcg_at_10:.3f} (floor {min_ndcg:.2f}) on {evaluation.queries} judged queries"
    )
    if evaluation.unknown:
        unknown = named(evaluation.unknown[:_NAMED], of=len(evaluation.unknown))
        summary += f"; judgements name what is not in the index: {unknown}"
    figures = {name: value for name, value in asdict(evaluation).items() if name != "unknown"}
    return _verdict(RETRIEVAL, passed, summary, **_rounded(figures), unknown=len(evaluation.unknown))


def check_compared(found: Comparison | str, *, max_loss: float, max_lost_share: float) -> CheckVerdict:
    """The candidate may not be worse than live by more than `max_loss`, nor have set aside more of live's items.

    A text: why there is nothing to compare.
    """
    if isinstance(found, str):
        return _verdict(COMPARED, True, found)
    own, live = found.candidate, found.live_quality
    measured = {
        "live": found.live,
        "overlap_at_10": found.overlap_at_10,
        "queries": found.queries or None,
        "median_ms": found.median_ms,
        "live_median_ms": found.live_median_ms,
        "lost_items": found.lost or None,
    }
    if own is not None:
        measured |= {"ndcg_at_10": own.ndcg_at_10, "recall_at_10": own.recall_at_10, "judged_queries": own.queries}
    if live is not None:
        measured |= {"live_ndcg_at_10": live.ndcg_at_10, "live_recall_at_10": live.recall_at_10}
    figures = _rounded({name: value for name, value in measured.items() if value is not None})
    passed, summary = _not_worse(found, max_loss) if found.judged else (True, "the space has no judgements")
    if found.overlap_at_10 is not None:
        summary += f"; {found.overlap_at_10:.0%} of the ten nearest items are live's as well"
        summary += f"; {found.median_ms} ms a query (live {found.live_median_ms} ms)"
    if found.lost:
        share = found.lost / found.live_items
        passed = passed and share <= max_lost_share
        summary += (
            f"; {found.lost} of live's {found.live_items} items were set aside ({share:.1%}, at most "
            f"{max_lost_share:.1%}: checks.max_quarantined_share)"
        )
    return _verdict(COMPARED, passed, "; ".join(part for part in (summary, found.note) if part), **figures)


def _not_worse(found: Comparison, max_loss: float) -> tuple[bool, str]:
    own, live = found.candidate, found.live_quality
    if live is None or own is None:
        way = "Restore live's model, or set checks.max_quality_loss to 1 to do without the comparison"
        return max_loss >= 1, "no figures to compare by" if max_loss >= 1 else f"no figures to compare by. {way}"
    if not own.queries:
        way = "Mend the query set, or set checks.max_quality_loss to 1 to do without the comparison"
        return max_loss >= 1, f"no judged query has a relevant item that both hold. {way}"
    loss = max(live.ndcg_at_10 - own.ndcg_at_10, live.recall_at_10 - own.recall_at_10)
    which = ", as recorded" if found.recorded else ""
    summary = (
        f"nDCG@10 {own.ndcg_at_10:.3f} (live {live.ndcg_at_10:.3f}{which}), recall@10 {own.recall_at_10:.3f} "
        f"(live {live.recall_at_10:.3f}) on {own.queries} judged queries, at most {max_loss:.2f} worse"
    )
    return loss <= max_loss + 1e-9, summary


def check_quarantined(plan: Plan, *, max_share: float) -> CheckVerdict:
    """How much of what the encoder reads was set aside, and why.

    What is of no known kind belongs to its source, whose status tells of it once, and to no encoder.
    """
    reasons = Counter[str]()
    for found in plan.quarantined.values():
        reasons.update(found)
    aside = sum(reasons.values())
    total = aside + sum(plan.unchanged.values()) + len(plan.encode)
    share = aside / total if total else 0.0
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(5))
    summary = f"{aside} of {total} items ({share:.1%}, at most {max_share:.1%})" + (f": {why}" if why else "")
    return _verdict(QUARANTINED, share <= max_share, summary, quarantined=aside, share=round(share, 5))


def check_collapsed(table: "Table", *, max_mean_cosine: float, useless: str = "") -> CheckVerdict:
    """Mean cosine of all pairs of a sample of rows: a warning, for media may be alike.

    `useless` says why the vectors are of no use, where it is not the media: that blocks.
    """
    vectors = sample_vectors(table, 2000)
    if len(vectors) < 2:
        return _verdict(COLLAPSED, True, "fewer than two vectors")
    mean = mean_cosine(vectors)
    passed = np.isfinite(mean) and mean <= max_mean_cosine
    summary = f"mean cosine of pairs {mean:.3f}, at most {max_mean_cosine:.2f}"
    figures = {"mean_cosine": round(mean, 4)} if np.isfinite(mean) else {}
    verdict = _verdict(COLLAPSED, bool(passed) and not useless, useless or summary, **figures)
    return replace(verdict, blocking=True) if useless else verdict


def _verdict(spec: CheckSpec, passed: bool, summary: str, **figures: Any) -> CheckVerdict:
    return CheckVerdict(name=spec.name, passed=bool(passed), blocking=spec.blocking, summary=summary, figures=figures)


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
