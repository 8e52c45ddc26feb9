"""The printed tables: a row a step, a column a tool; medians, and the spread where there are repeats."""

from collections.abc import Callable, Sequence
from statistics import median

from peers.steps import STEPS, Outcome


def print_tables(outcomes: Sequence[Outcome], tools: Sequence[str]) -> None:
    """Print what was encoded and served, what it took, and what it keeps."""
    _print("texts encoded, and what serves", outcomes, tools, _encoded)
    _print("seconds", outcomes, tools, lambda runs: _spread([run.seconds for run in runs], "{:.1f}"))
    _print("CPU seconds", outcomes, tools, lambda runs: _spread([run.cpu_seconds for run in runs], "{:.1f}"))
    _print("MB kept", outcomes, tools, lambda runs: f"{median(run.bytes for run in runs) / 1e6:.1f}")


def _print(title: str, outcomes: Sequence[Outcome], tools: Sequence[str], cell: Callable[[list[Outcome]], str]) -> None:
    print(f"\n| {title} | " + " | ".join(tools) + " |")
    print("|" + "---|" * (len(tools) + 1))
    for step in STEPS:
        of_step = [[run for run in outcomes if run.tool == tool and run.step == step] for tool in tools]
        if any(of_step):
            print(f"| {step} | " + " | ".join(cell(runs) if runs else "-" for runs in of_step) + " |")


def _encoded(runs: list[Outcome]) -> str:
    """Return the counts and verdicts; one of each where all repeats agree."""
    counts = "/".join(dict.fromkeys(f"{run.encoded:,}" for run in runs))
    verdicts = " / ".join(dict.fromkeys(str(run.verdict) for run in runs))
    looked = [run.mixed for run in runs if run.mixed is not None]
    mixed = "; two models meanwhile" if any(looked) else "; one model at any time" if looked else ""
    return f"{counts}: {verdicts}{mixed}"


def _spread(values: list[float], form: str) -> str:
    middle = form.format(median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}-{form.format(max(values))})"
