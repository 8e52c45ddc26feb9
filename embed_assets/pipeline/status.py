"""Status: what a store holds and how it got there, from the store alone."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow.compute

from embed_assets.embedding.embed_report import OUTCOMES
from embed_assets.manifest.unmatched_sidecar_rows import Unmatched, read_unmatched
from embed_assets.manifest.unreachable_items import UnreachableItems, read_unreachable
from embed_assets.manifest.user_column_types import ColumnTypes
from embed_assets.media.tables.text_files import KINDS
from embed_assets.pipeline.quarantined_items import unencoded_items
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.unreadable_share import unreadable
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.releases import newest as newest_releases
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.user_columns import type_name
from embed_assets.store.versions import VersionId, VersionRecord

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_TABLE = f"(?i)({'|'.join(map(re.escape, KINDS))})$"  # names of tables


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """A source as one encoder saw it in its latest run that changed something."""

    source: str
    encoder: str  # "" for items of no known kind, which no encoder takes
    embedded: int = 0
    reused: int = 0
    unchanged: int = 0
    quarantined: int = 0
    deleted: int = 0
    reasons: Mapping[str, int]
    warnings: Mapping[str, int] = field(default_factory=dict)  # kind → items embedded in that run with it
    warned: Sequence[str] = ()  # the first of these: "key: what, where"

    @property
    def items(self) -> int:
        """Items of the account, deleted ones included."""
        return self.embedded + self.reused + self.unchanged + self.quarantined + self.deleted


@dataclass(frozen=True, kw_only=True)
class ActiveVersionStatus:
    """A version that is kept fresh beside the current one: live, or one to go back to."""

    version: str
    state: str  # live, previous
    vectors: int
    stale: int


@dataclass(frozen=True, kw_only=True)
class EncoderStatus:
    """The current version of an encoder, and whether it serves."""

    encoder: str
    space: str
    version: str
    dim: int
    vectors: int
    items_per_second: float
    checks_passed: int
    checks: int
    recall_at_10: float | None
    ann: bool
    ndcg_at_10: float | None
    state: str  # live, candidate; before it is indexed: not embedded, in part, not indexed
    failures: tuple[str, ...]
    notes: tuple[str, ...]  # of checks that passed: labels of queries that are not in the index
    stale: int  # items to encode, rewrite or remove, by the manifest as it was last refreshed
    live: str | None = None  # what the space serves: encoder/version
    kept: tuple[ActiveVersionStatus, ...] = ()  # other versions that new media reaches
    held: tuple[str, ...] = ()  # versions of it that were rolled back from: only promoted by hand
    settled: bool = True  # indexed, checked, and the pointer where a run would leave it: all kept versions
    columns: Mapping[str, str] = field(default_factory=dict)  # the user's columns by name: their types

    @property
    def fresh(self) -> bool:
        """Whether a run has nothing to do for it."""
        return self.settled and not self.stale and not any(each.stale for each in self.kept)


@dataclass(frozen=True, kw_only=True)
class Status:
    """Sources and encoders of a store."""

    store: str
    sources: tuple[SourceStatus, ...]
    encoders: tuple[EncoderStatus, ...]
    unencoded: Mapping[str, Mapping[str, int]]  # source → modality → items that no encoder is fed
    unresolved: tuple[str, ...]  # encoders of the settings that have no version yet
    unusable: Mapping[str, str]  # source → how many of its files nothing can read, where these are too many
    out_of_reach: Mapping[str, tuple[UnreachableItems, ...]]  # source → what its latest refresh could not get at
    unmatched: Mapping[str, Unmatched]  # source → rows of its sidecar that name no item
    column_conflicts: tuple[str, ...] = ()  # of the user's columns: a line each
    whole_tables: Mapping[str, str] = field(default_factory=dict)  # source → which tables are embedded as one text

    @property
    def fresh(self) -> bool:
        """Whether a run would find nothing to do, by the manifests as they were last refreshed.

        A candidate that waits to be promoted by hand, or that was rolled back from, leaves nothing to a run.
        """
        return not self.unresolved and all(encoder.fresh for encoder in self.encoders)

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return asdict(self) | {"fresh": self.fresh}


@one_moment()
def read_status(steps: Steps) -> Status:
    """Read the status of a pipeline's store; neither lists sources nor loads models."""
    newest = {name: record for name in steps.settings.encoders if (record := steps.current_version(name))}
    events = steps.store.history.all("embed")
    releases = newest_releases(steps.store.releases.all())
    sources: list[SourceStatus] = []
    unknown: dict[str, Mapping[str, int]] = {}
    encoders: list[EncoderStatus] = []
    columns: list[ColumnTypes] = []
    for name, record in newest.items():
        own = [event for event in events if VersionId(event["encoder"], event["version"]) == record.id]
        plan = steps.plan(record, again=True)  # as a run does
        sources.extend(_sources(name, steps.settings.sources_of(name), own[-1] if own else {}))
        unknown |= plan.unknown
        columns.append(steps.column_types(record))
        encoders.append(_encoder(steps, record, own, plan.items, releases, columns[-1]))
    sources.extend(
        SourceStatus(source=source, encoder="", quarantined=sum(reasons.values()), reasons=dict(reasons))
        for source, reasons in unknown.items()
    )
    return Status(
        store=steps.store.uri,
        sources=tuple(sources),
        encoders=tuple(encoders),
        unencoded=_unencoded(steps, list(newest.values())),
        unresolved=tuple(name for name in steps.settings.encoders if name not in newest),
        unusable=_unusable(steps),
        out_of_reach=_out_of_reach(steps),
        unmatched=_unmatched(steps),
        column_conflicts=tuple(dict.fromkeys(line for types in columns for line in types.conflicts)),
        whole_tables=_whole_tables(steps),
    )


def _out_of_reach(steps: Steps) -> dict[str, tuple[UnreachableItems, ...]]:
    states = {source: steps.manifest.state(source).unreachable for source in steps.settings.sources}
    return {source: read_unreachable(state) for source, state in states.items() if state}


def _unmatched(steps: Steps) -> dict[str, Unmatched]:
    states = {source: steps.manifest.state(source).unmatched for source in steps.settings.sources}
    return {source: found for source, state in states.items() if (found := read_unmatched(state))}


def _unusable(steps: Steps) -> dict[str, str]:
    """Return a line for sources with too many files of unknown kind: they belong to no encoder."""
    most = steps.settings.checks.max_quarantined_share
    shares = {source: unreadable(steps.manifest, source, most=most) for source in steps.settings.sources}
    return {source: each.summary() for source, each in shares.items() if not each.passed}


def _whole_tables(steps: Steps) -> dict[str, str]:
    """Return a line for sources whose settings name no columns of tables: each table is a text like others."""
    lines: dict[str, str] = {}
    for source, settings in steps.settings.sources.items():
        if settings.kind != "files" or settings.table.content:
            continue
        items = steps.manifest.table([source], columns=["key", "status"])
        keys = items.filter(pc.and_(pc.equal(items["status"], "ok"), pc.match_substring_regex(items["key"], _TABLE)))
        if keys.num_rows:
            lines[source] = (
                f"{keys.num_rows:,} {'table is' if keys.num_rows == 1 else 'tables are'} embedded as one text, not by "
                f"rows ({keys['key'][0]}): sources.{source}.table.text names columns to embed, table.extra those to "
                "filter by"
            )
    return lines


def _unencoded(steps: Steps, records: list[VersionRecord]) -> dict[str, dict[str, int]]:
    """Count items that no encoder takes (`unencoded_items`) by source and modality."""
    counts: dict[str, Counter[str]] = {}
    kinds_of = ["source", "modality", "status"]
    table = steps.manifest.table(steps.settings.sources, columns=kinds_of)
    grouped = table.group_by(kinds_of).aggregate([([], "count_all")]).to_pylist()
    for row in unencoded_items(grouped, steps, records):
        counts.setdefault(row["source"], Counter())[row["modality"]] += row["count_all"]
    return {source: dict(kinds) for source, kinds in counts.items()}  # asdict makes pairs of a Counter's keys


def _sources(encoder: str, names: list[str], event: Mapping[str, Any]) -> list[SourceStatus]:
    statuses = []
    for source in names:
        items = event.get("items", {}).get(source, {})
        counted = {outcome: items.get(outcome, 0) for outcome in OUTCOMES if outcome != "rewritten"}
        if not any(counted.values()):
            continue
        counts = {name: event.get(name, {}).get(source, {}) for name in ("reasons", "warnings")}
        warned = tuple(event.get("warned", {}).get(source, ()))
        statuses.append(SourceStatus(source=source, encoder=encoder, warned=warned, **counts, **counted))
    return statuses


def _encoder(
    steps: Steps,
    record: VersionRecord,
    events: list[dict[str, Any]],
    stale: int,
    releases: Mapping[VersionId, Release],
    columns: ColumnTypes,
) -> EncoderStatus:
    release = releases.get(record.id)
    pointer = steps.store.serving.pointer(record.spec.space)
    live = pointer.live
    kept = steps.active_versions(record.encoder)
    own = {each.version for each in steps.store.versions.of(record.encoder)}
    figures = {check.name: check.figures for check in release.checks} if release else {}
    speeds = [event["items_per_second"] for event in events if event["items_per_second"]]
    passed = [check for check in release.checks if check.passed] if release else []
    failed = [f"{check.name}: {check.summary}" for check in release.checks if not check.passed] if release else []
    return EncoderStatus(
        encoder=record.encoder,
        space=record.spec.space,
        version=record.version,
        dim=record.dim,
        vectors=release.rows if release else _rows(steps, record),
        items_per_second=speeds[-1] if speeds else 0.0,
        checks_passed=len(passed),
        checks=len(release.checks) if release else 0,
        recall_at_10=figures.get("ann_recall", {}).get("recall_at_10"),
        ann=bool(release and release.ann),
        ndcg_at_10=figures.get("labelled_retrieval", {}).get("ndcg_at_10"),
        state=_state(release, live, rows=_rows(steps, record), stale=stale),
        failures=tuple(failed),
        notes=tuple(f"{check.name}: {check.summary}" for check in passed if check.figures.get("unknown")),
        stale=stale,
        live=str(live.version_id) if live else None,
        kept=tuple(_active(steps, each, pointer, releases) for each in kept if each.version != record.version),
        held=tuple(version for version in pointer.held if version in own),
        settled=all(steps.is_up_to_date(each) for each in kept),
        columns={name: type_name(kind) for name, kind in columns.kinds.items()},
    )


def _active(
    steps: Steps, record: VersionRecord, pointer: Pointer, releases: Mapping[VersionId, Release]
) -> ActiveVersionStatus:
    release = releases.get(record.id)
    return ActiveVersionStatus(
        version=record.version,
        state="live" if pointer.serves(record.id) else "previous",
        vectors=release.rows if release else 0,
        stale=steps.plan(record, again=True).items,
    )


def _rows(steps: Steps, record: VersionRecord) -> int:
    table = steps.vectors(record).open()
    return table.count_rows() if table is not None else 0


def _state(release: Release | None, live: Release | None, *, rows: int, stale: int) -> str:
    if release is None and not rows:
        return "not embedded"
    if release is None:
        return "in part" if stale else "not indexed"
    return "live" if live is not None and live.key == release.key else "candidate"
