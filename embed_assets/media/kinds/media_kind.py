"""MediaKind: one kind of file: how its files are detected, and which function decodes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from embed_assets.media.kinds.file_head import FileHead
from embed_assets.media.media_types import Modality

Detect = Callable[[FileHead], str | None]


def never(_: FileHead) -> bool:
    """Return False: no file of this kind needs a parser to be detected."""
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaKind:
    """A kind of file, built in or of a plugin.

    `decode` is "module:function", so that detection imports no decoder. The function runs in a worker process, on
    (data, limits=…, **options) and, by modality:
    text: `encoding`, if the settings decide about it; returns Decoded.
    image: `most`, the number of frames of an animated picture, or None; yields Shown.
    audio, video: `caption`, `media_hash`, `sampling`; yields Segment.
    """

    name: str
    modality: Modality | None  # None: nothing here decodes it
    detect: Detect  # the mime type of a file of this kind; None for any other file
    decode: str = ""
    mime: str | None = None  # that `decode` reads; None: every other type of the modality
    decoder: str = ""  # name and version, of a plugin's
    needs_parser: Callable[[FileHead], bool] = never  # whether `detect` runs a parser on this file
    options: Mapping[str, str] = field(default_factory=dict[str, str])  # further arguments of `decode`


def by_signature(*mimes: str) -> Detect:
    """Return a `detect` for files with the signature of one of these mime types."""
    return lambda head: head.signature if head.signature in mimes else None
