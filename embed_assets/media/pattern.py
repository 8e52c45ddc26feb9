"""Glob patterns on keys: `**/*.txt` matches `a.txt` too, `{jpg,png}` names alternatives."""

import re
from functools import lru_cache


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A regular expression for `fullmatch` on a key; case counts, as in file names.

    `*` and `?` stay within one folder; `**` as a whole path component stands for any number of
    folders, none included.
    """
    return re.compile(_translate(pattern), re.DOTALL)


def _translate(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        expression, length = _next(pattern, at)
        parts.append(expression)
        at += length
    return "".join(parts)


def _next(pattern: str, at: int) -> tuple[str, int]:
    """The expression for what stands at this place, and how many characters of the pattern it took."""
    rest = pattern[at:]
    starts_component = at == 0 or pattern[at - 1] == "/"
    if starts_component and rest.startswith("**/"):
        return "(?:.*/)?", 3
    if starts_component and rest == "**":
        return ".*", 2
    if rest[0] == "*":
        return "[^/]*", 1
    if rest[0] == "?":
        return "[^/]", 1
    if characters := re.match(r"\[(!?)(\]?[^\]/]*)\]", rest):
        inner = characters[2].replace("\\", r"\\").replace("[", r"\[")
        return f"[{'^/' if characters[1] else ''}{inner}]", characters.end()
    if choice := re.match(r"\{([^{}]*,[^{}]*)\}", rest):
        return f"(?:{'|'.join(_translate(each) for each in choice[1].split(','))})", choice.end()
    return re.escape(rest[0]), 1
