"""each_segment: the parts of one media item that get a vector each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.decode_with_plugins import added_sounds, decode_added
from embed_assets.media.hashing import text_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.decoder_plugins import decoder_of
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Modality, Segment, TextWarning
from embed_assets.media.pictures.animated_frames import Shown, picture_frames
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.media.sampling import Sampling
from embed_assets.media.text.chunks import Chunk, chunk_text
from embed_assets.media.text.decode_text import is_utf8
from embed_assets.media.text.documents import FORMAT, PARSED, document_text
from embed_assets.media.text.encodings import encoding_of, without_encoding
from embed_assets.media.text.replaced_bytes import Decoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Segmenting:
    """How a text becomes segments. "whole" leaves it to the encoder, which drops what it can't read."""

    mode: Literal["chunks", "whole"] = "chunks"
    max_tokens: int | None = None  # below the encoder's own limit; None: that limit
    overlap: int = 0  # tokens
    max_characters: int = 8000  # bounds what is one unknown token to the tokenizer

    def __post_init__(self) -> None:
        if self.mode not in ("chunks", "whole"):
            raise SettingsError(f"Segmenting mode {self.mode!r}: expected 'chunks' or 'whole'.")

    def identity(self) -> dict[str, object]:
        """What changes the segments, and with them the vectors: part of the encoder version."""
        if self.mode == "whole":
            return {"mode": "whole", "documents": FORMAT}
        return {
            "mode": "chunks",
            "max_tokens": self.max_tokens,
            "overlap": self.overlap,
            "max_characters": self.max_characters,
            "documents": FORMAT,
            "splitter": f"semantic-text-splitter {version('semantic-text-splitter')}",
        }


def segments_of(data: bytes, **given: Any) -> list[Segment]:
    """All of `each_segment`, for items that are small."""
    return list(each_segment(data, **given))


def each_segment(
    data: bytes,
    *,
    modality: Modality,
    caption: str | None,
    media_hash: str,
    tokenizer: "Tokenizer | None",
    max_tokens: int | None,
    segmenting: Segmenting,
    limits: Limits,
    sampling: Sampling | None = None,
    decoders: Decoders | None = None,
    mime: str | None = None,
) -> Iterator[Segment]:
    """The segments of an item, in order, ready for an encoder; of sounds, videos and animations as they are decoded.

    `max_tokens` is the encoder's limit without its special tokens: a chunk over it would lose its end
    unseen. Sounds and videos need a `sampling`, pictures have one where
    several frames of an animated one are wanted. `mime` is what the file was sniffed as: without it
    a document is taken for plain text, and no plugin is asked. With `decoders` everything but UTF-8
    is decoded in a process of its own. Raises MediaError with the reason for which the item is
    quarantined, also behind some segments; SettingsError where the plugin that decodes it is not installed.
    """
    decode = _Decode(data, decoders, limits)
    added = decoder_of(mime)
    options: dict[str, Any] = {"caption": caption, "media_hash": media_hash, "sampling": sampling}
    if added is not None and added.modality == "audio":
        _cutter("audio", sampling)
        yield from decode(added_sounds, decoder=added.name, **options)
    elif modality == "image":
        frames = None if sampling is None or added is not None else sampling.animated_frames
        found = decode(shown_picture, decoder=added and added.name, most=frames)
        # A loop of our own would hold a picture while the next one is received.
        yield from map(_picture_segment, found, repeat(caption), repeat(media_hash))
    elif modality != "text":
        yield from decode(_cutter(modality, sampling), **options)
    else:
        given: dict[str, Any] = {"tokenizer": tokenizer, "max_tokens": max_tokens, "segmenting": segmenting}
        if added is not None:
            for text in decode(decode_added, decoder=added.name):
                yield from text_segments(text, **given)
        for decoded in decode.text(mime) if added is None else ():
            yield from _warned(text_segments(decoded.text, **given), decoded.warning)


def shown_picture(data: bytes, *, decoder: str | None, most: int | None, limits: Limits) -> Iterator[Shown]:
    """A picture, or up to `most` frames of an animated one, with the times at which they show."""
    if decoder is not None:
        yield None, None, decode_added(data, decoder=decoder, limits=limits)
    elif most is None:
        yield None, None, decode_image(data, limits=limits)
    else:
        yield from picture_frames(data, most=most, limits=limits)


def text_segments(
    text: str, *, tokenizer: "Tokenizer | None", max_tokens: int | None, segmenting: Segmenting
) -> list[Segment]:
    """The segments of a text that is read and decoded already."""
    if segmenting.mode == "whole":
        return [_text_segment(Chunk(start=0, end=len(text), text=text))]
    chunks = chunk_text(
        text,
        tokenizer=tokenizer,
        max_tokens=_smaller(max_tokens, segmenting.max_tokens),
        overlap=segmenting.overlap,
        max_characters=segmenting.max_characters,
    )
    return [_text_segment(chunk) for chunk in chunks]


def _cutter(modality: Modality, sampling: Sampling | None) -> Callable[..., Iterator[Segment]]:
    if sampling is None:
        raise MediaError("unsupported kind", f"{modality}, for which this encoder has no sampling")
    # numpy, 0.1 s, paid by those who have sounds or videos
    from embed_assets.media.recordings.recording_segments import clip_segments, sound_segments

    return clip_segments if modality == "video" and sampling.frames is not None else sound_segments


@dataclass(frozen=True, slots=True)
class _Decode:
    """Runs a task on an item's bytes: in a worker where there are decoders, else here, unguarded."""

    data: bytes
    decoders: Decoders | None
    limits: Limits

    def __call__(self, task: Callable[..., Any], **options: Any) -> Iterator[Any]:
        limits, data = self.limits, self.data
        if self.decoders is not None:
            return self.decoders.decode(task, data, seconds=limits.seconds_for(len(data)), limits=limits, **options)
        made = task(data, limits=limits, **options)
        return made if isinstance(made, Iterator) else iter((made,))

    def text(self, mime: str | None) -> Iterator[Decoded]:
        """A document's text. Plain UTF-8 of a length that any text may have takes no parser."""
        short = len(self.data) <= self.limits.max_characters
        if without_encoding(mime) not in PARSED and encoding_of(mime) is None and short and is_utf8(self.data):
            return iter((document_text(self.data, mime, limits=self.limits),))
        return self(document_text, mime=mime)


def _warned(segments: list[Segment], warning: TextWarning | None) -> list[Segment]:
    """The first of a text's segments carries what was replaced in it."""
    return segments if warning is None or not segments else [replace(segments[0], warning=warning), *segments[1:]]


def _picture_segment(shown: Shown, caption: str | None, media_hash: str) -> Segment:
    start, end, picture = shown
    if start is None:
        return Segment(kind="image", start=None, end=None, text=caption, content_hash=media_hash, payload=picture)
    digest = text_hash(f"{media_hash} frame {start} {end}")
    return Segment(kind="frame", start=start, end=end, text=caption, content_hash=digest, payload=picture)


def _text_segment(chunk: Chunk) -> Segment:
    return Segment(
        kind="chunk",
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        content_hash=text_hash(chunk.text),
        payload=chunk.text,
    )


def _smaller(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
