"""guessed_codec: guess the encoding of a text without a declaration, only where its language leaves no doubt."""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

_SAMPLE = 8192  # bytes that are inspected, of lines that are not ASCII
_SURE = 4.0  # distance in score to the next reading; wrong ones reach 3.4 (benchmarks/encodings.py)
_SURE_KANA = 30.0  # of EUC-JP, whose kana GBK shares: a sentence of Japanese in GBK reaches 28
_WORDS, _BYTES = 3, 8  # different words beyond ASCII, and bytes: with fewer of both there is no guess
_ODD = 0.1  # share of odd words beyond ASCII, above which a reading is rejected
_ONCE = 12  # bytes that occur once and may be faults, each removed with
_AROUND = 16  # bytes before and after it, or its word

# Rivals that are too rare to be returned; short French is often taken for MacLatin2.
_NEVER = frozenset(
    ("cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140", "cp720", "cp856", "cp864", "cp869", "cp1006",
     "cp1125", "hp-roman8", "kz1048", "koi8-t", "ptcp154", "iso8859-3", "maciceland", "macturkish", "macgreek", "johab",
     "big5hkscs", "euc_jis_2004",
     "maclatin2", "utf-7", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
)  # fmt: skip
# They differ from Central European ones in a few quotation marks, and are not in use.
_UNHEARD_OF = frozenset({"iso8859-10", "iso8859-14", "iso8859-16"})

# Of two or more bytes a character.
_EASTERN = frozenset(
    ("cp932", "shift_jis", "euc-jp", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "cp949", "euc-kr")
)  # fmt: skip
_EASTERN_LIKE = 0.25  # at least so much like the language
_EASTERN_RUN = 2.5  # characters in a row, on average: those misread from accented letters stand alone

# Windows' dots, quotation marks and dashes: language models take them for letters of other systems, as in "donít".
_ASCII = bytes(range(0x80))
_TYPOGRAPHY = b"\x85\x91\x92\x93\x94\x96\x97"
_EACH_MARK = [bytes([byte]) for byte in _TYPOGRAPHY]
_MARKS = re.compile(
    rb"(?<![^\s(\[-])[\x91\x93](?=\w)|(?<=[\w.,!?;:\x92])\x94(?!\w)|(?<=\w)\x92(?=(?:s|t|re|ve|ll|d|m)\b)"
    rb"|(?<=\s)[\x96\x97](?=\s)|(?<=\d)\x96(?=\d)|(?<=[\w\s])\x85(?!\w)"
)

_FOUR_BYTES = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]")  # of GB 18030; other encodings have no such pairs
_HZ = re.compile(rb"~\{([!-}]*?)~\}")
_FREQUENT = frozenset(bytes([row]) for row in (0x21, 0x23, *range(0x30, 0x58)))  # first bytes of HZ's pairs
_BLANK = re.compile(rb"[ \n]")
_INSIDE = re.compile(r"[A-Za-z][^\x00-\x7f]+[a-z]")
_RUNS = re.compile(r"[^\x00-\x7f]+")
_REFUSED = re.compile("[\x80-\x9f\ufffd]")
_ODD_KINDS = re.compile(r"!|[a-oq-y][sp]+[a-oq-y]|[a-oq-y]s+$|^s+[a-oq-y]|%[a-z]")
_WRITTEN = re.compile(r"\S+")


def guessed_codec(data: bytes) -> str | None:
    """Return Python's codec of a text that is not UTF-8, by chardet's language models; None where it is uncertain.

    Readings are ranked by their likeness to a language. The first is returned where all readings with a similar score
    give the same text, and where it stays first without any single byte that occurs once, which may be a fault.
    Readings with odd words (Latin and Cyrillic letters in one, a sign of currency inside) are no rivals.
    """
    sample = _sample(data)
    if sample.isascii():
        return _seven_bits(sample)
    words = {word for word in sample.split() if not word.isascii()}
    if len(words) < _WORDS and len({byte for word in words for byte in word if byte > 0x7F}) < _BYTES:
        return None
    if not sample.translate(None, _ASCII + _TYPOGRAPHY):
        return "cp1252" if _is_typography(sample) else None
    if fours := len(_FOUR_BYTES.findall(sample)):
        return "gb18030" if fours >= _WORDS and _decodes(sample, "gb18030") else None
    first = _Ranked(sample)
    if not first.sure:
        return None
    if _EASTERN.intersection(first.names):
        runs = _RUNS.findall(first.texts[0])
        if len(_INSIDE.findall(first.texts[0])) * 10 > len(runs):
            return None
        if first.score < _EASTERN_LIKE or sum(map(len, runs)) < _EASTERN_RUN * len(runs):
            return None
        variants = _halves(first.texts[0], first.names[0])
    else:
        if _of_pairs(sample):
            return None
        variants = list(_without_rare(sample))
        if any(each.isascii() for each in variants):  # the only evidence may be a fault
            return None
        variants += _halves(first.texts[0], first.names[0])
    if not all(_Ranked(each).agrees(first.names) for each in variants if not each.isascii()):
        return None
    return first.codec


def _decodes(data: bytes, codec: str) -> bool:
    """Return whether all bytes are valid; a last character may be incomplete."""
    try:
        codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _of_pairs(data: bytes) -> bool:
    """Return whether a third of the bytes beyond ASCII are the same: the first of many pairs, as of Greek in GBK."""
    beyond = data.translate(None, _ASCII)
    return len(beyond) * 2 > len(data) and max(map(beyond.count, set(beyond))) * 3 > len(beyond)


def _is_typography(data: bytes) -> bool:
    """Return whether bytes that are quotation marks and dashes in all of Windows' code pages stand in their places."""
    fitting = len(_MARKS.findall(data))
    return fitting == sum(map(data.count, _EACH_MARK)) and data.count(b"\x93") == data.count(b"\x94")


class _Ranked:
    """Readings of bytes, the likeliest first, each by the names of the codecs that give it."""

    def __init__(self, data: bytes) -> None:
        self.texts: list[str] = []
        self.names: list[str] = []
        self.sure = False
        self._size = sum(len(word) + 1 for word in set(data.split()))  # repeated words are no further evidence
        self.score = 0.0
        for name, score, text in _readings(data):
            if self.texts and text == self.texts[0]:
                self.names.append(name)
            elif _REFUSED.search(text) is None and odd_share(text) <= _ODD:
                if self.texts:
                    least = _SURE_KANA if self.names[0] == "euc-jp" else _SURE
                    self.sure = (self.score - score) * self._size >= least
                    return
                self.score = score
                self.texts.append(text)
                self.names.append(name)
        self.sure = bool(self.texts)

    @property
    def codec(self) -> str | None:
        """The first of the names that is not too rare."""
        return next((name for name in self.names if name not in _NEVER), None)

    def agrees(self, names: list[str]) -> bool:
        """Return whether its first reading is by one of these codecs."""
        return bool(set(names) & set(self.names))


def odd_share(text: str) -> float:
    """Return the share of the words beyond ASCII that no language has."""
    words = [word for word in _WRITTEN.findall(text) if not word.isascii()]
    return sum(map(_odd, words)) / len(words) if words else 0.0


def _readings(data: bytes) -> Iterator[tuple[str, float, str]]:
    import chardet

    readings: list[Any] = list(chardet.detect_all(data, ignore_threshold=True))
    for each in readings:
        name = (each["encoding"] or "").lower()
        if not name or name in _UNHEARD_OF:
            continue
        try:
            yield name, each["confidence"], data.decode(name)
        except (LookupError, UnicodeError):
            continue


def _seven_bits(data: bytes) -> str | None:
    """Return ISO 2022 or HZ by their escapes, in which ASCII stands for other characters."""
    if b"\x1b$" not in data and b"\x1b(" not in data and b"~{" not in data:
        return None
    name = next((name for name, _, _ in _readings(data)), "")
    if name.startswith("hz") and not _is_chinese(data):
        return None
    return name if name.startswith(("iso-2022", "iso2022", "hz")) else None


def _is_chinese(data: bytes) -> bool:
    """Return whether most pairs between HZ's escapes are marks or frequent characters of GB 2312, and no words."""
    pairs = [inside[at : at + 1] for inside in _HZ.findall(data) for at in range(0, len(inside) - 1, 2)]
    return len(pairs) >= _WORDS and sum(first in _FREQUENT for first in pairs) * 5 >= len(pairs) * 4


def _sample(data: bytes) -> bytes:
    """Return the lines that are not ASCII, up to a size; a shorter text as it is."""
    if len(data) <= _SAMPLE:
        return data
    lines, size = [], 0
    for line in data.splitlines(keepends=True):
        if not line.isascii() or b"\x1b" in line:
            lines.append(line[: _SAMPLE - size])
            size += len(lines[-1])
            if size >= _SAMPLE:
                break
    return b"".join(lines) or data[:_SAMPLE]


def _halves(text: str, codec: str) -> list[bytes]:
    """Return the bytes of both halves of a text; a single fault is in one of them alone."""
    middle = len(text) // 2
    return [text[:middle].encode(codec), text[middle:].encode(codec)]


def _without_rare(data: bytes) -> Iterator[bytes]:
    """Yield the bytes without the word around each one beyond ASCII that occurs once."""
    rare = [byte for byte in range(0x80, 0x100) if data.count(byte) == 1]
    for byte in rare[:_ONCE]:
        place = data.index(byte)
        before, behind = _BLANK.split(data[:place])[-1], _BLANK.split(data[place:], maxsplit=1)[0]
        yield data[: place - min(_AROUND, len(before))] + data[place + min(_AROUND, len(behind)) :]


@lru_cache(maxsize=4096)
def _odd(word: str) -> bool:
    kinds = "".join(map(_kind, word))
    if _ODD_KINDS.search(kinds):
        return True
    return any(len(set(run) - {"m"}) > 1 for run in re.findall(r"[a-oqrt-z]+", kinds)) or _capital_inside(word)


def _capital_inside(word: str) -> bool:
    """Return whether a capital with an accent follows a small letter."""
    return any(b > "\x7f" and b.isupper() and a.islower() for a, b in pairwise(word))


@lru_cache(maxsize=65536)
def _kind(character: str) -> str:
    """Return a letter for each script; "s": signs, "p", "%": marks outside words, "!": no text; a blank: all else."""
    if character < "\x80":
        return "l" if character.isalpha() else " "
    category = unicodedata.category(character)
    if category in ("Cc", "Co", "Cn"):
        return "!"
    if category[0] == "M":
        return "m"
    if category[0] == "S":
        return "s"
    if character in "¡¿«»§¶·":
        return "p"
    if category[0] != "L" or character in "ªºµ":
        return " " if character == "µ" else "%"
    script = unicodedata.name(character, "?").split()[0].split("-")[0]
    scripts = {"LATIN": "l", "CYRILLIC": "c", "GREEK": "g", "HEBREW": "b", "ARABIC": "a", "THAI": "t", "HANGUL": "k"}
    east = ("HIRAGANA", "KATAKANA", "CJK", "FULLWIDTH", "BOPOMOFO", "IDEOGRAPHIC")
    return scripts.get(script, " " if script in east else "s" if script == "MODIFIER" else "z")
