"""Tables of a status."""

from collections.abc import Sequence

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.options import short_path
from embed_assets.pipeline.status import EncoderStatus, SourceStatus, Status

_PLACES = 10  # out of reach, of one source


def print_status(status: Status, console: PlainConsole | None = None) -> None:
    """Print sources and encoders as two tables, with warnings beneath."""
    console = console or make_console()
    console.print(_sources_table(status.sources))
    console.print(_encoders_table(status.encoders))
    for source in status.sources:
        for reason, count in source.reasons.items():
            console.tell(f"  quarantined in {source.source}: {count} {reason}", style="yellow")
        for line in _warnings(source):
            console.tell(f"  embedded with a warning, {source.source}: {line}", style="yellow")
    print_warnings(status, console)
    for source, kinds in status.unencoded.items():
        for kind, count in kinds.items():
            line = f"  {source}: {count} {kind} items that no encoder of this pipeline takes"
            console.tell(line, style="yellow")
    if status.unencoded or any(source.reasons for source in status.sources):
        console.tell(f"  which they are: embed-assets quarantine --store {short_path(status.store)}", style="yellow")
    for source, line in status.whole_tables.items():
        console.tell(f"  {source}: {line}", style="dim")
    for name in status.unresolved:
        console.tell(f"  {name}: no version yet; the next run makes one", style="yellow")
    for encoder in status.encoders:
        for line in _version_lines(encoder):
            console.tell(f"  {encoder.encoder}: {line}")
        for failure in encoder.failures:
            console.tell(f"  {encoder.encoder}: {failure}", style="yellow")


def print_warnings(status: Status, console: PlainConsole | None = None) -> None:
    """Print what is unreachable or unreadable, names that match no item, and columns whose values disagree."""
    console = console or make_console()
    lines = [f"{source}: {reason}" for source, reason in status.unusable.items()]
    for source, found in status.out_of_reach.items():
        lines += [f"{source}: {each.summary()}" for each in found[:_PLACES]]
        if len(found) > _PLACES:
            lines.append(f"{source}: and {len(found) - _PLACES:,} more places out of reach; status --json has them all")
    lines += [f"{source}: {found.summary()}" for source, found in status.unmatched.items()]
    lines += [f"column {conflict}" for conflict in status.column_conflicts]
    lines += [f"{encoder.encoder}: {note}" for encoder in status.encoders for note in encoder.notes]
    for line in lines:
        console.tell(f"  {line}", style="yellow")


def _warnings(source: SourceStatus) -> list[str]:
    """List items that were embedded with a warning, the first by name."""
    more = sum(source.warnings.values()) - len(source.warned)
    return [*source.warned, *([f"and {more:,} more items"] if more > 0 else [])]


def _sources_table(sources: Sequence[SourceStatus]) -> Table:
    table = Table(title="Media items", title_justify="left", title_style="bold")
    for name in ("source", "encoder"):
        table.add_column(name)
    for name in ("embedded", "unchanged", "quarantined", "deleted", "items"):
        table.add_column(name, justify="right")
    for row in sources:
        unchanged = row.unchanged + row.reused
        numbers = (row.embedded, unchanged, row.quarantined, row.deleted, row.items)
        table.add_row(row.source, row.encoder or "none", *(f"{number:,}" for number in numbers))
    return table


def _encoders_table(encoders: Sequence[EncoderStatus]) -> Table:
    table = Table(title="Encoders", title_justify="left", title_style="bold")
    for name in ("encoder", "space", "version", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("dim", "vectors", "items/s", "checks", "recall@10", "nDCG@10"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in encoders:
        recall = "" if row.recall_at_10 is None else f"{row.recall_at_10:.3f}" if row.ann else "exact"
        table.add_row(
            row.encoder,
            row.space,
            row.version,
            row.state,
            str(row.dim),
            f"{row.vectors:,}",
            f"{row.items_per_second:,.0f}" if row.items_per_second else "",
            f"{row.checks_passed}/{row.checks}" if row.checks else "",
            recall,
            "" if row.ndcg_at_10 is None else f"{row.ndcg_at_10:.3f}",
        )
    return table


def _version_lines(encoder: EncoderStatus) -> list[str]:
    """Describe the live version where it is another one, the other active ones, and those rolled back from."""
    lines = [
        f"version {kept.version} is {kept.state}, {kept.vectors:,} vectors"
        + (f", {kept.stale:,} items behind" if kept.stale else "")
        for kept in encoder.kept
    ]
    served_here = [encoder.version, *(kept.version for kept in encoder.kept)]
    if encoder.live and encoder.live.rpartition("/")[2] not in served_here:
        lines.append(f"space {encoder.space} serves {encoder.live}")
    lines += [f"version {version} was rolled back from: it is promoted by hand only" for version in encoder.held]
    if encoder.stale:
        lines.append(f"{encoder.stale:,} items to encode, rewrite or remove")
    return lines
