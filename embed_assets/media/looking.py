"""look_at: what a file is: by its bytes where they tell it, else by decoders, in a process of their own."""

from embed_assets.media.added import PLAIN, decoded_by
from embed_assets.media.documents import DOCX, PDF
from embed_assets.media.encodings import needs_encoding, with_encoding
from embed_assets.media.foreign import WITH_NULS
from embed_assets.media.isolation import Decoders
from embed_assets.media.item import Sniffed
from embed_assets.media.sniff import UNKNOWN, by_bytes, is_text_in, open_question, refine, sniff
from embed_assets.plugins import warn_once


def look_at(data: bytes, decoders: Decoders | None, *, encoding: str | None = None) -> Sniffed:
    """As `looked`, of a text that is not UTF-8 with the source's `encoding` in the mime type: it is read by it.

    Raises as `looked`.
    """
    known = by_bytes(data)
    if encoding is None or not needs_encoding(data, encoding) or (known is not None and known.mime in (PDF, DOCX)):
        return _looked(data, known, decoders)
    if known is None or known.mime in (UNKNOWN, WITH_NULS):
        known = Sniffed(mime=PLAIN, modality="text") if is_text_in(encoding, data) else known
    found = _looked(data, known, decoders)
    if found.modality != "text" or decoded_by(found.mime):
        return found
    return Sniffed(mime=with_encoding(found.mime, encoding), modality="text")


def _looked(data: bytes, known: Sniffed | None, decoders: Decoders | None) -> Sniffed:
    """As `refine(data, sniff(data))`. Text, documents, and pictures with a signature are not sent to a worker.

    Raises MediaError where a decoder crashes, hangs or takes too much memory as it looks: "decoder crashed",
    "decoder timed out", "decoder failed", "out of memory". Without `decoders` they look here, unguarded.
    """
    if known is not None and not open_question(known):
        return known
    if decoders is None:
        return refine(data, known or sniff(data))
    ((found, warnings),) = decoders.decode(looked_at, data)
    for each in warnings:
        warn_once(each)
    return found


def looked_at(data: bytes) -> tuple[Sniffed, list[str]]:
    """What decoders take a file for, and warnings of plugins, for the program that asks to give."""
    warnings: list[str] = []
    return refine(data, sniff(data), warn=warnings.append), warnings
