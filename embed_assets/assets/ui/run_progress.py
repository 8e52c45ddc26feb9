"""Progress of a run in Dagster: lines in its log, and now and then an observation that Dagster plots."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import dagster as dg

from embed_assets import progress

LOG_SECONDS = 30.0  # between two lines
OBSERVE_SECONDS = 300.0  # between two observations: runs of minutes leave none
_STAGES = {"list": "listed", "encode": "encoded"}


@contextmanager
def progress_in_log(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, *, observed: dg.AssetKey | None = None
) -> Iterator[None]:
    """Log how far the block is; `observed`: an asset that it is observed on too, which Dagster plots."""
    with progress.listening(_Log(context, observed).step):
        yield


class _Log:
    """Listens to steps of work on items, and reports it at intervals."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext, observed: dg.AssetKey | None) -> None:
        self._context = context
        self._observed = observed
        self._work = ""  # stage and name
        self._began = self._logged_at = self._observed_at = time.monotonic()

    def step(self, step: progress.Step) -> None:
        if step.stage not in _STAGES or step.total is None:
            return
        now, work = time.monotonic(), f"{step.stage} {step.name}"
        if work != self._work:
            self._work, self._began, self._logged_at, self._observed_at = work, now, now, now
            return
        rate = step.done / max(now - self._began, 1e-9)
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            self._context.log.info(_line(step, rate))
        if self._observed is not None and now - self._observed_at >= OBSERVE_SECONDS:
            self._observed_at = now
            self._context.log_event(dg.AssetObservation(self._observed, metadata=_figures(step, rate)))


def _line(step: progress.Step, rate: float) -> str:
    parts = [f"{step.name}: {step.done:,} of {step.total or 0:,} items {_STAGES[step.stage]}", f"{rate:,.1f} a second"]
    left = _seconds_left(step, rate)
    if left is not None:
        parts.append(f"{timedelta(seconds=round(left))} left")
    if step.stage == "encode":
        parts.append(f"{step.quarantined:,} quarantined so far")
    return ", ".join(parts)


def _figures(step: progress.Step, rate: float) -> dict[str, float]:
    figures: dict[str, float] = {
        "progress items": step.done,
        "progress items left": (step.total or 0) - step.done,
        "progress items per second": round(rate, 2),
        "progress quarantined": step.quarantined,
    }
    left = _seconds_left(step, rate)
    return figures if left is None else figures | {"progress seconds left": round(left, 1)}


def _seconds_left(step: progress.Step, rate: float) -> float | None:
    return None if not rate or step.total is None else (step.total - step.done) / rate
