"""ListedFile, Annotation, Segment and Sniffed: a file in a listing, its metadata, its parts, its type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Modality = Literal["text", "image", "audio", "video"]
Status = Literal["ok", "quarantined", "deleted"]
PLAIN = "text/plain"  # the mime type of every text without markup


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedFile:
    """One file of a listing. `key` is its path below the source's folder, with forward slashes."""

    key: str
    uri: str
    size: int
    mtime: float  # seconds since the epoch; 0.0 where the file system has none
    etag: str  # "" where the file system has none
    row_id: str | None = None  # of the table row that names the file, or that is the item


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """Metadata of a file from a sidecar or the folder's name."""

    caption: str | None = None
    labels: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)  # user columns, JSON-able


@dataclass(frozen=True, slots=True)
class TextWarning:
    """Bytes of a text that were replaced by U+FFFD: `kind` is short and countable, `where` is how often and where."""

    kind: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaItem:
    """The facts about an item that decoding its bytes takes.

    `mime` is the type it was detected as: without one a document is taken for plain text.
    """

    modality: Modality
    media_hash: str
    mime: str | None = None
    decoder: str = ""  # name and version of the plugin's decoder
    charset: str | None = None  # of a text, where the settings decide
    caption: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """The part of a media item that gets one vector."""

    kind: str  # "chunk", "image", "frame" of an animated one, "window" of a sound, "clip" of a video
    start: int | None  # of a text in characters, of sounds, videos and frames in milliseconds; None for an image
    end: int | None
    text: str | None  # for full-text search: the chunk, or the caption
    content_hash: str  # sha256 of what goes into the encoder
    payload: Any  # str, PIL.Image.Image in RGB, Sound or Clip
    warning: TextWarning | None = None  # of the first chunk: what was replaced in the text


@dataclass(frozen=True, kw_only=True, slots=True)
class Sniffed:
    """A file's type by its bytes. `modality` is None for a type that nothing here decodes."""

    mime: str
    modality: Modality | None
    decoder: str = ""  # name and version of the plugin's decoder that detected it
    charset: str | None = None  # the source's setting `encoding`, where that decides how a text is read

    @property
    def read_as(self) -> str:
        """Decoder or encoding that changes what the bytes mean; part of their hash."""
        return self.decoder or self.charset or ""
