"""Names, texts, labels and reasons show as they are: nothing of them is markup, or acts on a terminal."""

import ast
import io
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from embed_assets.assets.ui.projection_map import legend
from embed_assets.cli.shared.console import PlainConsole
from embed_assets.cli.shared.plain_output import harmless
from embed_assets.cli.shared.tables.hit_tables import print_hits
from embed_assets.search.answers import Hit
from tests.cli.conftest import Command
from tests.support import REPOSITORY

Settings = Callable[..., str]

MARKUP = [
    "the model answers [/INST] and ends",
    "[/quote] ends a quotation of a forum",
    "a [red]rose[/red] is red",
    "[link=https://example.com]here[/link]",
    ":smile: is no face, nor is :warning:",
    "a backslash \\[bold] and [ alone",
    "[[nested] brackets]",
    "[@click=app.quit()]a button of a terminal[/]",
]
ACTING = {
    "\x1b[2J": r"\x1b[2J",  # clears the screen
    "\x1b]0;title\x07": r"\x1b]0;title\x07",  # names the window
    "\x9b31m": r"\x9b31m",  # the same with one character
    "a\rb": r"a\rb",  # overwrites the line
    "ab\x08\x08": r"ab\x08\x08",
    "fdp\u202egpj.exe": r"fdp\u202egpj.exe",  # turns around what follows
    "\u2066iso\u2069": r"\u2066iso\u2069",
    "one\u2028two": r"one\u2028two",  # a line separator
    "half \ud83d of a pair": r"half \ud83d of a pair",
    "caf\udce9": r"caf\udce9",  # a file's name that is not UTF-8
    "nul\x00": r"nul\x00",
    "two\nlines": r"two\nlines",
}


def hit(text: str, key: str = "a.txt") -> Hit:
    facts: dict = {"rank": 1, "score": 0.5, "source": "notes", "uri": "", "modality": "text", "start": 0, "end": 1}
    return Hit(text=text, key=key, labels=(), **facts)


def printed(write: Callable[[PlainConsole], None]) -> str:
    console = PlainConsole(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    write(console)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_a_text_a_name_or_a_query_is_text(text: str) -> None:
    said = printed(lambda console: print_hits(text, [hit(text, key=text)], console))
    assert said.count(text) == 3
    assert text in printed(lambda console: console.tell(text))


@pytest.mark.parametrize("text", ACTING)
def test_what_a_terminal_would_act_on_is_reported_as_an_escape(text: str) -> None:
    said = printed(lambda console: print_hits(text, [hit("", key=text)], console))
    assert said.count(ACTING[text]) == 2
    assert not re.search(r"[^\n\x20-\ud7ff]", said.replace("\u2026", ""))


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("שלום עולם", "مرحبا", "👩\u200d👧", "e\u0301", "Ελλάδα\u00a0日本", "\u0645\u06cc\u200c\u062e\u0648"):
        assert harmless(text) == text


@pytest.fixture
def troubled(tmp_path: Path) -> list[str]:
    """Texts, names, folders (which are labels) and broken files that hold markup and control characters."""
    names = []
    for number, text in enumerate([*MARKUP, *(text for text in ACTING if not re.search("[\0\ud800-\udfff]", text))]):
        folder = tmp_path / "notes" / f"[red]x[{number}]" / text.replace("/", "÷")
        folder.mkdir(parents=True)
        (folder / f"{text.replace('/', '÷')}.txt").write_text(f"amber {number} {text}")
        (folder / "[").mkdir()
        (folder / "[" / "broken].png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
        names.append(text)
    not_utf8 = os.fsencode(tmp_path / "notes") + b"/caf\xe9 [i].txt"
    Path(os.fsdecode(not_utf8)).write_bytes(b"amber of a name that is not UTF-8")
    return names


@pytest.mark.slow
def test_every_command_shows_what_is_in_the_way_and_ends_well(
    troubled: list[str], command: Command, pipeline_yaml: Settings
) -> None:
    source = {"notes": {"uri": "notes", "labels": "folder"}}
    assert command("run", "--settings", pipeline_yaml(sources=source)).exit_code == 0
    shown = {}
    for line in ("status", "history", "plan", "quarantine --limit 1000", f"search {'amber'} -k 50", "maintain"):
        result = command(*line.split(), "--store", "store")
        assert result.exit_code == 0, (line, result.output, result.exception)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", result.output), line
        shown[line.split()[0]] = result.output
    assert "[/broken].png" in shown["quarantine"] and "[red]x[0]" in shown["quarantine"]
    assert "[red]x[" in shown["search"]
    label = command("search", "amber", "--label", "[/no]", "--store", "store")
    assert label.exit_code == 1 and "'[/no]'" in label.output


def test_a_label_is_no_markup_of_a_page_either() -> None:
    (drawn,) = legend(["a|b", "<img src=x onerror=alert(1)>", "[x](https://example.com)", "*two\nlines*"] * 2).values()
    assert re.fullmatch(r"!\[legend\]\(data:image/svg\+xml,[^()<> \n]+\)", drawn), "one picture, and nothing behind it"
    texts = ET.fromstring(unquote(drawn[len("![legend](data:image/svg+xml,") : -1])).itertext()
    assert list(texts) == ["a|b", "<img src=x onerror=alert(1)>", "[x](https://example.com)", "*two lines*"]


def calls(module: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_only_two_modules_write_to_the_terminal_and_neither_parses_markup() -> None:
    """What is printed goes through cli/shared: there alone are rich's console and click's echo."""
    found = []
    for module in sorted((REPOSITORY / "embed_assets").rglob("*.py")):
        name = module.relative_to(REPOSITORY / "embed_assets").as_posix()
        source = module.read_text(encoding="utf-8")
        if "from rich.console import Console" in source and name != "cli/shared/console.py":
            found.append(f"{name} has a console of its own")
        if re.search(r"from_markup|rich\.markup|rich\.print|import print\b", source):
            found.append(f"{name} parses markup")
        for called, node in calls(module):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if options.get("markup", "False") != "False" or (called == "TextColumn" and "markup" not in options):
                found.append(f"{name}:{node.lineno} has markup on")
            if called in ("click.echo", "click.secho", "print") and name != "cli/shared/plain_output.py":
                found.append(f"{name}:{node.lineno} calls {called}")
    assert not found
