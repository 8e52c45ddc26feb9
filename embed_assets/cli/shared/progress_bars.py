"""Progress bars of a command, on stderr, so that stdout is data."""

from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from embed_assets.cli.shared.console import PlainConsole
from embed_assets.cli.shared.plain_output import harmless
from embed_assets.progress import Step

_STAGES = {
    "list": "listing",
    "load": "loading",
    "convert": "converting",
    "encode": "encoding",
    "sample": "sampling",
    "index": "indexing",
    "check": "checking",
    "search": "searching",
    "export": "exporting",
}


class Progress:
    """Shows steps: bars in a terminal, elsewhere a line now and then."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = PlainConsole(stderr=True)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}
        self._tenths: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def step(self, step: Step) -> None:
        """Show one step; steps of the same stage and name share a bar."""
        text = harmless(f"{_STAGES.get(step.stage, step.stage)} {step.name}")
        if not self._bars.disable:
            if text not in self._tasks:
                self._tasks[text] = self._bars.add_task(text, total=step.total)
            self._bars.update(self._tasks[text], completed=step.done, total=step.total)
            return
        tenth = 10 * step.done // step.total if step.total else 0
        if self._tenths.get(text) != tenth:
            self._tenths[text] = tenth
            self.say(f"{text} {step.done}/{step.total}" if step.total else text)

    def say(self, text: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet and self._bars.disable:
            self._console.print(f"· {text}", style="dim")

    def tell(self, text: str) -> None:
        """Print one line even when quiet: what a command waits for, or a dead run."""
        self._console.tell(f"· {text}")
