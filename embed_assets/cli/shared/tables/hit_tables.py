"""Tables of a search's hits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.plain_output import harmless
from embed_assets.search.answers import GOOD_MATCH, Answer, Hit

_CHARACTERS = 72  # of a text
_COLUMNS = (("", "dim"), ("score", "cyan"), ("%", "cyan"), ("space", "dim"), ("item", "bold"), ("what", ""))


def print_answer(
    title: str, answer: Answer, console: PlainConsole | None = None, *, columns: Sequence[str] = ()
) -> None:
    """Print the hits of an answer, and what the reader should know of it. `columns` are those of the query's filter."""
    console = console or make_console()
    print_hits(title, answer.hits, console, several=len(answer.spaces) > 1, columns=columns)
    if answer.good_match is False and answer.hits:
        best = max(hit.percentile or 0.0 for hit in answer.hits)
        line = (
            f"  no good match: the best is nearer than {best:.1f} % of random pairs, a good one than {GOOD_MATCH:.0f} %"
        )
        console.tell(line, style="yellow")
    if answer.reranker:
        console.tell(f"  ordered by {answer.reranker}", style="dim")
    if columns and not answer.hits:
        console.tell(f"  the filter on {harmless(', '.join(columns))} leaves nothing for this query", style="yellow")
    for note in answer.notes if not answer.hits else ():
        console.tell(f"  {note}", style="dim")


def print_hits(
    title: str,
    hits: Sequence[Hit],
    console: PlainConsole | None = None,
    *,
    several: bool = False,
    columns: Sequence[str] = (),
) -> None:
    """Print hits as a table; items on this machine are links.

    `several`: of more than one space, each named. Of the user's `columns` those are shown that a hit has.
    """
    console = console or make_console()
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    calibrated = any(hit.percentile is not None for hit in hits)
    left_out = {*(() if calibrated else ("%",)), *(() if several else ("space",))}
    shown = [column for column in _COLUMNS if column[0] not in left_out]
    own = [name for name in columns if any(name in hit.columns for hit in hits)]
    for name, style in shown:
        # A name is whole, to be copied: it is folded where the terminal is narrow.
        folds = "fold" if name == "item" else "ellipsis"
        table.add_column(name, style=style, no_wrap=name in ("score", "%", "space"), overflow=folds)
    for name in own:
        table.add_column(harmless(name), overflow="ellipsis")
    for hit in hits:
        cells = {
            "": str(hit.rank),
            "score": "words" if hit.score is None else f"{hit.score:.3f}",
            "%": "" if hit.percentile is None else f"{hit.percentile:.1f}",
            "space": _ranks(hit),
            "item": _item(hit),
            "what": _what(hit),
        }
        table.add_row(*(cells[name] for name, _ in shown), *(_value(hit.columns.get(name)) for name in own))
    if not hits:
        table.add_row(*("nothing found" if name == "item" else "" for name, _ in shown))
    console.print(table)


def _value(value: Any) -> Text:
    return Text("" if value is None else harmless(str(value)))


def _ranks(hit: Hit) -> str:
    """Return the spaces that found the item, each with its rank there."""
    return ", ".join(f"{name} {rank}" for name, rank in hit.ranks.items())


def _item(hit: Hit) -> Text:
    """Return source, key and span; a link to the file where it is one of this machine."""
    name = harmless(f"{hit.source}/{hit.key}{_span(hit)}")
    if hit.uri.startswith("/") and Path(hit.uri).is_file():
        return Text(name, style=f"link file://{quote(hit.uri)}")
    return Text(name)


def _span(hit: Hit) -> str:
    """Return where in a sound or video it is, in minutes and seconds."""
    if hit.start is None or hit.modality not in ("audio", "video"):
        return ""
    ends = [each for each in (hit.start, hit.end) if each is not None]
    return " " + "-".join(f"{each // 60_000}:{each // 1000 % 60:02d}" for each in ends)


def _what(hit: Hit) -> str:
    what = " ".join((hit.text or ", ".join(hit.labels)).split())
    same = f" (and {len(hit.duplicates)} nearly identical)" if hit.duplicates else ""
    return (what if len(what) <= _CHARACTERS else what[: _CHARACTERS - 1] + "…") + same
