"""decode_text: decode a file's bytes in the encoding that is certain, or fail."""

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.encodings import byte_order_mark, declared_encoding, guess_utf16, needs_encoding
from embed_assets.media.text.guess_encoding import guessed_codec
from embed_assets.media.text.replaced_bytes import (
    Decoded,
    decode_faulty,
    decode_faulty_ascii,
    decode_faulty_utf8,
    surely_utf8,
    without_nuls,
)

_NULS = 1000  # characters for each NUL that is tolerated
_HINT = "name it as the source's encoding (sources.NAME.encoding)"
UNSURE = f"not UTF-8, and no other one is sure; {_HINT}"


def decode_text(data: bytes, *, limits: Limits, encoding: str | None = None, html: bool = False) -> Decoded:
    """Return the text, its line ends unchanged so that offsets in characters hold, and a warning of replaced bytes.

    A byte order mark decides; then UTF-8, strict or with few faults among many characters; then `encoding`, the
    setting of the source; then the text's own declaration, of `html` its meta tag; then UTF-16 by its pattern of NULs;
    then UTF-8 with few faults; then a guess, where there is no doubt. A few invalid bytes become U+FFFD, with a
    warning.
    Raises MediaError "unknown encoding", "not text", "empty text" or "too many characters".
    """
    if len(data) > 4 * limits.max_characters + 4:
        raise _too_long(f"{len(data):,} bytes", limits)
    decoded = _decoded(data, encoding, html=html)
    text = decoded.text
    if not text.strip().strip("\0"):
        raise MediaError("empty text", f"{len(data):,} bytes, none of them more than white space")
    if text.count("\0") > max(1, len(text) // _NULS):
        raise MediaError("not text", f"{text.count(chr(0)):,} NULs, the first at character {text.index(chr(0)):,}")
    if len(text) > limits.max_characters:
        raise _too_long(f"{len(text):,} characters", limits)
    return without_nuls(decoded)


def is_utf8(data: bytes) -> bool:
    """Return whether the bytes are UTF-8 without a mark and without NULs, which needs no guess."""
    if byte_order_mark(data) or b"\0" in data or b"\x1b" in data or b"~{" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, encoding: str | None, *, html: bool) -> Decoded:
    if codec := byte_order_mark(data):
        return _by_codec(data, codec, f"begins with a byte order mark of {codec}")
    if encoding is not None and needs_encoding(data, encoding):
        return surely_utf8(data) or _by_codec(data, encoding, f"is {encoding} by the source's setting encoding")
    if codec := guess_utf16(data):  # before UTF-8, in which a NUL is a character too
        return _by_codec(data, codec, f"has the NULs of {codec}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _otherwise(data, html=html)
    seven_bits = guessed_codec(data) if data.isascii() else None
    return Decoded(text if seven_bits is None else data.decode(seven_bits))


def _otherwise(data: bytes, *, html: bool) -> Decoded:
    """Decode bytes that are not strict UTF-8."""
    codec = declared_encoding(data, html=html)
    # A page that is UTF-8 but for a byte is not in its declared encoding either.
    decoded = surely_utf8(data) or (decode_faulty(data, codec) if codec else None) or decode_faulty_utf8(data)
    if decoded is None and (codec := guessed_codec(data)):
        decoded = decode_faulty(data, codec)
    decoded = decoded or decode_faulty_ascii(data)
    if decoded is None:
        raise MediaError("unknown encoding", UNSURE)
    return decoded


def _by_codec(data: bytes, codec: str, sign: str) -> Decoded:
    decoded = decode_faulty(data, codec)
    if decoded is None:
        raise MediaError("unknown encoding", f"it {sign}, but over one byte in a thousand is invalid in it; {_HINT}")
    return decoded


def _too_long(length: str, limits: Limits) -> MediaError:
    return MediaError("too many characters", f"{length}; the limit max_characters is {limits.max_characters:,}")
