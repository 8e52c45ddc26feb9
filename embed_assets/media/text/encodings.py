"""Encodings: a text's encoding by its first bytes, its NULs or its own declaration; codecs by name."""

import codecs
import difflib
import re
from encodings.aliases import aliases

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 4096  # bytes in which a declaration stands

# Standards, in place of which files use the supersets of real systems; as in browsers (encoding.spec.whatwg.org).
_WRITTEN_AS = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
# Labels of the web and of old systems that Python has no name for.
_LABELS = {
    "x-sjis": "cp932", "windows-31j": "cp932", "windows-932": "cp932", "x-gbk": "gb18030", "cn-gb": "gb18030",
    "gb_2312-80": "gb18030", "windows-936": "gb18030", "ks_c_5601-1987": "cp949", "windows-949": "cp949",
    "x-euc-jp": "euc_jp", "x-euc-kr": "cp949", "windows-874": "cp874", "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic", "x-mac-ukrainian": "mac_cyrillic",
    "big5-hkscs": "big5hkscs", "iso-8859-8-i": "iso8859_8", "logical": "iso8859_8", "dos-866": "cp866",
    "x-cp1250": "cp1250", "x-cp1251": "cp1251", "x-cp1252": "cp1252",
}  # fmt: skip
# Codecs of seven bits, by the mark of a text that needs one: any other text is ASCII, which is UTF-8 too.
_SEVEN_BITS = (("iso2022", b"\x1b"), ("hz", b"~{"), ("utf-7", b"+"))

_NO_TEXT = ("idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "mbcs", "oem", "charmap")
# They leave the order of bytes to a mark, and a text with a mark needs no setting.
_NO_ORDER = ("utf-16", "utf-32")

_XML = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([\w.:-]{2,40})[\"']")
_CSS = re.compile(rb"@charset \"([\w.:-]{2,40})\";")
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)
# The comment of PEP 263, also of Emacs and Vim; and the header of a gettext catalogue.
_COMMENT = re.compile(rb"(?:[^\n]*\n)?[ \t\f]*(?:#|//|;|%|--|\"|/\*)[^\n]*?(?:coding|encoding)[:=][ \t]*([-\w.]{2,40})")
_CATALOGUE = re.compile(rb"\"Content-Type: text/plain; charset=([\w.:-]{2,40})\\n\"")


def byte_order_mark(data: bytes) -> str | None:
    """Return the codec of a byte order mark, which also removes the mark."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def guess_utf16(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 without a mark, by the NULs in the same byte of all Latin characters."""
    head = data[:4096]
    if len(data) % 4 == 0 and (wide := _guess_utf32(head)):
        return wide
    even, odd = head[::2].count(0), head[1::2].count(0)
    enough = max(1, len(head) // 8)  # a quarter of the characters
    if odd >= enough and even * 10 <= odd:
        return "utf-16-le"
    if even >= enough and odd * 10 <= even:
        return "utf-16-be"
    return None


def _guess_utf32(head: bytes) -> str | None:
    """Return UTF-32 where every fourth byte is NUL, since there are 17 planes, and nearly all of those beside it."""
    size = len(head) // 4
    for codec, high, next_to_it in (("utf-32-le", 3, 2), ("utf-32-be", 0, 1)):
        if size and head[high::4].count(0) == size and head[next_to_it::4].count(0) * 10 >= size * 9:
            return codec if any(head) else None
    return None


def declared_encoding(data: bytes, *, html: bool = False) -> str | None:
    """Return the codec that a text without a mark declares: in XML, CSS or a comment; in HTML in its meta tag.

    None where it declares none, one that Python does not have, or one in which the declaration could not be read.
    """
    head = data[:_HEAD]
    declaration = _XML.match(head.lstrip()) or (_META.search(head) if html else _declared_in_text(head))
    codec = codec_named(declaration[1].decode("latin-1")) if declaration else None
    return None if codec is None or codec.startswith(("utf-8", "utf-16", "utf-32", "utf-7")) else codec


def _declared_in_text(head: bytes) -> re.Match[bytes] | None:
    return _CSS.match(head) or _COMMENT.match(head) or _CATALOGUE.search(head)


def codec_named(label: str) -> str | None:
    """Return Python's codec for the label of a declaration, or its usual superset; None for an unknown label."""
    label = label.strip().lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
    except (LookupError, ValueError):
        return None
    return _WRITTEN_AS.get(name, name) if is_of_text(name) else None


def is_of_text(name: str) -> bool:
    """Return whether Python's codec of this name decodes bytes to text, and not escapes."""
    if codecs.lookup(name).name.replace("-", "_") in _NO_TEXT:
        return False
    try:
        return isinstance(b"A".decode(name, "replace"), str)
    except (LookupError, ValueError):  # a codec from bytes to bytes
        return False


def checked_encoding(name: str) -> str:
    """Return the name as Python writes it. Raises ValueError with the nearest name for an unknown encoding."""
    try:
        codec = codecs.lookup(name).name if name.isascii() and name.isprintable() else ""
    except (LookupError, ValueError):
        codec = ""
    if codec in _NO_ORDER:
        raise ValueError(f"{codec!r} does not say in which order bytes are; write '{codec}-le' or '{codec}-be'.")
    if codec and is_of_text(codec):
        return codec
    near = difflib.get_close_matches(name.lower().replace("-", "_"), _names(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " Examples: cp1251, gb18030, euc_kr, big5, iso8859_2."
    raise ValueError(f"{name[:80]!r} is no text encoding of Python.{hint}")


def _names() -> list[str]:
    """Return Python's names for encodings of text."""
    return sorted({name for pair in aliases.items() if _is_known(pair[1]) for name in pair})


def _is_known(name: str) -> bool:
    try:
        return is_of_text(name)
    except LookupError:  # of another system
        return False


def needs_encoding(data: bytes, encoding: str) -> bool:
    """Return whether a text needs the source's `encoding`: it has no mark, and is not strict UTF-8.

    An encoding of seven bits is needed where the text has its escapes, one of two or four bytes where it has NULs.
    """
    if not data or byte_order_mark(data):
        return False
    if encoding.startswith(("utf-16", "utf-32")) and b"\0" in data:
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return data.isascii() and any(encoding.startswith(kind) and mark in data for kind, mark in _SEVEN_BITS)
