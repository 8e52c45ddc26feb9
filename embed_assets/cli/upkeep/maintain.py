"""embed-assets maintain: compact, index and clean up, within a bounded time."""

import click

from embed_assets import progress
from embed_assets.cli.shared.dagster_records import forget_partition, tell_moved
from embed_assets.cli.shared.move_pointer import by
from embed_assets.cli.shared.options import json_option, short_path, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.store.upkeep.maintenance import MaintenanceReport


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(min=0), help="Begin nothing new after so long. Default: the settings'."
)
@store_option
@json_option
def command(seconds: float | None, store: str, as_json: bool) -> None:
    """Compact tables, bring indices up to date and remove old table versions, where it is worth it.

    What a pointer names, what it named lately and every candidate of a current version stays. Versions that
    are neither current, live nor to go back to are retired `maintenance.keep_hours` after another became
    current. It may run at any time.
    """
    steps = steps_of(store)
    before = {pointer.space: pointer.generation for pointer in steps.store.serving.pointers()}
    with Progress(quiet=as_json) as shown, progress.listening(shown.step):
        report = steps.maintain(seconds=seconds, by=by("maintain"))
    for version in report.forgotten:
        forget_partition(steps.settings, version)
    moved = [each for each in steps.store.serving.pointers() if each.generation != before.get(each.space)]
    tell_moved(steps, moved)
    if as_json:
        say_json(report.figures())
        return
    say(_summary(report, short_path(steps.store.uri)))


def _summary(report: MaintenanceReport, store: str) -> str:
    done = [
        f"{what} {len(tables)} {'table' if len(tables) == 1 else 'tables'}"
        for what, tables in (
            ("retired versions with", report.retired),
            ("compacted", report.compacted),
            ("indexed", report.indexed),
            ("dropped", report.dropped),
        )
        if tables
    ]
    if report.cleaned:
        removed = sum(report.cleaned.values())
        done.append(f"removed {removed} old table versions ({report.bytes_removed / 1e6:,.1f} MB)")
    if report.untagged:
        done.append(f"released {len(report.untagged)} releases that nothing needs")
    line = f"{', '.join(done) or 'nothing to do'} ({report.seconds:.1f} s)."
    if report.left or report.skipped:
        line += f" Left: {len(report.left) + len(report.skipped)}; again: embed-assets maintain --store {store}"
    else:
        line += f" Next: embed-assets status --store {store}"
    return line[0].upper() + line[1:]
