"""How a step of the pipeline runs in Dagster: tags and retries of its op, a host's own logic around it."""

from collections.abc import Callable
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
    """Run a step. What no other try would fix is raised as a failure that Dagster doesn't retry."""
    try:
        return execute(context, step)
    except EmbedAssetsError as error:
        raise dg.Failure(str(error), allow_retries=is_transient(error)) from error


def is_transient(error: BaseException) -> bool:
    """Return whether another try may succeed: a network or a disk failed, or another writer was first."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MovedError) or (isinstance(cause, OSError) and not isinstance(cause, _MISTAKES)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
