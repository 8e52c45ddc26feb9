"""Options that the inspections of a space share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from embed_assets.cli.shared.plain_output import say
from embed_assets.errors import SettingsError
from embed_assets.quality.inspection.export_table import export_table
from embed_assets.quality.inspection.inspection_report import InspectionReport, arrow_table
from embed_assets.quality.inspection.item_neighbours import MOST_ITEMS


def sample_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--sample`: how many items are compared."""
    return click.option(
        "--sample",
        type=click.IntRange(min=10),
        default=MOST_ITEMS,
        show_default=True,
        help="Items that are compared with each other, drawn at random of more; the time grows with the square.",
    )(function)


def export_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--export`: all rows as a file."""
    return click.option(
        "--export", "export", metavar="FILE", help="Write all rows, of one space, to a .parquet or .csv file."
    )(function)


def exported(reports: list[Any], export: str | None, *, quiet: bool) -> None:
    """Write the rows of the one report to the file. Raises SettingsError where there are several."""
    if export is None:
        return
    require_one(reports, export)
    report: InspectionReport = reports[0]
    file = export_table(arrow_table(report), export)
    say_written([file], quiet=quiet)


def require_one(spaces: list[Any], export: str) -> None:
    """Raise SettingsError where an export would be of several spaces."""
    if len(spaces) > 1:
        raise SettingsError(f"--export {export} is of one space, and there are {len(spaces)}: name one of them.")


def say_written(files: list[Path], *, quiet: bool) -> None:
    """Name the files that were written; on stderr, where stdout is JSON."""
    for file in files:
        say(f"Wrote {file}", err=quiet)
