"""What decode_text makes of texts in 34 encodings: how many are right, refused, told as damaged, silently wrong.

    python benchmarks/encodings.py [--sentences N] [--json]

Texts are passages of the Universal Declaration of Human Rights (www.un.org, in the public domain) in twelve languages,
each in every encoding that can write it: some 2,000 characters (Chinese, Japanese and Korean: 700), and sentences of
some 80 (30) out of them; whole, and with one byte replaced. Typographic quotation marks are plain ones where the
encoding has none. Right is the same text, but for the run of characters beyond ASCII around the byte that was replaced;
told is another text with a warning; wrong is another one without. Bound: none is silently wrong.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import decode_text

TEXTS = Path(__file__).parent / "declaration"
ENCODINGS = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"),
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15"),
    *("koi8-r", "koi8-u", "cp437", "cp850", "cp852", "cp866", "mac-roman", "mac-cyrillic"),
    *("cp932", "euc-jp", "iso2022-jp", "gb18030", "gbk", "big5", "cp949", "euc-kr"),
)
FAULTS = (0xFF, 0xFE, 0x81, 0x8D, 0x90, 0xA0, 0xC3, 0xE9)  # never in UTF-8, of no character in cp1252, of one
_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019", "'")
    | dict.fromkeys("\u201c\u201d\u201e", '"')
    | dict.fromkeys("\u2010\u2011\u2013\u2014", "-")
    | dict.fromkeys("\u00a0\u202f", " ")
)
_RUN = re.compile("[^\x00-\x7f]*")


def written(language: str, encoding: str) -> str | None:
    """Return a language's text as the encoding can write it; None where it can't, or where that is ASCII alone."""
    text = (TEXTS / f"{language}.txt").read_text(encoding="utf-8")
    for each in (text, text.translate(_PLAIN)):
        try:
            data = each.encode(encoding)
        except UnicodeError:
            continue
        return each if data.decode(encoding) == each else None
    return None


def sentences(text: str, number: int, chance: random.Random) -> Iterator[str]:
    """Pieces of a text that are as long as a sentence, none of ASCII alone."""
    size = 30 if len(text) < 1000 else 80
    tried = 0
    while number and tried < 1000:
        tried += 1
        start = chance.randrange(len(text) - size)
        piece = text[start : start + size].strip()
        if not piece.isascii():
            number -= 1
            yield piece


def outcome(text: str, data: bytes, *, faulty: bool) -> str:
    """One of "right", "refused", "told" and "wrong"."""
    try:
        found = decode_text(data, limits=Limits())
    except MediaError:
        return "refused"
    if found.text == text or (faulty and but_for_a_run(found.text, text)):
        return "right"
    return "told" if found.warning else "wrong"


def but_for_a_run(found: str, text: str) -> bool:
    """Whether two texts are equal outside of one run of characters beyond ASCII, and a character on each side."""
    same = next((place for place, (a, b) in enumerate(zip(found, text, strict=False)) if a != b), len(text))
    ends = (_RUN.match(each, same) for each in (found, text))
    rests = [each[end.end() + 1 :] for each, end in zip((found, text), ends, strict=True) if end]
    return rests[0] == rests[1] or _common_end(found, text) >= len(text) - same - 4


def _common_end(a: str, b: str) -> int:
    pairs = zip(reversed(a), reversed(b), strict=False)
    return next((count for count, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def with_a_fault(data: bytes, chance: random.Random) -> bytes:
    """One byte replaced, behind a byte order mark."""
    place = chance.randrange(4, len(data))
    return data[:place] + bytes([chance.choice(FAULTS)]) + data[place + 1 :]


def cases(number: int, *, seed: int = 0) -> Iterator[tuple[str, str, str, str, bytes]]:
    """Language, encoding, kind, text and bytes, of all combinations that can be written."""
    chance = random.Random(seed)
    for language in sorted(each.stem for each in TEXTS.glob("*.txt")):
        for encoding in ENCODINGS:
            text = written(language, encoding)
            if text is None:
                continue
            for kind, pieces in (("long", [text]), ("short", list(sentences(text, number, chance)))):
                for piece in pieces:
                    data = piece.encode(encoding)
                    yield language, encoding, kind, piece, data
                    yield language, encoding, f"{kind}, a fault", piece, with_a_fault(data, chance)


def main() -> int:
    """Print the table; return 1 where a text is silently wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sentences", type=int, default=10, help="of each language and encoding")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    by_encoding: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    for language, encoding, kind, text, data in cases(given.sentences, seed=given.seed):
        found = outcome(text, data, faulty=kind.endswith("fault"))
        counts.setdefault(kind, Counter())[found] += 1
        by_encoding.setdefault(encoding, Counter())[f"{kind} {found}"] += 1
        if found == "wrong":
            wrong.append(f"{language} {encoding} {kind}: {text[:60]!r}")
    if given.json:
        print(json.dumps({"counts": counts, "by_encoding": by_encoding, "wrong": wrong}, indent=2))
    else:
        print_table(counts, by_encoding, wrong)
    return 1 if wrong else 0


def print_table(counts: dict[str, Counter[str]], by_encoding: dict[str, Counter[str]], wrong: list[str]) -> None:
    """As Markdown."""
    outcomes = ("right", "refused", "told", "wrong")
    print(f"| | {' | '.join(outcomes)} |\n|---|---|---|---|---|")
    for kind, found in sorted(counts.items()):
        print(f"| {kind} | {' | '.join(str(found[each]) for each in outcomes)} |")
    print(f"\n| right of | {' | '.join(sorted(counts))} |\n|---|---|---|---|---|")
    for encoding, found in by_encoding.items():
        told = [
            f"{found[f'{kind} right']}/{sum(found[f'{kind} {each}'] for each in outcomes)}" for kind in sorted(counts)
        ]
        print(f"| {encoding} | {' | '.join(told)} |")
    print("\n".join(wrong))


if __name__ == "__main__":
    sys.exit(main())
