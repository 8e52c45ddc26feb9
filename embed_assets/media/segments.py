"""segments_of: the parts of one media item that get a vector each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from embed_assets.encoders.spec import Modality
from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.added import added_sounds, decode_added, decoder_of
from embed_assets.media.animation import Shown, picture_frames
from embed_assets.media.chunks import Chunk, chunk_text
from embed_assets.media.documents import FORMAT, PARSED, document_text
from embed_assets.media.hashing import text_hash
from embed_assets.media.image import decode_image
from embed_assets.media.isolation import Decoders
from embed_assets.media.item import Segment
from embed_assets.media.limits import Limits
from embed_assets.media.sampling import Sampling

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


def segments_of(
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
) -> list[Segment]:
    """The segments of an item, in order, ready for an encoder.

    `max_tokens` is the encoder's limit without its special tokens: a chunk over it would lose its end
    unseen. Sounds and videos need a `sampling`, pictures have one where
    several frames of an animated one are wanted. `mime` is what the file was sniffed as: without it
    a document is taken for plain text, and no plugin is asked. With `decoders` everything but plain text
    is decoded in a process of its own. Raises MediaError with the reason for which the item is
    quarantined, SettingsError where the plugin that decodes it is not installed.
    """
    added = decoder_of(mime)
    if added is not None and added.modality == "audio":
        _cutter("audio", sampling)
        options = {"caption": caption, "media_hash": media_hash, "sampling": sampling}
        return _decoded(added_sounds, data, decoders, limits, decoder=added.name, **options)
    if added is not None:
        made = _decoded(decode_added, data, decoders, limits, decoder=added.name)
        if added.modality == "image":
            return [_picture_segment(made, caption, media_hash)]
        return text_segments(made, tokenizer=tokenizer, max_tokens=max_tokens, segmenting=segmenting)
    if modality == "image" and sampling is not None and sampling.animated_frames is not None:
        frames = _decoded(picture_frames, data, decoders, limits, most=sampling.animated_frames)
        return [_frame_segment(frame, caption, media_hash) for frame in frames]
    if modality == "image":
        picture = _decoded(decode_image, data, decoders, limits)
        return [_picture_segment(picture, caption, media_hash)]
    if modality != "text":
        cut = _cutter(modality, sampling)
        return _decoded(cut, data, decoders, limits, caption=caption, media_hash=media_hash, sampling=sampling)
    text = _decoded(document_text, data, decoders if mime in PARSED else None, limits, mime=mime)
    return text_segments(text, tokenizer=tokenizer, max_tokens=max_tokens, segmenting=segmenting)


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


def _cutter(modality: Modality, sampling: Sampling | None) -> Callable[..., list[Segment]]:
    if sampling is None:
        raise MediaError("unsupported kind", f"{modality}, for which this encoder has no sampling")
    # numpy, 0.1 s, paid by those who have sounds or videos
    from embed_assets.media.recordings import clip_segments, sound_segments

    return clip_segments if modality == "video" and sampling.frames is not None else sound_segments


def _decoded(task: Callable[..., Any], data: bytes, decoders: Decoders | None, limits: Limits, **options: Any) -> Any:
    """In a worker where there are decoders, else here, with no guard against a crash or a hang."""
    if decoders is None:
        return task(data, limits=limits, **options)
    return decoders.run(task, data, seconds=limits.seconds_for(len(data)), limits=limits, **options)


def _picture_segment(picture: Any, caption: str | None, media_hash: str) -> Segment:
    return Segment(kind="image", start=None, end=None, text=caption, content_hash=media_hash, payload=picture)


def _frame_segment(frame: Shown, caption: str | None, media_hash: str) -> Segment:
    start, end, picture = frame
    if start is None:
        return _picture_segment(picture, caption, media_hash)
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
