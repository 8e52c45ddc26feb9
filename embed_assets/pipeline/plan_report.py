"""Plan report: what the next run will do and cost, why, and what will gate it; encodes nothing."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embed_assets.embedding.cost_forecast import (
    Forecast,
    Rate,
    forecast,
    measured_rates,
    rates_of_sample,
    row_size,
    total,
)
from embed_assets.manifest.pending_items import CLASSES, Plan
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.pipeline.steps import Steps
from embed_assets.quality import checks
from embed_assets.store.buckets.one_moment import one_moment
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.resolve_version import Resolved


@dataclass(frozen=True, kw_only=True)
class IdentityChange:
    """A part of an encoder's identity that is another now."""

    part: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class VersionPlan:
    """The work of one encoder version that is kept fresh."""

    record: VersionRecord
    role: str  # new, candidate, live, previous
    plan: Plan
    settled: bool  # its rows are indexed and checked, and the pointer is where a run would leave it
    forecasts: tuple[Forecast, ...]

    @property
    def fresh(self) -> bool:
        """Whether a run has nothing to do for it."""
        return self.plan.fresh and self.settled

    @property
    def total(self) -> Forecast:
        """Sum over all its sources."""
        return total(self.forecasts)

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {
            "version": self.record.version,
            "role": self.role,
            "fresh": self.fresh,
            "settled": self.settled,
            "sources": [_row(counts, source=source) for source, counts in self.plan.by_source().items()],
            "shards": [
                _row(counts, source=source, shard=shard) for (source, shard), counts in self.plan.classes.items()
            ],
            "errors": {source: dict(reasons) for source, reasons in self.plan.quarantined.items()},
            "forecast": [each.document() for each in self.forecasts],
            "total": self.total.document(),
        }


@dataclass(frozen=True, kw_only=True)
class GatePlan:
    """Checks and settings that gate a candidate."""

    promotion: str  # automatic, manual
    by_hand: str  # why it is manual; "" where it is not
    held: bool  # it was rolled back from
    blocking: tuple[str, ...]  # names of checks
    judged: int  # labelled queries of the space

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return asdict(self) | {"blocking": list(self.blocking)}


@dataclass(frozen=True, kw_only=True)
class EncoderPlan:
    """All kept versions of an encoder, the one that the settings mean first."""

    encoder: str
    space: str
    live: str | None  # what the space serves: encoder/version
    versions: tuple[VersionPlan, ...]
    against: str | None  # version that the changes are against: the live one, else the one before
    changes: tuple[IdentityChange, ...]
    same: tuple[str, ...]  # parts of the identity that stayed equal
    gate: GatePlan

    @property
    def fresh(self) -> bool:
        """Whether a run has nothing to do for the encoder."""
        return all(version.fresh for version in self.versions)

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {
            "encoder": self.encoder,
            "space": self.space,
            "fresh": self.fresh,
            "version": self.versions[0].record.version,
            "live": self.live,
            "against": self.against,
            "changes": [asdict(change) for change in self.changes],
            "same": list(self.same),
            "gate": self.gate.document(),
            "versions": [version.document() for version in self.versions],
        }


@dataclass(frozen=True, kw_only=True)
class PipelinePlan:
    """Work of the next run of a pipeline."""

    store: str
    refreshed: tuple[RefreshReport, ...]
    encoders: tuple[EncoderPlan, ...]

    @property
    def fresh(self) -> bool:
        """Whether a run has nothing to do."""
        return all(encoder.fresh for encoder in self.encoders)

    @property
    def total(self) -> Forecast:
        """Sum over all encoders."""
        return total([each for encoder in self.encoders for version in encoder.versions for each in version.forecasts])

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {
            "store": self.store,
            "fresh": self.fresh,
            "refreshed": [report.figures() for report in self.refreshed],
            "encoders": [encoder.document() for encoder in self.encoders],
            "total": self.total.document(),
        }


def plan_pipeline(steps: Steps, *, sample: int = 0) -> PipelinePlan:
    """Bring the manifests up to date, then plan every encoder; registers, encodes and promotes nothing.

    With `sample`, so many random stale items of each version are read and encoded in memory first.
    """
    with steps.scratch_manifest():
        refreshed = tuple(steps.refresh(source) for source in steps.settings.sources)
        encoders = tuple(plan_encoder(steps, encoder, sample=sample) for encoder in steps.settings.encoders)
    return PipelinePlan(store=steps.store.uri, refreshed=refreshed, encoders=encoders)


@one_moment()
def plan_encoder(steps: Steps, encoder: str, *, resolved: Resolved | None = None, sample: int = 0) -> EncoderPlan:
    """Plan one encoder by the manifests as they are. `resolved` spares resolving it again."""
    resolution = resolved or steps.resolve(encoder, register=False)
    record, pointers = resolution.record, steps.store.serving.pointers()
    pointer = steps.store.serving.pointer(record.spec.space)
    named = [active for active in steps.active_versions(encoder) if any(each.names(active.id) for each in pointers)]
    active = [record, *(each for each in named if each.version != record.version)]
    versions = tuple(
        _version(steps, each, is_new=resolution.is_new and each is record, pointer=pointer, sample=sample)
        for each in active
    )
    live = pointer.live
    before = next((each for each in active[1:] if live and live.encoder_version == each.version), resolution.before)
    changes, same = _difference(before, record)
    return EncoderPlan(
        encoder=encoder,
        space=record.spec.space,
        live=str(live.version_id) if live else None,
        versions=versions,
        against=before.version if before else None,
        changes=changes,
        same=same,
        gate=_gate(steps, record, pointer),
    )


def plan_tables(plan: EncoderPlan) -> dict[str, list[dict[str, Any]]]:
    """Return the plan as plain rows: "items" and "shards" by version, "forecast", "why", "gate"."""
    items: list[dict[str, Any]] = []
    shards: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    for version in plan.versions:
        document = version.document()
        name = {"version": version.record.version, "role": version.role}
        items += [name | row for row in document["sources"]]
        shards += [name | row for row in document["shards"]]
        costs += [name | row | {"basis": "; ".join(row["basis"])} for row in document["forecast"]]
    why = [asdict(change) for change in plan.changes]
    promotion = f"{plan.gate.promotion}: {plan.gate.by_hand}" if plan.gate.by_hand else plan.gate.promotion
    gate = {"promotion": promotion, "labelled queries": plan.gate.judged}
    rows = [{"what": what, "value": value} for what, value in gate.items()]
    rows += [{"what": "blocking check", "value": name} for name in plan.gate.blocking]
    return {"items": items, "shards": shards, "forecast": costs, "why": why, "gate": rows}


def _version(steps: Steps, record: VersionRecord, *, is_new: bool, pointer: Pointer, sample: int) -> VersionPlan:
    plan = steps.plan(record, again=True)  # as a run does
    role = "new" if is_new else "candidate"
    if pointer.names(record.id):
        role = "live" if pointer.serves(record.id) else "previous"
    return VersionPlan(
        record=record,
        role=role,
        plan=plan,
        settled=not is_new and steps.is_up_to_date(record),
        forecasts=tuple(_forecasts(steps, record, plan, sample)),
    )


def _forecasts(steps: Steps, record: VersionRecord, plan: Plan, sample: int) -> Sequence[Forecast]:
    if not plan.encode:
        return []
    history = steps.store.history
    others = [each for name in steps.settings.encoders for each in steps.store.versions.of(name)]
    rates: Mapping[str, Rate] = measured_rates(history.all("embed"), record, others)
    if sample:
        chosen = random.Random(0).sample(list(plan.encode), min(sample, len(plan.encode)))
        rates = {**rates, **rates_of_sample(steps.sample(record, chosen))}
    indexed = history.last("index", encoder=record.encoder)
    of = next((each for each in others if indexed and each.version == indexed["version"]), record)
    return forecast(plan.encode, record, rates, row_bytes=row_size(record, indexed, dim=of.dim))


def _gate(steps: Steps, record: VersionRecord, pointer: Pointer) -> GatePlan:
    by_hand = steps.manual_promotion_reason(record, pointer)
    return GatePlan(
        promotion="manual" if by_hand else "automatic",
        by_hand=by_hand,
        held=record.version in pointer.held,
        blocking=tuple(spec.name for spec in checks.CHECKS if spec.blocking),
        judged=len(steps.context.queries.labelled(record.spec.space)),
    )


def _difference(before: VersionRecord | None, now: VersionRecord) -> tuple[tuple[IdentityChange, ...], tuple[str, ...]]:
    """Return changed and equal parts of the identity, against the version before."""
    if before is None or before.version == now.version:
        return (), ()
    old, new = _facts(before), _facts(now)
    if before.files and now.files:  # hub models have none, but a revision
        old |= {f"file {name}": sha for name, sha in before.files.items()}
        new |= {f"file {name}": sha for name, sha in now.files.items()}
    names = sorted(old.keys() | new.keys())
    changes = [IdentityChange(part=n, before=old.get(n), after=new.get(n)) for n in names if old.get(n) != new.get(n)]
    return tuple(changes), tuple(name for name in names if old.get(name) == new.get(name))


def _facts(record: VersionRecord) -> dict[str, str]:
    """Return the parts of the identity, and each setting of the cutting under its own name."""
    revision = {"revision": record.revision} if record.revision else {}
    cut = {
        f"{section}.{name}": "unset" if value is None else str(value)
        for section, options in record.segmenting.items()
        for name, value in (options.items() if isinstance(options, Mapping) else [("value", options)])
    }
    return {**record.parts, **revision, **cut}


def _row(counts: Mapping[str, int], **names: str) -> dict[str, Any]:
    return {**names, **{name: counts.get(name, 0) for name in CLASSES}}
