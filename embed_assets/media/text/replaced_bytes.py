"""Replaced bytes: decoding with U+FFFD for a few invalid bytes, and the warning about them."""

import codecs
import re
import threading
from dataclasses import dataclass

from embed_assets.media.media_types import TextWarning

_PLACES = 3  # in a warning
_RARE = 1000  # bytes for each one that may be invalid, in a known encoding
_LEFT = 3  # bytes that are left of a character of UTF-8 where one is lost
_SURE = 4  # valid characters beyond ASCII, and as many for each fault, that no other encoding has by chance
_PAIR = re.compile(rb"\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")
_HIGH = bytes(range(0x80, 0x100))
_noted = threading.local()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and the warning if bytes were replaced."""

    text: str
    warning: TextWarning | None = None


def decode_faulty_utf8(data: bytes) -> Decoded | None:
    """Decode UTF-8 with a few invalid bytes; None where it may be another encoding.

    Each fault must come with several valid characters beyond ASCII, which are very unlikely in another encoding.
    Surrogate pairs (CESU-8, of Java and of databases) are decoded to their character, and are no fault.
    """
    if _is_other(data) or (decoded := _decoded(data, "utf-8", most=len(data))) is None:
        return None
    text, faults = decoded
    whole = len(_BEYOND_ASCII.findall(text))
    needed = 2 if len(faults) == 1 else _SURE * len(faults)
    if whole >= (1 if _cut_short(data, faults) else needed):
        return Decoded(text, _warning("UTF-8", faults))
    return None


def _is_other(data: bytes) -> bool:
    """Return whether there are too many faults, by numbers alone: their places take seconds in a large text."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count("\ufffd".encode())
    whole = len(text) - broken - len(data.translate(None, _HIGH))
    return broken > _LEFT and whole * _LEFT < broken * _SURE and _PAIR.search(data) is None


def surely_utf8(data: bytes) -> Decoded | None:
    """Decode the same against another encoding in the settings, which would decode faulty UTF-8 without an error."""
    decoded = decode_faulty_utf8(data)
    few = decoded is None or len(_BEYOND_ASCII.findall(decoded.text)) < _SURE
    return None if few else decoded


def decode_faulty(data: bytes, codec: str, *, name: str | None = None) -> Decoded | None:
    """Decode a text of a known encoding; None where more than one byte in a thousand is invalid."""
    decoded = _decoded(data, codec, most=max(1, len(data) // _RARE))
    return None if decoded is None else Decoded(decoded[0], _warning(name or codec, decoded[1]))


def decode_faulty_ascii(data: bytes) -> Decoded | None:
    """Decode ASCII with very few other bytes, too few for a guess; None for any other text."""
    if len(data) < _RARE or b"\x1b$" in data or b"~{" in data:  # the escapes of ISO 2022 and HZ
        return None
    return decode_faulty(data, "ascii", name="UTF-8")


def without_nuls(text: Decoded) -> Decoded:
    """Replace single NULs, which databases refuse, by U+FFFD."""
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
    """Return whether the one fault is an incomplete last character."""
    if len(faults) != 1 or len(data) - faults[0] > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data[faults[0] :])
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, codec: str, *, most: int) -> tuple[str, list[int]] | None:
    """Return the text and the places of replaced bytes; None where these are more than `most`."""
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
        high, high_low, low, low_low = (group[0] for group in pair.groups())
        point = 0x10000 + ((high & 15) << 16 | (high_low & 63) << 10 | (low & 15) << 6 | low_low & 63)
        return chr(point), pair.end()
    # The rest of a character that lost a byte counts as one place, a longer run as more.
    _noted.run = _noted.run + 1 if error.start == _noted.end else 0
    if _noted.run % _LEFT == 0:
        _noted.faults.append(error.start)
        if len(_noted.faults) > _noted.most:
            raise error
    _noted.end = error.end
    return "\ufffd", error.end


codecs.register_error("embed_assets.replaced", _replace)
