"""Segments: the parts of one media item that get a vector each."""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.hashing import text_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.decoder_plugins import decoder_of, plugin_kind
from embed_assets.media.kinds.media_kind import MediaKind
from embed_assets.media.kinds.sniff import builtin_kind
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import MediaItem, Segment, TextWarning
from embed_assets.media.pictures.animated_frames import Shown
from embed_assets.media.sampling import Sampling
from embed_assets.media.text.chunks import Chunk, chunk_text
from embed_assets.media.text.decode_text import decode_text, is_utf8
from embed_assets.media.text.documents import FORMAT
from embed_assets.media.text.replaced_bytes import Decoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Segmenting:
    """Settings for cutting text. "whole" leaves it to the encoder, which truncates."""

    mode: Literal["chunks", "whole"] = "chunks"
    max_tokens: int | None = None  # below the encoder's own limit; None: that limit
    overlap: int = 0  # tokens
    max_characters: int = 8000  # bounds a word of any length, which may be one unknown token

    def __post_init__(self) -> None:
        if self.mode not in ("chunks", "whole"):
            raise SettingsError(f"Segmenting mode {self.mode!r}: expected 'chunks' or 'whole'.")

    def identity(self) -> dict[str, object]:
        """Return everything that changes the segments, and with them the vectors: part of the encoder version."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CuttingRecipe:
    """The settings for cutting media to segments, of one encoder version.

    `max_tokens` is the encoder's limit without its special tokens: a longer chunk would be truncated silently. Sounds
    and videos need a `sampling`, pictures one with `animated_frames` for several frames of an animation.
    """

    limits: Limits
    segmenting: Segmenting = Segmenting(mode="whole")
    sampling: Sampling | None = None
    tokenizer: "Tokenizer | None" = None
    max_tokens: int | None = None


def each_segment(
    data: bytes, item: MediaItem, recipe: CuttingRecipe, *, decoders: Decoders | None = None
) -> Iterator[Segment]:
    """Yield the segments of an item in order, those of sounds, videos and animations as they are decoded.

    With `decoders` everything but UTF-8 is decoded in a worker process. Raises MediaError with the reason for which the
    item is quarantined, also after some segments; SettingsError where the plugin that decodes it is not installed.
    """
    plugin, sampling = decoder_of(item.decoder, mime=item.mime), recipe.sampling
    kind = builtin_kind(item.modality, item.mime) if plugin is None else plugin_kind(plugin)
    decode = _Decode(kind, data, decoders, recipe.limits)
    if kind.modality == "text":
        for decoded in decode.text(item.charset):
            yield from _warned(text_segments(decoded.text, recipe), decoded.warning)
    elif kind.modality == "image":
        shown = decode(most=None if sampling is None else sampling.animated_frames)
        # A for loop would hold a picture while the next one is received.
        yield from map(_picture_segment, shown, repeat(item.caption), repeat(item.media_hash))
    elif sampling is None:
        raise MediaError("unsupported kind", f"{kind.modality}, for which this encoder has no sampling")
    else:
        yield from decode(caption=item.caption, media_hash=item.media_hash, sampling=sampling)


def document_text(data: bytes, mime: str | None, *, limits: Limits, charset: str | None = None) -> Decoded:
    """Return the text that a reader of the document sees, in its order; chunks count characters of this text.

    A warning says what was replaced. HTML without scripts and styles, a PDF's text layer, the paragraphs and
    tables of a .docx; any other text as it is. Raises MediaError alone: "encrypted", "no text layer", "broken pdf",
    "broken document", "broken html", "nested too deeply", "too many pages", "too many characters", "too large
    unpacked", or what decode_text raises. May be called from several threads.
    """
    kind = builtin_kind("text", mime)
    (decoded,) = _Decode(kind, data, None, limits)(**_encoding_option(charset))
    return decoded


def text_segments(text: str, recipe: CuttingRecipe) -> list[Segment]:
    """Return the segments of a decoded text."""
    segmenting = recipe.segmenting
    if segmenting.mode == "whole":
        return [_text_segment(Chunk(start=0, end=len(text), text=text))]
    chunks = chunk_text(
        text,
        tokenizer=recipe.tokenizer,
        max_tokens=_smaller(recipe.max_tokens, segmenting.max_tokens),
        overlap=segmenting.overlap,
        max_characters=segmenting.max_characters,
    )
    return [_text_segment(chunk) for chunk in chunks]


@dataclass(frozen=True, slots=True)
class _Decode:
    """Decoding of an item by its kind: in a worker process if there are decoders, else in this one, unguarded."""

    kind: MediaKind
    data: bytes
    decoders: Decoders | None
    limits: Limits

    def __call__(self, **options: Any) -> Iterator[Any]:
        options = {**self.kind.options, "limits": self.limits, **options}
        if self.decoders is None:
            # Imported on first use: decoders load numpy and their libraries.
            result = pkgutil.resolve_name(self.kind.decode)(self.data, **options)
            return result if isinstance(result, Iterator) else iter((result,))
        seconds = self.limits.seconds_for(len(self.data))
        return self.decoders.decode(self.kind.decode, self.data, seconds=seconds, **options)

    def text(self, encoding: str | None) -> Iterator[Decoded]:
        """Yield a document's text. Plain UTF-8 of a length that any text may have takes no parser."""
        short = len(self.data) <= self.limits.max_characters
        if self.kind.mime is None and encoding is None and short and is_utf8(self.data):
            return iter((decode_text(self.data, limits=self.limits),))
        return self(**_encoding_option(encoding))


def _encoding_option(encoding: str | None) -> dict[str, str]:
    """Return the extra argument for a text whose encoding is set; decoders of other kinds have none."""
    return {} if encoding is None else {"encoding": encoding}


def _warned(segments: list[Segment], warning: TextWarning | None) -> list[Segment]:
    """Return a text's segments, the first with the warning about replaced bytes."""
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
