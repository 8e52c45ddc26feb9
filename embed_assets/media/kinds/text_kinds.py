"""Detection of texts: pages, drawings and bitmaps by their markup, all others as plain text."""

import re

from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.media_types import PLAIN
from embed_assets.media.text.documents import HTML

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


def bitmap(head: FileHead) -> str | None:
    """Return the mime type of a picture that is written as source code of C."""
    if _XPM.match(head.text or ""):
        return "image/x-xpixmap"
    return "image/x-xbitmap" if _XBM.match(head.text or "") else None


def svg(head: FileHead) -> str | None:
    """Return the mime type of a vector drawing."""
    return "image/svg+xml" if _SVG.match(head.text or "", _body(head)) else None


def html(head: FileHead) -> str | None:
    """Return the mime type of a web page."""
    return HTML if _HTML.match(head.text or "", _body(head)) else None


def other_text(head: FileHead) -> str | None:
    """Return the mime type of any other text."""
    if head.text is None:
        return None
    if head.text.lstrip().startswith("<?xml"):
        return "text/xml"
    return "application/json" if _JSON.match(head.text) else PLAIN


def _body(head: FileHead) -> int:
    """Return where the markup begins, behind declarations and comments."""
    prolog = _PROLOG.match(head.text or "")
    return prolog.end() if prolog else 0
