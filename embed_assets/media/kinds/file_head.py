"""FileHead: a file's first bytes for detection: as signature and as text, each computed once."""

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from embed_assets.media.kinds.unsupported_kinds import foreign_kind
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.media.text.encodings import byte_order_mark, guess_utf16
from embed_assets.media.text.pdf import is_late_pdf

HEAD = 8192  # bytes that are inspected; the decoder decides in the end

# Kinds whose files may be text all through; in every other kind, text means that the guess is wrong.
_TEXT_BASED = frozenset({PDF, "application/rtf", "application/postscript"})
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class FileHead:
    """A file's bytes, and views of their first 8 KiB."""

    data: bytes

    @cached_property
    def first(self) -> bytes:
        """The first 8 KiB."""
        return self.data[:HEAD]

    @cached_property
    def signature(self) -> str | None:
        """The mime type of a signature that filetype or `foreign_kind` has; None without one, and of texts."""
        mime = PDF if is_late_pdf(self.data) else _filetype(self.first)
        if mime is None or (self.text is not None and mime not in _TEXT_BASED):
            return None
        if mime == "application/zip" and b"word/document.xml" in self.data:
            return DOCX
        return foreign_kind(self.data, mime)

    @cached_property
    def text(self) -> str | None:
        """The head as text, or None where it is not text.

        Of 16,000 files in /usr with control characters and no signature all binary ones have NULs, five in 10,000
        bytes at least; all without NULs are UTF-8. A text in a code page, which any bytes may be, has none, and few of
        the others.
        """
        text = _unicode_head(self.first, whole=self._whole)
        if text is not None:
            # By NULs, which binary files have.
            guessed = byte_order_mark(self.first) is None and guess_utf16(self.first) is not None
            return text if _few(text, nuls=16, controls=200 if guessed else 2, spared=not guessed) else None
        # Which code page is decided by the decoder, and neither tags nor braces depend on it.
        text = self.first.decode("latin-1")
        return text if _few(text, nuls=HEAD + 1, controls=200) else None

    def is_text_with_nuls(self) -> bool:
        """Return whether the head is text but for its NULs: padded, or strings that NULs separate."""
        text = _unicode_head(self.first.replace(b"\0", b""), whole=len(self.first) < HEAD)
        return text is not None and bool(text.strip()) and _few(text, nuls=1, controls=200)

    def is_text_in(self, encoding: str) -> bool:
        """Return whether the head is text in the encoding of the settings."""
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            return _few(decoder.decode(self.first, final=self._whole), nuls=HEAD + 1, controls=200)
        except UnicodeError:
            return False

    @property
    def _whole(self) -> bool:
        return len(self.data) <= HEAD


def _filetype(head: bytes) -> str | None:
    import filetype

    kind: Any = filetype.guess(head)
    return None if kind is None else str(kind.mime)


def _few(text: str, *, nuls: int, controls: int, spared: bool = True) -> bool:
    """Return whether a text has few NULs, one in a thousand characters or a single one, and few control characters.

    At most one NUL in `nuls` characters and one control character in `controls`; one more is `spared`.
    """
    count = len(_CONTROL.findall(text))
    if not count:
        return True
    zeros = text.count("\0")
    few_zeros = zeros <= max(1, len(text) // 1000) and zeros * nuls <= len(text)
    return few_zeros and (count - spared) * controls <= len(text)


def _unicode_head(head: bytes, *, whole: bool) -> str | None:
    mark = byte_order_mark(head)
    decoder = codecs.getincrementaldecoder(mark or guess_utf16(head) or "utf-8")("replace" if mark else "strict")
    try:
        text = decoder.decode(head, final=whole).removeprefix("\ufeff")
    except UnicodeError:
        return None
    # Behind a mark a few faults are left to the decoder.
    return text if text.count("\ufffd") <= max(1, len(text) // 100) or not mark else None
