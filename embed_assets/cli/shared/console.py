"""The one console: tables and lines whose texts are never parsed.

Names, texts and reasons come from media: as markup `[red]` in one would vanish, and `[/INST]` be an error.
"""

from typing import Any

from rich.console import Console
from rich.text import Text

from embed_assets.cli.shared.plain_output import harmless

_WIDTH = 118  # of what is printed to a file or pipe: it cuts no table


class PlainConsole(Console):
    """Console that parses no markup, replaces no `:name:`, and lets no control character through."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a text literally, as one line; printed strings, titles and cells of tables all pass through here."""
        return super().render_str(harmless(text), **{**options, "markup": False, "emoji": False})

    def tell(self, text: str, *, style: str = "") -> None:
        """Print one line that only the terminal wraps, so that it can be copied whole."""
        self.print(Text(harmless(text), style=style), soft_wrap=True)


def make_console(*, stderr: bool = False) -> PlainConsole:
    """Make the console for tables: a terminal at its width; files and pipes at one that cuts no table."""
    console = PlainConsole(stderr=stderr)
    return console if console.is_terminal else PlainConsole(stderr=stderr, width=_WIDTH)
