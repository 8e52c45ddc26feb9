"""sniff: the kind of a file by its bytes, because names are wrong and uploads have none."""

from collections.abc import Iterable

from embed_assets.media.kinds.builtin_kinds import KINDS
from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.kinds.media_kind import MediaKind
from embed_assets.media.media_types import Modality, Sniffed


def sniff(data: bytes) -> Sniffed:
    """Return the mime type of a file's bytes, and the modality as which it can be encoded.

    Text of every kind is "text", PDF and .docx with it; `modality` is None for what nothing here decodes: SVG, other
    office files, archives, programs, raw photos. Whether a webm or ogg has pictures is left to its decoder, and so is
    sound and video in forms without a signature (`refine`). Bytes without a signature that are no text are shown to
    Pillow. Never raises.
    """
    sniffed = first_that_detects(KINDS, FileHead(data))
    assert sniffed is not None, "the last kind takes any file"
    return sniffed


def by_bytes(data: bytes) -> Sniffed | None:
    """Return the same from the first 8 KiB, in a millisecond; None where a parser is needed."""
    head = FileHead(data)
    for kind in KINDS:
        if kind.needs_parser(head):
            return None
        if sniffed := first_that_detects((kind,), head):
            return sniffed
    return None


def first_that_detects(kinds: Iterable[MediaKind], head: FileHead) -> Sniffed | None:
    """Return the mime type and the modality by the first kind that detects the file."""
    for kind in kinds:
        if mime := kind.detect(head):
            return Sniffed(mime=mime, modality=kind.modality, decoder=kind.decoder)
    return None


def builtin_kind(modality: Modality, mime: str | None) -> MediaKind:
    """Return the kind that decodes a type: the one of this mime type, else the first of its modality."""
    kinds = [kind for kind in KINDS if kind.modality == modality and kind.mime in (mime, None)]
    return max(kinds, key=lambda kind: kind.mime is not None)  # of equals the first
