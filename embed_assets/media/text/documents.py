"""document_text: the text of a file, whatever kind of document carries it."""

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import decode_text
from embed_assets.media.text.encodings import encoding_of, without_encoding
from embed_assets.media.text.replaced_bytes import Decoded

HTML = "text/html"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PARSED = frozenset({HTML, PDF, DOCX})  # the others are text as they are

# Of what document_text makes of the same bytes; another text, another vector.
FORMAT = 1


def document_text(data: bytes, mime: str | None, *, limits: Limits) -> Decoded:
    """The text that a reader of the document sees, in its order; chunks count characters of this text.

    What was replaced in it is told with it. HTML without scripts and styles, a PDF's text layer, the paragraphs
    and tables of a .docx; anything else is decoded. Raises MediaError alone: "encrypted", "no text layer", "broken
    pdf", "broken document", "broken html", "nested too deeply", "too many pages", "too many characters", "too large
    unpacked", or what decode_text raises. May be called from several threads.
    """
    kind, encoding = without_encoding(mime), encoding_of(mime)
    if kind == HTML:
        from embed_assets.media.text.html import html_text

        page = html_text(data, limits=limits, encoding=encoding)
        return Decoded(checked_text(page.text, "empty text", limits), page.warning)
    if kind == PDF:
        from embed_assets.media.text.pdf import pdf_text

        return Decoded(checked_text(pdf_text(data, limits=limits), "no text layer", limits))
    if kind == DOCX:
        from embed_assets.media.text.docx import docx_text

        return Decoded(checked_text(docx_text(data, limits=limits), "empty text", limits))
    return decode_text(data, limits=limits, encoding=encoding)


def checked_text(text: str, reason_if_empty: str, limits: Limits) -> str:
    """Without what a database refuses: NULs and halves of surrogate pairs, which broken fonts give."""
    text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise MediaError(reason_if_empty, "the document has no text that can be read without recognising pictures")
    if len(text) > limits.max_characters:
        raise MediaError(
            "too many characters",
            f"{len(text):,} characters; the limit max_characters is {limits.max_characters:,}",
        )
    return text
