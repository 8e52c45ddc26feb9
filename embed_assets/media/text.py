"""decode_text: a file's bytes as text, in the encoding that they are in, or not at all."""

import codecs
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, *, limits: Limits) -> str:
    """The text, with line ends as they are, so that characters can be counted into it.

    A byte order mark decides; then strict UTF-8; then UTF-16 by its pattern of NULs; then the code
    pages of `limits.code_pages` are guessed between, which can be wrong on a few words of text.
    Raises MediaError "unknown encoding", "not text", "empty text" or "too many characters".
    """
    if len(data) > 4 * limits.max_characters + 4:
        raise _too_long(f"{len(data):,} bytes", limits)
    text = _decoded(data, limits)
    if not text.strip():
        raise MediaError("empty text", f"{len(data):,} bytes, none of them more than white space")
    if "\0" in text:
        raise MediaError("not text", f"a NUL at character {text.index(chr(0)):,}")
    if len(text) > limits.max_characters:
        raise _too_long(f"{len(text):,} characters", limits)
    return text


def byte_order_mark(data: bytes) -> str | None:
    """The codec that a byte order mark asks for, which also takes the mark off."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def guess_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark, by the NULs in every second byte that Latin script leaves there."""
    head = data[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    enough = max(1, len(head) // 8)  # a quarter of the characters
    if odd >= enough and even * 10 <= odd:
        return "utf-16-le"
    if even >= enough and odd * 10 <= even:
        return "utf-16-be"
    return None


def is_utf8(data: bytes) -> bool:
    """Whether these are UTF-8 without a mark and without NULs: what is read by one call and no guess."""
    if byte_order_mark(data) or b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def code_page(data: bytes, limits: Limits) -> str:
    """The likeliest of `limits.code_pages`. Raises MediaError "unknown encoding" where none gives readable text."""
    return _best(data, limits).encoding


def _decoded(data: bytes, limits: Limits) -> str:
    if codec := byte_order_mark(data):
        return _strictly(data, codec, f"begins with a byte order mark of {codec}")
    if codec := guess_utf16(data):  # before UTF-8, in which a NUL is a character too
        return _strictly(data, codec, f"has the NULs of {codec}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _guessed(data, limits)


def _strictly(data: bytes, codec: str, sign: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeError as error:
        raise MediaError("unknown encoding", f"{sign}, but {error}") from error


def _guessed(data: bytes, limits: Limits) -> str:
    return str(_best(data, limits))


def _best(data: bytes, limits: Limits) -> Any:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=["utf_8", *limits.code_pages]).best()
    if best is None:
        tried = ", ".join(("utf-8", *limits.code_pages))
        raise MediaError("unknown encoding", f"none of {tried} gives readable text; name others in code_pages")
    return best


def _too_long(found: str, limits: Limits) -> MediaError:
    return MediaError("too many characters", f"{found}; the limit max_characters is {limits.max_characters:,}")
