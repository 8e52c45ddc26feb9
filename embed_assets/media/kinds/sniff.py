"""sniff: what a file is by its bytes, because names lie and uploads have none."""

import codecs
import re
from typing import Any

from embed_assets.media.kinds.pillow_formats import picture_kind
from embed_assets.media.kinds.unsupported_kinds import WITH_NULS, foreign_kind
from embed_assets.media.media_types import PLAIN, Modality, Sniffed
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.media.text.encodings import byte_order_mark, guess_utf16
from embed_assets.media.text.pdf import is_late_pdf

HEAD = 8192  # bytes that are looked at; the decoder has the last word

UNKNOWN = "application/octet-stream"
_READABLE_IMAGES = frozenset(
    f"image/{kind}"
    for kind in (
        *("jpeg", "png", "apng", "gif", "webp", "avif", "bmp", "tiff"),
        *("jpx", "x-icon", "vnd.adobe.photoshop"),
    )
)
# Kinds whose files may be text all through; in every other kind, text means that the guess is wrong.
_TEXT_BASED = frozenset({PDF, "application/rtf", "application/postscript"})
_NETPBM = re.compile(rb"P[1-6f][\s#]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Possessive where two parts could share out the same characters: that would take a second on 8 KiB made for it.
_PROLOG = re.compile(
    r"\s*+(?:<\?.*?\?>\s*+|<!--.*?-->\s*+|<!DOCTYPE(?!\s+html)[^>\[]*+(?:\[[^\]]*+\])?+[^>]*+>\s*+)*", re.I | re.S
)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.I)
_SVG = re.compile(r"<(?:\w+:)?svg\b", re.I)
_XPM = re.compile(r"\s*/\* XPM \*/")
_XBM = re.compile(
    r"\s*#define[ \t]+\S+_width[ \t]+\d+\s+#define[ \t]+\S+_height[ \t]+\d++[^\n]*+\n"
    r"(?:#define[^\n]*+\n)*+\s*+static[^\n{]*_bits\["
)
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:["{\[\]]|-?\d|true\b|false\b|null\b))')


def sniff(data: bytes) -> Sniffed:
    """The mime type of a file's bytes, and the modality it can be encoded as.

    Text of every kind is "text", PDF and .docx with it; `modality` is None for what nothing here decodes:
    SVG, other office files, archives, programs, raw photos. Whether a webm or ogg has pictures is left
    to its decoder, and so is sound and video in forms without a signature (`refine`). Bytes that no
    signature fits and that are no text are shown to Pillow. Never raises.
    """
    return by_bytes(data) or _by_pillow(data)


def by_bytes(data: bytes) -> Sniffed | None:
    """As `sniff`, by looks at 8 KiB that take a millisecond whatever is in them; None where Pillow has to be asked."""
    if not data:
        return Sniffed(mime="inode/x-empty", modality=None)
    head = data[:HEAD]
    mime = PDF if is_late_pdf(data) else _by_magic(head)
    text = _text_head(head, whole=len(data) <= HEAD)
    if mime is not None and (text is None or mime in _TEXT_BASED):
        mime = foreign_kind(data, _docx_or(mime, data)) or mime
        return Sniffed(mime=mime, modality=_modality(mime))
    return None if _NETPBM.match(head) else _by_head(head, text)


def _by_magic(head: bytes) -> str | None:
    import filetype

    kind: Any = filetype.guess(head)
    return None if kind is None else str(kind.mime)


def _by_head(head: bytes, text: str | None) -> Sniffed | None:
    if text is not None:
        return _kind_of_text(text)
    mime = _by_lesser_magic(head)
    return None if mime is None else Sniffed(mime=mime, modality=_modality(mime))


def _by_pillow(data: bytes) -> Sniffed:
    head = data[:HEAD]
    if _NETPBM.match(head) and _is_netpbm(head):  # the one kind of image that filetype does not know
        return Sniffed(mime="image/x-portable-anymap", modality="image")
    found = _by_head(head, _text_head(head, whole=len(data) <= HEAD))
    if found is not None:
        return found
    if mime := picture_kind(data):
        return Sniffed(mime=mime, modality="image")
    return Sniffed(mime=foreign_kind(data, None) or (WITH_NULS if _is_text_with_nuls(head) else UNKNOWN), modality=None)


def _by_lesser_magic(head: bytes) -> str | None:
    """Sound and video in forms that filetype does not know, for the decoder to judge."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return "audio/mpeg" if re.match(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", head) else None


def _modality(mime: str) -> Modality | None:
    if mime in _READABLE_IMAGES:
        return "image"
    if mime in (PDF, DOCX):
        return "text"
    if mime.startswith("audio/"):
        return "audio"
    return "video" if mime.startswith("video/") else None


def _docx_or(mime: str, data: bytes) -> str:
    return DOCX if mime == "application/zip" and b"word/document.xml" in data else mime


def _is_netpbm(head: bytes) -> bool:
    import io

    from PIL import Image

    try:
        Image.open(io.BytesIO(head), formats=["PPM"]).close()
    except Exception:  # Pillow's parsers raise what they like; any of it means no
        return False
    return True


def _text_head(head: bytes, *, whole: bool) -> str | None:
    """The head as text, or None where it is not text.

    Of 16,000 files in /usr with control characters and no signature all binary ones have NULs, five in 10,000 bytes at
    least; all without NULs are UTF-8. A text in a code page, which any bytes may be, has none, and few of the others.
    """
    text = _unicode_head(head, whole=whole)
    if text is not None:
        guessed = byte_order_mark(head) is None and guess_utf16(head) is not None  # by NULs, which binary files have
        return text if _few(text, nuls=16, controls=200 if guessed else 2, spared=not guessed) else None
    # Which code page is the decoder's question, and neither tags nor braces depend on it.
    text = head.decode("latin-1")
    return text if _few(text, nuls=HEAD + 1, controls=200) else None


def _is_text_with_nuls(head: bytes) -> bool:
    """Whether it is a text but for its NULs: filled up to some length, or one string behind the other."""
    text = _unicode_head(head.replace(b"\0", b""), whole=len(head) < HEAD)
    return text is not None and bool(text.strip()) and _few(text, nuls=1, controls=200)


def is_text_in(encoding: str, data: bytes) -> bool:
    """Whether bytes that are no text as they stand are one in the encoding that the settings name."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        return _few(decoder.decode(data[:HEAD], final=len(data) <= HEAD), nuls=HEAD + 1, controls=200)
    except UnicodeError:
        return False


def _few(text: str, *, nuls: int, controls: int, spared: bool = True) -> bool:
    """Whether at most one NUL is there, or one in a thousand, and not one control character in so many at least.

    One control character more is `spared`.
    """
    found = len(_CONTROL.findall(text))
    if not found:
        return True
    none = text.count("\0")
    return none <= max(1, len(text) // 1000) and none * nuls <= len(text) and (found - spared) * controls <= len(text)


def _unicode_head(head: bytes, *, whole: bool) -> str | None:
    mark = byte_order_mark(head)
    decoder = codecs.getincrementaldecoder(mark or guess_utf16(head) or "utf-8")("replace" if mark else "strict")
    try:
        text = decoder.decode(head, final=whole).removeprefix("\ufeff")
    except UnicodeError:
        return None
    # Behind a mark a few faults are the decoder's question.
    return text if text.count("\ufffd") <= max(1, len(text) // 100) or not mark else None


def _kind_of_text(text: str) -> Sniffed:
    prolog = _PROLOG.match(text)
    body = text[prolog.end() if prolog else 0 :]
    if _XPM.match(text) or _XBM.match(text):
        return Sniffed(mime="image/x-xpixmap" if _XPM.match(text) else "image/x-xbitmap", modality="image")
    if _SVG.match(body):
        return Sniffed(mime="image/svg+xml", modality=None)
    if _HTML.match(body):
        return Sniffed(mime="text/html", modality="text")
    if text.lstrip().startswith("<?xml"):
        return Sniffed(mime="text/xml", modality="text")
    return Sniffed(mime="application/json" if _JSON.match(text) else PLAIN, modality="text")
