"""Documents: mime types of texts that are parsed, and the checks of what any parser makes of one."""

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits

HTML = "text/html"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

# Of the text that decoders make of the same bytes; another text, another vector.
FORMAT = 1


def clean_text(text: str, reason_if_empty: str, limits: Limits) -> str:
    """Return the text without NULs and lone surrogates, which broken fonts give and databases refuse.

    Raises MediaError with `reason_if_empty`, or "too many characters".
    """
    text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise MediaError(reason_if_empty, "the document has no text that can be read without recognising pictures")
    if len(text) > limits.max_characters:
        raise MediaError(
            "too many characters",
            f"{len(text):,} characters; the limit max_characters is {limits.max_characters:,}",
        )
    return text
