"""Names, messages and docs use the vocabulary of docs/architecture.md, and none of the private words below."""

import re
from pathlib import Path

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "embed_assets"
PRIVATE = {
    "told": "the thing itself: stat, digest input, filter columns",
    "tells": "shows, says, decides",
    "said": "annotation, metadata",
    "asked": "requested, queried",
    "anew": "again",
    "aside": "quarantined",
    "reckon": "estimate",
    "reckoned": "estimated",
    "spoiled": "unreadable, damaged",
    "spoilt": "unreadable, damaged",
    "mend": "fix",
    "mended": "fixed",
}
# A word of its own, or a part of a snake_case name.
WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(PRIVATE)})(?![A-Za-z])", re.IGNORECASE)


def private_words(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        f"{file.relative_to(REPOSITORY)}:{number}: {word} (write: {PRIVATE[word.lower()]})"
        for number, line in enumerate(lines, 1)
        for word in WORD.findall(line)
    ]


def test_the_package_has_no_private_word() -> None:
    assert [line for file in sorted(PACKAGE.rglob("*.py")) for line in private_words(file)] == []


def test_a_private_word_is_found_in_names_and_sentences() -> None:
    text = '_told = 1\ndef said_of(x): ...\n"""Set aside."""\nretold = unsaid = beside = 2\n'
    assert [word.lower() for word in WORD.findall(text)] == ["told", "said", "aside"]
