"""KINDS: the kinds of files that are built in, in the order in which they are detected.

To add one: write its decoder, and an entry here. Entries further up win. Plugins are shown what none of these decodes.
"""

import re

from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.kinds.media_kind import Detect, MediaKind, by_signature
from embed_assets.media.kinds.pillow_formats import is_netpbm, maybe_netpbm, picture_kind
from embed_assets.media.kinds.text_kinds import bitmap, html, other_text, svg
from embed_assets.media.kinds.unsupported_kinds import WITH_NULS, foreign_kind
from embed_assets.media.text.documents import DOCX, HTML, PDF

UNKNOWN = "application/octet-stream"

_PICTURES = "embed_assets.media.pictures.animated_frames:shown_pictures"
_SOUNDS = "embed_assets.media.recordings.recording_segments:sound_segments"
_VIDEOS = "embed_assets.media.recordings.recording_segments:video_segments"

_SIGNED_PICTURES = (
    *("image/jpeg", "image/png", "image/apng", "image/gif", "image/webp", "image/avif", "image/bmp", "image/tiff"),
    *("image/jpx", "image/x-icon", "image/vnd.adobe.photoshop"),
)


def _empty(head: FileHead) -> str | None:
    return None if head.data else "inode/x-empty"


def _signed(family: str) -> Detect:
    return lambda head: head.signature if head.signature and head.signature.startswith(family) else None


def _matroska(head: FileHead) -> str | None:
    if not head.first.startswith(b"\x1aE\xdf\xa3"):
        return None
    return "video/webm" if b"webm" in head.first[:64] else "video/x-matroska"


def _mpeg_audio(head: FileHead) -> str | None:
    return "audio/mpeg" if re.match(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", head.first) else None


def _netpbm(head: FileHead) -> str | None:
    return "image/x-portable-anymap" if is_netpbm(head.first) else None


def _unknown(head: FileHead) -> str:
    return foreign_kind(head.data, None) or (WITH_NULS if head.is_text_with_nuls() else UNKNOWN)


def _unsupported(head: FileHead) -> str | None:
    return head.signature


KINDS: tuple[MediaKind, ...] = (
    MediaKind(name="empty file", modality=None, detect=_empty),
    MediaKind(
        name="PDF",
        modality="text",
        mime=PDF,
        detect=by_signature(PDF),
        decode="embed_assets.media.text.pdf:pdf_text",
    ),
    MediaKind(
        name="Word document",
        modality="text",
        mime=DOCX,
        detect=by_signature(DOCX),
        decode="embed_assets.media.text.docx:docx_text",
    ),
    MediaKind(name="picture", modality="image", detect=by_signature(*_SIGNED_PICTURES), decode=_PICTURES),
    MediaKind(name="sound", modality="audio", detect=_signed("audio/"), decode=_SOUNDS),
    MediaKind(name="video", modality="video", detect=_signed("video/"), decode=_VIDEOS),
    MediaKind(name="unsupported signature", modality=None, detect=_unsupported),
    MediaKind(  # the one kind of picture that filetype does not know
        name="Netpbm picture",
        modality="image",
        detect=_netpbm,
        decode=_PICTURES,
        needs_parser=lambda head: maybe_netpbm(head.first),
    ),
    MediaKind(name="X bitmap", modality="image", detect=bitmap, decode=_PICTURES),
    MediaKind(name="SVG", modality=None, detect=svg),
    MediaKind(
        name="web page",
        modality="text",
        mime=HTML,
        detect=html,
        decode="embed_assets.media.text.html:html_text",
    ),
    MediaKind(
        name="text",
        modality="text",
        detect=other_text,
        decode="embed_assets.media.text.decode_text:decode_text",
    ),
    MediaKind(name="Matroska", modality="video", detect=_matroska, decode=_VIDEOS),
    MediaKind(name="MPEG audio", modality="audio", detect=_mpeg_audio, decode=_SOUNDS),
    MediaKind(
        name="rare picture",
        modality="image",
        detect=lambda head: picture_kind(head.data),
        decode=_PICTURES,
        needs_parser=lambda _: True,
    ),
    MediaKind(name="unknown", modality=None, detect=_unknown),
)
