"""look_at: what a file is: by its bytes where they tell it, else by decoders, in a process of their own."""

from collections.abc import Callable
from dataclasses import replace

from embed_assets.errors import MediaError
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.builtin_kinds import UNKNOWN
from embed_assets.media.kinds.decoder_plugins import decoder_plugins, shown_to_plugins
from embed_assets.media.kinds.file_head import HEAD, FileHead
from embed_assets.media.kinds.sniff import by_bytes, sniff
from embed_assets.media.kinds.unsupported_kinds import WITH_NULS
from embed_assets.media.media_types import PLAIN, Modality, Sniffed
from embed_assets.media.recordings.demuxers import is_still
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.media.text.encodings import needs_encoding
from embed_assets.plugins import warn_once

_SHOWN_TO_FFMPEG = frozenset({UNKNOWN, WITH_NULS, "application/x-shockwave-flash"})
_SCANNED = 2**20  # bytes of a file that FFmpeg is shown


def look_at(data: bytes, decoders: Decoders | None, *, encoding: str | None = None) -> Sniffed:
    """What a file is; a text that the source's `encoding` decides about has that as its charset.

    Text, documents, and pictures with a signature are not sent to a worker. Raises MediaError where a decoder crashes,
    hangs or takes too much memory as it looks: "decoder crashed", "decoder timed out", "decoder failed", "out of
    memory". Without `decoders` they look here, unguarded.
    """
    known = by_bytes(data)
    if encoding is None or not needs_encoding(data, encoding) or (known is not None and known.mime in (PDF, DOCX)):
        return _looked(data, known, decoders)
    if known is None or known.mime in (UNKNOWN, WITH_NULS):
        known = Sniffed(mime=PLAIN, modality="text") if FileHead(data).is_text_in(encoding) else known
    found = _looked(data, known, decoders)
    if found.modality != "text" or found.decoder:
        return found
    return replace(found, charset=encoding)


def looked_at(data: bytes) -> tuple[Sniffed, list[str]]:
    """What decoders take a file for, and warnings of plugins, for the program that asks to give."""
    warnings: list[str] = []
    return refine(data, sniff(data), warn=warnings.append), warnings


def refine(data: bytes, sniffed: Sniffed, *, warn: Callable[[str], None] = warn_once) -> Sniffed:
    """The decoder's last word on sound and video, whose containers hold either: by the streams inside.

    A music file's cover is no video. Of bytes that nothing knows FFmpeg is shown the beginning. What
    nothing built in decodes, and text without markup, is shown to decoders of plugins. Other
    kinds, and files that don't open, stay what they were sniffed as. Never raises; reads headers and
    decodes a frame or two at most.
    """
    if sniffed.mime in _SHOWN_TO_FFMPEG:
        heard = _recording_kind(data)
        if heard is not None:
            return Sniffed(mime=f"{heard}/x-unknown", modality=heard)
    if sniffed.modality is None or sniffed.mime == PLAIN:
        return shown_to_plugins(data[:HEAD], sniffed, warn)
    if sniffed.modality not in ("audio", "video"):
        return sniffed
    from embed_assets.media.recordings.container import kind_of, opened

    try:
        with opened(data, sniffed.modality) as container:
            found = kind_of(container)
    except MediaError:
        return sniffed
    if found is None or found == sniffed.modality:
        return sniffed
    return Sniffed(mime=f"{found}/{sniffed.mime.partition('/')[2]}", modality=found)


def _looked(data: bytes, known: Sniffed | None, decoders: Decoders | None) -> Sniffed:
    """As `refine(data, sniff(data))`, in a worker where that asks a decoder."""
    if known is not None and not _open_question(known):
        return known
    if decoders is None:
        return refine(data, known or sniff(data))
    ((found, warnings),) = decoders.decode(looked_at, data)
    for each in warnings:
        warn_once(each)
    return found


def _open_question(found: Sniffed) -> bool:
    """Whether `refine` would ask a decoder about it."""
    if found.modality is None or found.mime == PLAIN:
        return found.mime in _SHOWN_TO_FFMPEG or bool(decoder_plugins().good)
    return found.modality in ("audio", "video")


def _recording_kind(data: bytes) -> Modality | None:
    """Whether FFmpeg is sure of sound or moving pictures in a file's beginning, and can decode the first of them."""
    from embed_assets.media.recordings.container import frames_of, opened, picture_stream, sound_stream

    try:
        with opened(data[:_SCANNED], "audio", sure=True) as container:
            stream = picture_stream(container) or sound_stream(container)
            if stream is None or is_still(container.format.name):
                return None
            next(iter(frames_of(container, stream)))
            return "video" if stream.type == "video" else "audio"
    except (MediaError, StopIteration):
        return None
