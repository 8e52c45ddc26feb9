"""embed-assets plan: what the next run will do and cost, and why; then, if wanted, the run."""

import sys

import click

from embed_assets import progress
from embed_assets.cli.shared.chosen_settings import chosen_settings
from embed_assets.cli.shared.options import accept_deletions_option, budget_option, json_option, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.run_outcome import apply, parsed_budget, print_outcome
from embed_assets.cli.shared.tables.plan_tables import print_plan
from embed_assets.pipeline.plan_report import PipelinePlan, plan_pipeline
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings

_SAMPLE = 50
_QUESTION = "Apply? [y]es, [n]o, [d]etails by shard, [s]ample first"
_ANSWERS = ["y", "n", "d", "s", "yes", "no", "details", "sample"]


@click.command()
@click.argument("media", required=False)
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of MEDIA.")
@click.option("--offline", is_flag=True, help="Use the embedded encoders, ask no model hub.")
@store_option
@json_option
@click.option("--yes", is_flag=True, help="Run without asking.")
@click.option("--sample", type=click.IntRange(min=1), help="Encode so many random stale items in memory first.")
@budget_option
@accept_deletions_option
@click.option("--details", is_flag=True, help="Items by shard.")
def command(
    media: str | None,
    settings_file: str | None,
    offline: bool,
    store: str,
    as_json: bool,
    yes: bool,
    sample: int | None,
    budget: str | None,
    accept_deletions: bool,
    details: bool,
) -> None:
    """Show what `embed-assets run` would do: items by class, their cost, why, and the gate.

    Without MEDIA and --settings it plans the pipeline that the store was built with. The manifests are
    brought up to date for it, which reads new and changed files; nothing is encoded, registered or
    promoted, but for a sample, of which nothing is written. Then, on a terminal, it asks whether to run.
    """
    options = {"offline": offline, "accept_deletions": accept_deletions, "quiet": as_json}
    settings = chosen_settings(media, settings_file, store, **options)
    budget = budget or settings.compute.budget
    run_budget = parsed_budget(budget)
    plan = _planned(settings, sample=sample or 0, quiet=as_json)
    if as_json:
        document = plan.document() | {"budget": str(run_budget) if run_budget else None}
        outcome = apply(settings, quiet=True, budget=parsed_budget(budget)) if yes and not plan.fresh else None
        say_json(document | {"run": outcome.document() if outcome else None})
        click.get_current_context().exit(outcome.exit_code if outcome else 0)
    print_plan(plan, details=details, budget=run_budget)
    if plan.fresh:
        say("Nothing to do: everything is fresh.")
    elif yes or (sys.stdin.isatty() and sys.stdout.isatty() and _agreed(settings, plan)):
        print_outcome(apply(settings, quiet=False, budget=parsed_budget(budget)))


def _planned(settings: PipelineSettings, *, sample: int, quiet: bool) -> PipelinePlan:
    with Progress(quiet=quiet) as shown, progress.listening(shown.step):
        return plan_pipeline(Steps(settings), sample=sample)


def _agreed(settings: PipelineSettings, plan: PipelinePlan) -> bool:
    """Ask for yes or no until the answer is one."""
    while True:
        choices = click.Choice(_ANSWERS, case_sensitive=False)
        answer = click.prompt(_QUESTION, type=choices, show_choices=False, default="n")[0]
        if answer == "d":
            print_plan(plan, details=True)
        elif answer == "s":
            plan = _planned(settings, sample=_SAMPLE, quiet=False)
            print_plan(plan)
        else:
            return answer == "y"
