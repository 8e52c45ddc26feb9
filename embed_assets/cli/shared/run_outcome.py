"""Run a pipeline within a budget, and tell what came of it."""

import time
from dataclasses import dataclass
from typing import Any

import click

from embed_assets.cli.shared.options import short_path
from embed_assets.cli.shared.plain_output import say
from embed_assets.cli.shared.run_pipeline import run_pipeline, timed
from embed_assets.cli.shared.tables.status_tables import print_status, print_warnings
from embed_assets.embedding.run_budget import BudgetReached, RunBudget, limited_to
from embed_assets.errors import PromotionError, named
from embed_assets.pipeline.reports.match_steps import newly_reported
from embed_assets.pipeline.status import Status, read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings

_BUDGET_REACHED = 4  # exit code
_NAMED = 5  # new matches of a query


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of a run."""

    status: Status
    changed: bool  # whether there was something to do
    stopped: str | None  # why it ended before all was done, and what is left
    left: int  # items that a budget left
    held_back: str | None  # what was not promoted, and why
    new_matches: dict[str, list[str]]  # of saved queries, as the run has reported them
    started: float

    @property
    def exit_code(self) -> int:
        """Exit code: 0, or that of an exhausted budget."""
        return _BUDGET_REACHED if self.stopped else 0

    def document(self) -> dict[str, Any]:
        """Convert the outcome to JSON-able values."""
        return self.status.document() | {
            "changed": self.changed,
            "stopped": self.stopped,
            "left": self.left,
            "held_back": self.held_back,
            "new_matches": self.new_matches,
        }


def apply(settings: PipelineSettings, *, quiet: bool, budget: RunBudget | None = None) -> Outcome:
    """Run the pipeline within a budget. Raises what stopped it, but for the end of the budget."""
    started = time.monotonic()
    changed, held_back = True, None
    before = Steps(settings).reported_matches()
    try:
        with limited_to(budget):
            changed = run_pipeline(settings, quiet=quiet)
    except BudgetReached:
        pass  # printed below
    except PromotionError as error:  # what is not complete is not promoted
        if budget is None or not budget.left:
            raise
        held_back = str(error)
    left = budget.left if budget else 0
    return Outcome(
        status=read_status(Steps(settings)),
        changed=changed,
        stopped=str(budget.exhausted_error()) if budget and left else None,
        left=left,
        held_back=held_back,
        new_matches=newly_reported(before, Steps(settings).reported_matches()),
        started=started,
    )


def print_fresh(status: Status, *, started: float) -> None:
    """Print in one line that there was nothing to do."""
    items = sum(encoder.vectors for encoder in status.encoders)
    say(f"Everything is fresh: {items:,} vectors, nothing to encode ({timed(started)}).")
    print_warnings(status)


def print_outcome(outcome: Outcome) -> None:
    """Print tables and the next command; exit with the outcome's code."""
    if not outcome.changed:
        print_fresh(outcome.status, started=outcome.started)
        return
    print_status(outcome.status)
    for name, items in outcome.new_matches.items():
        say(f"New matches of {name}: {named(items[:_NAMED], of=len(items))}")
    if outcome.stopped:
        if outcome.held_back:
            say(outcome.held_back, err=True, lines=True)
        say(outcome.stopped)
        click.get_current_context().exit(outcome.exit_code)
    say(
        f'Done in {timed(outcome.started)}. Next: embed-assets search "a query" '
        f"--store {short_path(outcome.status.store)}"
    )


def parsed_budget(text: str | None) -> RunBudget | None:
    """Start the budget of --budget."""
    return RunBudget.parse(text) if text else None
