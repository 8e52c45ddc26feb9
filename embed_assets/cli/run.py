"""embed-assets run: a folder of media becomes a checked, searchable index."""

import click

from embed_assets.cli.shared.chosen_settings import chosen_settings
from embed_assets.cli.shared.options import accept_deletions_option, budget_option, json_option, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.run_outcome import apply, parsed_budget, print_outcome


@click.command()
@click.argument("media", required=False)
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of MEDIA.")
@click.option("--offline", is_flag=True, help="Use the embedded encoders, ask no model hub.")
@store_option
@json_option
@budget_option
@accept_deletions_option
def command(
    media: str | None,
    settings_file: str | None,
    offline: bool,
    store: str,
    as_json: bool,
    budget: str | None,
    accept_deletions: bool,
) -> None:
    """Embed the texts, pictures, sounds and videos of the folder or bucket MEDIA, check the index, serve it.

    Run again, it does only what changed. Without MEDIA and --settings it runs the pipeline that the
    store was built with.
    """
    options = {"offline": offline, "accept_deletions": accept_deletions, "quiet": as_json}
    settings = chosen_settings(media, settings_file, store, **options)
    run_budget = parsed_budget(budget or settings.compute.budget)
    outcome = apply(settings, quiet=as_json, budget=run_budget)
    if as_json:
        say_json(outcome.document())
        click.get_current_context().exit(outcome.exit_code)
    print_outcome(outcome)
