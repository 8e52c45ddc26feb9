"""chunk_text: cut a text to chunks that fit the encoder, each an exact slice of the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embed_assets.errors import SettingsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The splitter's time grows with the square of a text without line ends: 3.6 s for 64,000 characters.
_BLOCK = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A slice: `text == source[start:end]`, counted in characters."""

    start: int
    end: int
    text: str


def chunk_text(
    text: str, *, tokenizer: "Tokenizer | None", max_tokens: int | None, overlap: int = 0, max_characters: int
) -> list[Chunk]:
    """Return chunks of at most `max_tokens` tokens, special ones not counted, and `max_characters` characters.

    Only white space is lost between chunks. Cuts fall between paragraphs or sentences where possible. The limit in
    characters is needed as well: to a WordPiece tokenizer a word of any length may be one unknown token. `overlap` is
    in tokens and repeats whole sentences only, so that it is often less; a cut by max_characters has no overlap.
    Without a tokenizer only characters count.
    May be called from several threads with the same tokenizer.
    """
    _check(tokenizer, max_tokens, overlap, max_characters)
    pieces = _by_characters(text, max_characters)
    if tokenizer is None or max_tokens is None:
        return list(pieces)
    return [chunk for piece in pieces for chunk in _by_tokens(piece, tokenizer, max_tokens, overlap)]


def _check(tokenizer: "Tokenizer | None", max_tokens: int | None, overlap: int, max_characters: int) -> None:
    if max_characters < 1 or (max_tokens is not None and max_tokens < 1):
        raise SettingsError(
            f"A chunk of {max_tokens} tokens and {max_characters} characters can't hold text; give 1 or more."
        )
    if overlap < 0 or (max_tokens is not None and overlap >= max_tokens):
        raise SettingsError(
            f"Chunks overlap by {overlap} tokens but hold at most {max_tokens}; "
            "give an overlap of 0 or more that is below it."
        )
    if tokenizer is not None and tokenizer.truncation is not None:
        raise SettingsError(
            "The tokenizer truncates, so a long text would seem to fit; call its no_truncation() and "
            "no_padding() first."
        )


def _by_characters(text: str, limit: int) -> Iterator[Chunk]:
    for block in _blocks(text, max(_BLOCK, limit)):
        if block.end - block.start <= limit:
            yield block
        else:
            yield from _moved(block.start, _character_splitter(limit).chunk_indices(block.text))


def _blocks(text: str, size: int) -> Iterator[Chunk]:
    """Cut a very long text at white space, so that the splitter's time grows with its length."""
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = _last_break(text, start, end)
        if (chunk := _stripped(text, start, end)) is not None:
            yield chunk
        start = end


def _last_break(text: str, start: int, end: int) -> int:
    """Return the place after the last line end in the window's second half, else after its last space, else its end."""
    half = (start + end) // 2
    for mark in ("\n", " "):
        if (place := text.rfind(mark, half, end)) >= 0:
            return place + 1
    return end


def _stripped(text: str, start: int, end: int) -> Chunk | None:
    inner = text[start:end]
    begin = start + len(inner) - len(inner.lstrip())
    inner = inner.strip()
    return Chunk(start=begin, end=begin + len(inner), text=inner) if inner else None


def _by_tokens(piece: Chunk, tokenizer: "Tokenizer", max_tokens: int, overlap: int) -> Iterator[Chunk]:
    if len(tokenizer.encode(piece.text, add_special_tokens=False).ids) <= max_tokens:
        yield piece
    else:
        slices = _token_splitter(tokenizer, max_tokens, overlap).chunk_indices(piece.text)
        yield from _moved(piece.start, slices)


def _moved(offset: int, slices: list[tuple[int, str]]) -> Iterator[Chunk]:
    for start, text in slices:
        yield Chunk(start=offset + start, end=offset + start + len(text), text=text)


@lru_cache(maxsize=8)
def _token_splitter(tokenizer: "Tokenizer", max_tokens: int, overlap: int) -> Any:
    """Return one splitter for all texts: it copies the tokenizer, 18 ms for MiniLM's, and does not change."""
    from semantic_text_splitter import TextSplitter

    return TextSplitter.from_huggingface_tokenizer(tokenizer, max_tokens, overlap=overlap)


@lru_cache(maxsize=8)
def _character_splitter(limit: int) -> Any:
    from semantic_text_splitter import TextSplitter

    return TextSplitter(limit)
