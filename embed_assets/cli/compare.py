"""embed-assets compare: which encoder is better on these media, beyond noise, and what each would cost."""

import click

from embed_assets import progress
from embed_assets.cli.shared.chosen_settings import chosen_settings
from embed_assets.cli.shared.options import json_option, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.tables.leaderboard_tables import print_leaderboard
from embed_assets.pipeline.compared_encoders import with_encoders
from embed_assets.pipeline.comparison_steps import SAMPLE
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.leaderboard.leaderboard_document import leaderboard_document


@click.command()
@click.argument("encoders", nargs=-1, required=True, metavar="ENCODER…")
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of the store's own.")
@store_option
@click.option("--space", help="Space whose judged queries are used; unset: that of the first encoder.")
@click.option(
    "--sample", type=click.IntRange(min=10), default=SAMPLE, show_default=True, help="Items that are embedded."
)
@click.option("--variants/--no-variants", default=True, help="Also smaller forms of each encoder's vectors.")
@json_option
def command(
    encoders: tuple[str, ...],
    settings_file: str | None,
    store: str,
    space: str | None,
    sample: int,
    variants: bool,
    as_json: bool,
) -> None:
    """Compare encoders side by side on a sample of the items: quality with intervals, speed, size, price.

    ENCODER is one of the settings, one of the catalog, a hub id or a folder. Judged queries decide, else the items'
    labels. The sample is embedded in memory: nothing is stored, and what serves stays.
    """
    settings, names = with_encoders(chosen_settings(None, settings_file, store, quiet=as_json), encoders)
    with Progress(quiet=as_json) as shown, progress.listening(shown.step):
        found = Steps(settings).compare(names, sample=sample, with_variants=variants, space=space)
    if as_json:
        say_json(leaderboard_document(found))
    else:
        print_leaderboard(found)
