"""Plan tables: items by source, their cost, the reasons, and what gates the promotion."""

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.embedding.cost_forecast import Forecast, total
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.manifest.pending_items import CLASSES
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.pipeline.plan_report import EncoderPlan, IdentityChange, PipelinePlan

_UNKNOWN = "?"


def print_plan(
    plan: PipelinePlan,
    *,
    details: bool = False,
    budget: RunBudget | None = None,
    console: PlainConsole | None = None,
) -> None:
    """Print every encoder: its items by class, why, what the cost is estimated from, and the gate."""
    console = console or make_console()
    for encoder in plan.encoders:
        console.print(_table(encoder, by_shard=details))
        for line in _lines(encoder):
            console.tell(f"  {line}")
    for refreshed in plan.refreshed:
        for warning in _warnings(refreshed):
            console.tell(f"{refreshed.source}: {warning}", style="yellow")
    if plan.total.items:
        console.tell(f"Total: {_total(plan.total)}")
    if budget is not None and plan.total.items:
        console.tell(_budget(plan, budget))


def _warnings(refreshed: RefreshReport) -> list[str]:
    """List a source's unreadable and unreachable items, and rows of its sidecar that name no item."""
    quarantined = ", ".join(f"{count} {reason}" for reason, count in refreshed.quarantined.items())
    lines = [f"quarantined: {quarantined}"] if quarantined else []
    lines += [each.summary() for each in refreshed.out_of_reach]
    return [*lines, *([refreshed.unmatched.summary()] if refreshed.unmatched else [])]


def count(number: float | None, unit: str = "") -> str:
    """Format a count: 1,234 or 1.2M; "?" where it is unknown."""
    if number is None:
        return _UNKNOWN
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            shown = number / (1e3 if letter == "k" else size)
            return f"{shown:.3g}{letter}{unit}" if shown < 100 else f"{shown:.0f}{letter}{unit}"
    return f"{number:,.0f}{unit}"


def duration(seconds: float | None) -> str:
    """Format a duration: Format a duration: Format a duration: 3 s, 41 min or 2.1 h."""
    if seconds is None:
        return _UNKNOWN
    if seconds < 1:
        return "<1 s"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(plan: EncoderPlan, *, by_shard: bool) -> Table:
    title = f"{plan.encoder}, space {plan.space}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("version", no_wrap=True)
    table.add_column("source", overflow="fold")
    for name in (*(["shard"] if by_shard else []), *CLASSES, *([] if by_shard else _costs(plan))):
        table.add_column(name, justify="right", no_wrap=True)
    for version in plan.versions:
        name = f"{version.record.version} {version.role}"
        if by_shard:
            for (source, shard), counts in version.plan.classes.items():
                table.add_row(name, source, shard, *(f"{counts[kind]:,}" if counts[kind] else "" for kind in CLASSES))
            continue
        for source, counts in version.plan.by_source().items():
            own = [each for each in version.forecasts if each.source == source]
            costs = _cost_cells(total(own), plan) if own else []
            table.add_row(name, source, *(f"{counts[kind]:,}" for kind in CLASSES), *costs)
    return table


def _costs(plan: EncoderPlan) -> list[str]:
    """Return the cost columns; none where nothing is to be encoded."""
    forecasts = [each for version in plan.versions for each in version.forecasts]
    units = {each.unit for each in forecasts}
    if not forecasts:
        return []
    priced = any(each.usd is not None for each in forecasts)
    return ["segments", units.pop() if len(units) == 1 else "cost", "encoding", "bytes", *(["usd"] if priced else [])]


def _cost_cells(found: Forecast, plan: EncoderPlan) -> list[str]:
    cells = [count(found.segments), count(found.cost), duration(found.seconds), count(found.bytes)]
    return [*cells, money(found.usd)] if "usd" in _costs(plan) else cells


def money(usd: float | None) -> str:
    """Format money: in cents where there are some, else with as many digits as it takes."""
    if usd is None:
        return ""
    return f"{usd:.2f}" if usd >= 1 or not usd else f"{usd:.2g}"


def _lines(plan: EncoderPlan) -> list[str]:
    lines = [f"live: {plan.live or 'nothing serves yet'}"]
    if plan.versions[0].role != "live":
        lines += [_why(change, plan) for change in plan.changes]
        equal = [part for part in plan.same if not part.startswith("file ")]
        lines += [f"equal: {', '.join(equal)}"] if plan.changes and equal else []
    for version in plan.versions:
        for source, reasons in version.plan.quarantined.items():
            counts = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
            lines.append(f"quarantined in {source}, not tried again before they change: {counts}")
        lines += [f"{version.record.version} is estimated from: {basis}" for basis in version.total.basis]
        if version.plan.fresh and not version.settled:
            lines.append(f"{version.record.version} has all its vectors; it is to be indexed, checked and served")
    return [*dict.fromkeys(lines), *([] if plan.fresh else [_gate(plan)])]


def _why(change: IdentityChange, plan: EncoderPlan) -> str:
    return f"why: {change.part}: {_short(change.before)} → {_short(change.after)} (against {plan.against})"


def _gate(plan: EncoderPlan) -> str:
    gate = plan.gate
    how = f"by hand (embed-assets promote): {gate.by_hand}" if gate.by_hand else "automatic"
    labelled = f"{gate.judged:,} labelled queries" if gate.judged else "no labelled queries"
    return f"gate: {', '.join(gate.blocking)} must pass; {labelled}; promotion {how}"


def _total(found: Forecast) -> str:
    parts = [f"{found.items:,} items to encode", f"{count(found.segments)} segments"]
    if found.cost is not None:
        parts.append(count(found.cost, f" {found.unit}"))
    parts += [f"about {duration(found.seconds)} of encoding", f"{count(found.bytes, 'B')} more in the store"]
    if found.usd is not None:
        parts.append(f"{money(found.usd)} usd")
    return ", ".join(parts)


def _budget(plan: PipelinePlan, budget: RunBudget) -> str:
    """Say whether the budget is likely to be enough."""
    needed = 0.0
    for encoder in plan.encoders:
        for version in encoder.versions:
            for each in version.forecasts:
                value = {"seconds": each.seconds, "usd": each.usd}.get(budget.unit, each.cost)
                if not budget.counts(version.record.spec, each.modality):
                    continue
                if value is None:
                    return f"Budget of {budget}: it is not known whether that is enough."
                needed += value
    if needed <= budget.limit:
        return f"Budget of {budget}: enough."
    return f"Budget of {budget}: enough for about {budget.limit / needed:.0%}; the rest waits for another run."


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    if len(value) >= 40 and set(value) <= set("0123456789abcdef"):
        return f"{value[:8]}…"
    return value if len(value) <= 60 else f"{value[:59]}…"
