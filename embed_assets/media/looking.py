"""look_at: what a file is: by its bytes where they tell it, else by decoders, in a process of their own."""

from embed_assets.media.isolation import Decoders
from embed_assets.media.item import Sniffed
from embed_assets.media.sniff import by_bytes, open_question, refine, sniff
from embed_assets.plugins import warn_once


def look_at(data: bytes, decoders: Decoders | None) -> Sniffed:
    """As `refine(data, sniff(data))`. Text, documents, and pictures with a signature are not sent to a worker.

    Raises MediaError where a decoder crashes, hangs or takes too much memory as it looks: "decoder crashed",
    "decoder timed out", "decoder failed", "out of memory". Without `decoders` they look here, unguarded.
    """
    known = by_bytes(data)
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
