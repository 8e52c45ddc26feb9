"""What commands print in plain text and as JSON: it shows as it is, and never acts on the terminal.

Names, texts and reasons come from media: an escape sequence in one would move the cursor, a right-to-left
override turn a name around, half of a surrogate pair stop the command.
"""

import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

import click

# Control characters, line separators, what reverses the direction of text (Unicode UAX 9), halves of surrogate pairs.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\U000e0001\ud800-\udfff]"
)


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Escape characters that a terminal would act on: `\x1b`, `\u202e`. `lines` leaves line ends."""
    return _HARMFUL.sub(lambda found: found[0] if lines and found[0] == "\n" else _escape(found[0]), text)


def say(text: str, *, err: bool = False, lines: bool = False) -> None:
    """Print plain text on stdout or stderr: one line, unless `lines` is set."""
    click.echo(harmless(text, lines=lines), err=err)


def say_json(document: Any) -> None:
    """Print a document as JSON on stdout, in ASCII; numbers that JSON lacks (NaN, infinity) become null."""
    click.echo(json.dumps(_finite(document), indent=2, allow_nan=False))


def let_everything_print() -> None:
    """Make stdout and stderr write characters that their encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _escape(letter: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(letter)
    if named is not None:
        return named
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
