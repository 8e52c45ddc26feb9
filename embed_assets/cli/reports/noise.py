"""embed-assets report noise: what typos, compression, shifts and noise cost each encoder."""

from dataclasses import asdict

import click

from embed_assets import progress
from embed_assets.cli.shared.chosen_settings import chosen_settings
from embed_assets.cli.shared.options import json_option, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.tables.report_tables import print_noise
from embed_assets.pipeline.compared_encoders import with_encoders
from embed_assets.pipeline.reports.noise_steps import NOISE_SAMPLE
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from embed_assets.versions.load_version import spec_of


@click.command()
@click.argument("encoders", nargs=-1, metavar="[ENCODER…]")
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of the store's own.")
@click.option(
    "--sample", type=click.IntRange(min=10), default=NOISE_SAMPLE, show_default=True, help="Items that are embedded."
)
@store_option
@json_option
def command(encoders: tuple[str, ...], settings_file: str | None, sample: int, store: str, as_json: bool) -> None:
    """Search with disturbed copies of a sample of the items: does each find its original, and others of its label?

    ENCODER is one of the settings, by default all of them, one of the catalog, a hub id or a folder. Texts get typos,
    capitals, no accents; pictures JPEG of quality 20, a shift, crop, rotation, noise; sounds 8 kHz and noise.
    """
    settings = chosen_settings(None, settings_file, store, quiet=as_json)
    settings, names = with_encoders(settings, encoders)
    steps, groups = Steps(settings), [names] if names else _by_space(settings)
    with Progress(quiet=as_json) as shown, progress.listening(shown.step):
        found = [steps.noise(group, sample=sample) for group in groups]
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_noise(found)


def _by_space(settings: PipelineSettings) -> list[list[str]]:
    """Return the encoders of the settings, those of one space together: they take the same media."""
    groups: dict[str, list[str]] = {}
    for name, encoder in settings.encoders.items():
        groups.setdefault(spec_of(name, encoder).space, []).append(name)
    return list(groups.values())
