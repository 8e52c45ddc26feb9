"""Replaced bytes: U+FFFD for bytes that are no character of the encoding, and the warning about them."""

import codecs
import re
import threading
from dataclasses import dataclass

from embed_assets.media.media_types import TextWarning

_PLACES = 3  # that are told
_RARE = 1000  # bytes to one that may make no character, in an encoding that is known
_LEFT = 3  # bytes of a character of UTF-8 that are left where one is lost
_SURE = 4  # whole characters beyond ASCII, and as many for each fault, that no other encoding makes by chance
_PAIR = re.compile(rb"\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")
_HIGH = bytes(range(0x80, 0x100))
_noted = threading.local()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and what was replaced in it, if anything was."""

    text: str
    warning: TextWarning | None = None


def decode_faulty_utf8(data: bytes) -> Decoded | None:
    """UTF-8 but for a few bytes; None where it may be another encoding.

    For each fault there are several whole characters beyond ASCII, which chance hardly ever makes of another encoding.
    Pairs of halves that stand for one character (CESU-8, of Java and of databases) are that character, and no fault.
    """
    if _is_other(data) or (found := _decoded(data, "utf-8", most=len(data))) is None:
        return None
    text, faults = found
    whole = len(_BEYOND_ASCII.findall(text))
    needed = 2 if len(faults) == 1 else _SURE * len(faults)
    if whole >= (1 if _cut_short(data, faults) else needed):
        return Decoded(text, _warning("UTF-8", faults))
    return None


def _is_other(data: bytes) -> bool:
    """Whether there are too many faults, by numbers alone: to find their places takes seconds of a large text."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count("\ufffd".encode())
    whole = len(text) - broken - len(data.translate(None, _HIGH))
    return broken > _LEFT and whole * _LEFT < broken * _SURE and _PAIR.search(data) is None


def surely_utf8(data: bytes) -> Decoded | None:
    """The same where another encoding is named: what is UTF-8 but for a fault, is read by it without a word."""
    found = decode_faulty_utf8(data)
    few = found is None or len(_BEYOND_ASCII.findall(found.text)) < _SURE
    return None if few else found


def decode_faulty(data: bytes, codec: str, *, name: str | None = None) -> Decoded | None:
    """The same of a text whose encoding is known; None where more bytes than one in a thousand make no character."""
    found = _decoded(data, codec, most=max(1, len(data) // _RARE))
    return None if found is None else Decoded(found[0], _warning(name or codec, found[1]))


def decode_faulty_ascii(data: bytes) -> Decoded | None:
    """ASCII with a byte in thousands that is none, too few to tell an encoding by; None for all else."""
    if len(data) < _RARE or b"\x1b$" in data or b"~{" in data:  # the escapes of ISO 2022 and HZ
        return None
    return decode_faulty(data, "ascii", name="UTF-8")


def without_nuls(text: Decoded) -> Decoded:
    """Single NULs, which databases refuse, as U+FFFD."""
    count = text.text.count("\0")
    if not count:
        return text
    where = f"{_times(count)}, the first at character {text.text.index(chr(0)):,}"
    return Decoded(text.text.replace("\0", "\ufffd"), text.warning or TextWarning("replaced NUL", where))


def _warning(name: str, faults: list[int]) -> TextWarning | None:
    if not faults:
        return None
    shown = ", ".join(f"{place:,}" for place in faults[:_PLACES])
    more = ", …" if len(faults) > _PLACES else ""
    return TextWarning(f"replaced what is not {name}", f"{_times(len(faults))}, at byte {shown}{more}")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _cut_short(data: bytes, faults: list[int]) -> bool:
    """Whether the one fault is the beginning of a last character."""
    if len(faults) != 1 or len(data) - faults[0] > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data[faults[0] :])
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, codec: str, *, most: int) -> tuple[str, list[int]] | None:
    """The text, and the places of what was replaced in it; None where these are more than `most`."""
    _noted.faults, _noted.end, _noted.run, _noted.most = [], None, 0, most
    try:
        return data.decode(codec, "embed_assets.replaced"), _noted.faults
    except UnicodeDecodeError:
        return None


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = _PAIR.match(error.object, error.start) if error.encoding == "utf-8" else None
    if pair is not None:
        high, high_low, low, low_low = (found[0] for found in pair.groups())
        point = 0x10000 + ((high & 15) << 16 | (high_low & 63) << 10 | (low & 15) << 6 | low_low & 63)
        return chr(point), pair.end()
    # A byte that is lost leaves the others of its character alone: one place. More in a row are more places.
    _noted.run = _noted.run + 1 if error.start == _noted.end else 0
    if _noted.run % _LEFT == 0:
        _noted.faults.append(error.start)
        if len(_noted.faults) > _noted.most:
            raise error
    _noted.end = error.end
    return "\ufffd", error.end


codecs.register_error("embed_assets.replaced", _replace)
