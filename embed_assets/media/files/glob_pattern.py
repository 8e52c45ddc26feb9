"""Glob patterns on keys: `**/*.txt` matches `a.txt` too, `{jpg,png}` names alternatives."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from embed_assets.media.files.unicode_names import composed


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for `fullmatch` on a key; case counts, as in file names.

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
    """Return the expression for the next part of the pattern, and the part's length in characters."""
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


class Selection:
    """Selection of files below a folder, and of the folders that have to be entered for them."""

    def __init__(self, pattern: str = "**/*", exclude: Collection[str] = ()) -> None:
        pattern, exclude = composed(pattern), [composed(each) for each in exclude]
        self._keep = compile_pattern(pattern).fullmatch
        self._parts = _components(pattern)
        self._keys = frozenset(exclude)
        self._dropped = [compile_pattern(each.rstrip("/")).fullmatch for each in exclude]
        self._dropped += [compile_pattern(each.removesuffix("/**")).fullmatch for each in exclude if each != "**"]

    def file(self, key: str) -> bool:
        """Return whether a file is selected: it matches the pattern, and neither it nor its folders are excluded."""
        key = composed(key)
        return self._keep(key) is not None and not (self._dropped and self._excluded(key))

    def folder(self, folder: str) -> bool:
        """Return whether a folder may hold selected files. Its path ends in a slash; "" is the source itself."""
        folder = composed(folder)
        names = folder.split("/")[:-1]
        return self._reaches(names) and not (self._dropped and names and self._excluded(folder[:-1]))

    def _excluded(self, key: str) -> bool:
        ends = [place for place, letter in enumerate(key) if letter == "/"]
        return any(self._names(key[:end]) for end in (*ends, len(key)))

    def _names(self, path: str) -> bool:
        return path in self._keys or any(dropped(path) for dropped in self._dropped)

    def _reaches(self, names: Sequence[str]) -> bool:
        """Return whether the pattern's parts lead through these folders; `None` among the parts leads anywhere."""
        last = len(self._parts) - 1
        here = {0}
        for name in names:
            here = self._through(here)
            if any(self._parts[place] is None for place in here):
                return True
            stay = {place for place in here if self._parts[place] == "**"}
            step = {place + 1 for place in here - stay if place < last and self._matches(place, name)}
            here = stay | step
        return bool(here)

    def _through(self, here: set[int]) -> set[int]:
        """Add the places behind a `**`, which also matches no folder."""
        reached = set(here)
        for place in range(len(self._parts) - 1):
            if place in reached and self._parts[place] == "**":
                reached.add(place + 1)
        return reached

    def _matches(self, place: int, name: str) -> bool:
        return compile_pattern(self._parts[place] or "").fullmatch(name) is not None


def _components(pattern: str) -> list[str | None]:
    """Return the pattern's parts between slashes; None for a part with slashes inside its alternatives."""
    masked = re.sub(r"\{[^{}]*,[^{}]*\}", lambda choice: choice[0].replace("/", "\0"), pattern)
    return [None if "\0" in part else part for part in masked.split("/")]
