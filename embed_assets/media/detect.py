"""look_at: the type of a file: by its bytes where these are enough, else by decoders in a worker process."""

from collections.abc import Callable
from dataclasses import replace

from embed_assets.errors import MediaError
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.builtin_kinds import UNKNOWN
from embed_assets.media.kinds.decoder_plugins import decoder_plugins, sniff_with_plugins
from embed_assets.media.kinds.file_head import HEAD, FileHead
from embed_assets.media.kinds.sniff import by_bytes, sniff
from embed_assets.media.kinds.unsupported_kinds import WITH_NULS
from embed_assets.media.media_types import PLAIN, Modality, Sniffed
from embed_assets.media.recordings.demuxers import is_still
from embed_assets.media.text.documents import DOCX, PDF
from embed_assets.media.text.encodings import needs_encoding
from embed_assets.plugins import warn_once

_PROBED_BY_FFMPEG = frozenset({UNKNOWN, WITH_NULS, "application/x-shockwave-flash"})
_SCANNED = 2**20  # bytes of a file that FFmpeg probes


def look_at(data: bytes, decoders: Decoders | None, *, encoding: str | None = None) -> Sniffed:
    """Return a file's type; a text that needs the source's `encoding` has it as its charset.

    Text, documents, and pictures with a signature are not sent to a worker. Raises MediaError where a decoder crashes,
    hangs or takes too much memory: "decoder crashed", "decoder timed out", "decoder failed", "out of memory". Without
    `decoders` files are inspected in this process, unguarded.
    """
    sniffed = by_bytes(data)
    if encoding is None or not needs_encoding(data, encoding) or (sniffed is not None and sniffed.mime in (PDF, DOCX)):
        return _refined(data, sniffed, decoders)
    if sniffed is None or sniffed.mime in (UNKNOWN, WITH_NULS):
        sniffed = Sniffed(mime=PLAIN, modality="text") if FileHead(data).is_text_in(encoding) else sniffed
    refined = _refined(data, sniffed, decoders)
    if refined.modality != "text" or refined.decoder:
        return refined
    return replace(refined, charset=encoding)


def refine_with_warnings(data: bytes) -> tuple[Sniffed, list[str]]:
    """Return a file's type by decoders, and the warnings of plugins, for the parent process to log."""
    warnings: list[str] = []
    return refine(data, sniff(data), warn=warnings.append), warnings


def refine(data: bytes, sniffed: Sniffed, *, warn: Callable[[str], None] = warn_once) -> Sniffed:
    """Refine the type of sound and video by their streams, since containers may hold either.

    A music file's cover is no video. FFmpeg probes the beginning of unknown bytes; decoders of plugins try what nothing
    built in decodes, and text without markup. Other files, and those that don't open, keep their type. Never raises;
    reads headers and decodes a frame or two at most.
    """
    if sniffed.mime in _PROBED_BY_FFMPEG:
        modality = _recording_modality(data)
        if modality is not None:
            return Sniffed(mime=f"{modality}/x-unknown", modality=modality)
    if sniffed.modality is None or sniffed.mime == PLAIN:
        return sniff_with_plugins(data[:HEAD], sniffed, warn)
    if sniffed.modality not in ("audio", "video"):
        return sniffed
    from embed_assets.media.recordings.container import kind_of, open_container

    try:
        with open_container(data, sniffed.modality) as container:
            modality = kind_of(container)
    except MediaError:
        return sniffed
    if modality is None or modality == sniffed.modality:
        return sniffed
    return Sniffed(mime=f"{modality}/{sniffed.mime.partition('/')[2]}", modality=modality)


def _refined(data: bytes, sniffed: Sniffed | None, decoders: Decoders | None) -> Sniffed:
    """Return `refine(data, sniff(data))`, computed in a worker where it needs a decoder."""
    if sniffed is not None and not _needs_decoder(sniffed):
        return sniffed
    if decoders is None:
        return refine(data, sniffed or sniff(data))
    ((refined, warnings),) = decoders.decode(refine_with_warnings, data)
    for each in warnings:
        warn_once(each)
    return refined


def _needs_decoder(sniffed: Sniffed) -> bool:
    """Return whether `refine` would run a decoder on it."""
    if sniffed.modality is None or sniffed.mime == PLAIN:
        return sniffed.mime in _PROBED_BY_FFMPEG or bool(decoder_plugins().good)
    return sniffed.modality in ("audio", "video")


def _recording_modality(data: bytes) -> Modality | None:
    """Return the modality where FFmpeg is sure of a recording in the file's beginning, and can decode its start."""
    from embed_assets.media.recordings.container import frames_of, open_container, picture_stream, sound_stream

    try:
        with open_container(data[:_SCANNED], "audio", sure=True) as container:
            stream = picture_stream(container) or sound_stream(container)
            if stream is None or is_still(container.format.name):
                return None
            next(iter(frames_of(container, stream)))
            return "video" if stream.type == "video" else "audio"
    except (MediaError, StopIteration):
        return None
