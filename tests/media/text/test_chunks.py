import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SettingsError
from embed_assets.media.text.chunks import Chunk, chunk_text

SENTENCE = "The quick brown fox jumps over the lazy dog, again and again. "
ODD = {
    "a word of 3,000 letters": "x" * 3000,
    "family emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 300,
    "flags": "\U0001f1e9\U0001f1ea" * 500,
    "thai": "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22" * 300,
    "chinese without stops": "\u6f22\u5b57" * 2000,
    "windows line ends": SENTENCE.replace(" ", "\r\n") * 40,
    "combining marks": "e" + "\u0301" * 2000,
    "separators": "one\x1c two\u2028three\u00a0" * 300,
    "a long book without line ends": SENTENCE * 5000,
}


def check(text: str, chunks: list[Chunk], tokenizer: Any, max_tokens: int, max_characters: int) -> None:
    at = 0
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert len(chunk.text) <= max_characters
        assert len(tokenizer.encode(chunk.text, add_special_tokens=False).ids) <= max_tokens
        assert not text[at : chunk.start].strip()
        at = chunk.end
    assert not text[at:].strip()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(("max_tokens", "max_characters"), [(126, 8000), (20, 100), (3, 7)])
def test_nothing_is_lost_and_no_chunk_is_over_a_limit(
    name: str, max_tokens: int, max_characters: int, tokenizer: Any
) -> None:
    text = ODD[name][:40_000] if max_tokens < 126 else ODD[name]
    chunks = chunk_text(text, tokenizer=tokenizer, max_tokens=max_tokens, max_characters=max_characters)
    check(text, chunks, tokenizer, max_tokens, max_characters)


def test_a_text_that_fits_is_one_chunk_without_its_outer_white_space(tokenizer: Any) -> None:
    chunks = chunk_text(" \n two words \n", tokenizer=tokenizer, max_tokens=2, max_characters=9)
    assert chunks == [Chunk(start=3, end=12, text="two words")]


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_no_text_gives_no_chunk(text: str, tokenizer: Any) -> None:
    assert chunk_text(text, tokenizer=tokenizer, max_tokens=10, max_characters=100) == []


def test_cuts_fall_between_sentences(tokenizer: Any) -> None:
    chunks = chunk_text(SENTENCE * 20, tokenizer=tokenizer, max_tokens=40, max_characters=8000)
    assert len(chunks) > 5
    assert all(chunk.text.startswith("The quick") and chunk.text.endswith("again.") for chunk in chunks)


def test_one_unknown_token_of_any_length_is_bounded_by_characters(tokenizer: Any) -> None:
    chunks = chunk_text("x" * 3000, tokenizer=tokenizer, max_tokens=126, max_characters=1000)
    assert [len(chunk.text) for chunk in chunks] == [1000, 1000, 1000]


def test_overlap_repeats_the_end_of_the_chunk_before(tokenizer: Any) -> None:
    text = SENTENCE * 20
    chunks = chunk_text(text, tokenizer=tokenizer, max_tokens=40, overlap=20, max_characters=8000)
    pairs = list(itertools.pairwise(chunks))
    assert all(left.start < right.start < left.end for left, right in pairs)


def test_without_a_tokenizer_characters_count() -> None:
    chunks = chunk_text(SENTENCE * 5, tokenizer=None, max_tokens=None, max_characters=70)
    assert [chunk.text for chunk in chunks] == [SENTENCE.strip()] * 5


def test_a_tokenizer_that_truncates_is_refused(tokenizer: Any) -> None:
    from tokenizers import Tokenizer

    truncating = Tokenizer.from_str(tokenizer.to_str())
    truncating.enable_truncation(max_length=128)
    with pytest.raises(SettingsError, match="no_truncation"):
        chunk_text("words", tokenizer=truncating, max_tokens=126, max_characters=8000)


@pytest.mark.parametrize(
    "wrong",
    [{"overlap": 10}, {"overlap": -1}, {"max_tokens": 0}, {"max_characters": 0}],
)
def test_limits_that_cannot_hold_are_refused(wrong: dict[str, int], tokenizer: Any) -> None:
    settings: dict[str, Any] = {"max_tokens": 10, "overlap": 0, "max_characters": 100, **wrong}
    with pytest.raises(SettingsError):
        chunk_text("words", tokenizer=tokenizer, **settings)


def test_threads_get_the_same_chunks(tokenizer: Any) -> None:
    texts = [SENTENCE * n for n in range(1, 60)]

    def cut(text: str) -> list[Chunk]:
        return chunk_text(text, tokenizer=tokenizer, max_tokens=50, max_characters=8000)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(cut, texts)) == [cut(text) for text in texts]


@pytest.mark.slow
def test_time_grows_with_the_length_of_a_text_without_line_ends(tokenizer: Any) -> None:
    text = "\u6f22\u5b57\u304b\u306a\u4ea4\u3058\u308a\u6587" * 25_000
    start = time.perf_counter()
    chunk_text(text, tokenizer=tokenizer, max_tokens=126, max_characters=8000)
    assert time.perf_counter() - start < 20  # some 2 s; 30 s and more where the splitter gets it whole


@pytest.mark.slow
def test_scientific_abstracts_keep_every_promise(shared_data: Path, tokenizer: Any) -> None:
    with (shared_data / "text_scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line, _ in zip(lines, range(300), strict=False)]
    for text in texts:
        chunks = chunk_text(text, tokenizer=tokenizer, max_tokens=126, max_characters=8000)
        check(text, chunks, tokenizer, 126, 8000)
