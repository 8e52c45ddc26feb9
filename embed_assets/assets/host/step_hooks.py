"""How a step of the pipeline runs in Dagster: tags and retries of its op, a host's own logic around it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from embed_assets.assets.host.translator import AssetKind
from embed_assets.errors import EmbedAssetsError, MovedError
from embed_assets.settings import RetrySettings

StepContext = dg.AssetExecutionContext | dg.OpExecutionContext  # of an asset's step, or of an op that does the same

_MISTAKES = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)  # no other try mends them


@dataclass(frozen=True, kw_only=True)
class EmbeddingStep:
    """One step: what it makes, and `run`, which makes it and returns what Dagster is to be shown of it."""

    kind: AssetKind
    name: str  # of the source, of the encoder, or of the space for "serving"
    run: Callable[[], Any]

    def stream(self) -> Iterator[Any]:
        """Run the step and yield what Dagster is to be shown of it: for a function around steps that yields events."""
        result = self.run()
        if result is not None:
            yield result


# Returns what the step's `run` returned, or another MaterializeResult; or yields it, with events of its own.
Execute = Callable[[StepContext, EmbeddingStep], Any]


def execute_step(context: StepContext, step: EmbeddingStep) -> Any:
    """Run a step: what a host's `execute` calls, or does without."""
    return step.run()


def retry_policy(settings: RetrySettings) -> dg.RetryPolicy | None:
    """Build the retry policy of all steps; None for no retries."""
    if not settings.max_retries:
        return None
    return dg.RetryPolicy(
        max_retries=settings.max_retries, delay=settings.delay_seconds, backoff=dg.Backoff.EXPONENTIAL
    )


def run_step(execute: Execute, context: StepContext, step: EmbeddingStep) -> Any:
    """Run a step. What no other try would fix is raised as a failure that Dagster doesn't retry.

    Vectors have no result: their partitions are logged by the step itself. Any other step has to have one.
    """
    try:
        made = execute(context, step)
        result = _logged(context, made) if isinstance(made, Iterator) else made
    except EmbedAssetsError as error:
        raise dg.Failure(str(error), allow_retries=is_transient(error)) from error
    if step.kind != "vectors" and not isinstance(result, dg.MaterializeResult):
        raise dg.Failure(
            f"The function around the steps gave {type(result).__name__} for {step.kind} of {step.name}. Return or "
            "yield what step.run() returns, or a dg.MaterializeResult of your own.",
            allow_retries=False,
        )
    return result


def _logged(context: StepContext, events: Iterator[Any]) -> dg.MaterializeResult | None:
    """Log the events that a host's function yields, and return the step's result, the last one among them."""
    result = None
    for event in events:
        if isinstance(event, dg.MaterializeResult):
            result = event
        elif event is not None:
            context.log_event(event)
    return result


def is_transient(error: BaseException) -> bool:
    """Return whether another try may succeed: a network or a disk failed, or another writer was first."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MovedError) or (isinstance(cause, OSError) and not isinstance(cause, _MISTAKES)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
