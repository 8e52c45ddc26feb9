"""pdf_text: the text layer of a PDF, page after page."""

import io
import re
from typing import TYPE_CHECKING

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.documents import clean_text
from embed_assets.media.text.replaced_bytes import Decoded

_HEADER = re.compile(rb"%PDF-[12]\.\d[^\r\n]{0,20}[\r\n]")
_OBJECT = re.compile(rb"[\r\n]\s*\d+\s+\d+\s+obj\b")
_FIELDS = re.compile(rb"(?:[A-Z]+/[\d.]+ \d+[^\r\n]*\r?\n)?(?:[\w-]+:[^\r\n]*\r?\n)+\r?\n\s*")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

if TYPE_CHECKING:
    from pypdf import PdfReader


def is_late_pdf(data: bytes) -> bool:
    """Return whether a PDF begins after other bytes: its header may be in the first 1024 (PDF 1.7, appendix H).

    A text that quotes a PDF is none: before the header are only blanks or lines of an HTTP or mail header, or there are
    control characters, as in compressed streams.
    """
    header = _HEADER.search(data, 1, 1024 + len(b"%PDF-1.7"))
    if header is None or _OBJECT.search(data, header.end() - 1) is None:
        return False
    before = data[: header.start()]
    return not before.strip(b"\xef\xbb\xbf \t\r\n\f\0") or bool(_FIELDS.fullmatch(before) or _CONTROL.search(data))


def pdf_text(data: bytes, *, limits: Limits) -> Decoded:
    """Return the text in the order in which the file draws it, with an empty line between pages.

    A file that opens without a password is read even if it is encrypted. Scanned pages have no text
    layer: they add nothing. Raises MediaError "encrypted", "no text layer", "broken pdf", "too many pages" or
    "too many characters"; the parser's own bounds stop streams that unpack to more than 75 MB.
    """
    return Decoded(clean_text(_extracted(data, limits), "no text layer", limits))


def _extracted(data: bytes, limits: Limits) -> str:
    import pypdf  # 0.3 s
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise MediaError("encrypted", "it needs a password")
        return _pages(reader, limits)
    except MediaError:
        raise
    except DependencyError as error:
        raise MediaError("encrypted", f"{error}; pip install cryptography") from error
    except FileNotDecryptedError as error:
        raise MediaError("encrypted", str(error)) from error
    except MemoryError as error:
        raise MediaError("out of memory", f"{len(data):,} bytes") from error
    except Exception as error:  # on a malformed file the parser raises anything
        raise MediaError("broken pdf", f"{type(error).__name__}: {error}") from error


def _pages(reader: "PdfReader", limits: Limits) -> str:
    count = len(reader.pages)
    if count > limits.max_pages:
        raise MediaError("too many pages", f"{count:,} pages; the limit max_pages is {limits.max_pages:,}")
    pages: list[str] = []
    characters = 0
    for page in reader.pages:
        pages.append(page.extract_text().strip())
        characters += len(pages[-1])
        if characters > limits.max_characters:
            raise MediaError(
                "too many characters",
                f"{characters:,} characters in {len(pages):,} of {count:,} pages; the limit max_characters is "
                f"{limits.max_characters:,}",
            )
    return "\n\n".join(page for page in pages if page)
