import os

import pytest

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import decode_text

LIMITS = Limits()
GERMAN = "Die Stra\u00dfe ist f\u00fcr Fu\u00dfg\u00e4nger gesperrt, weil B\u00e4ume gef\u00e4llt wurden. "
JAPANESE = "この道は歩行者のために通行止めになっています。木が切られました。"


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(MediaError) as caught:
        decode_text(data, limits=limits)
    return caught.value.reason


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
def test_german_is_read_in_every_usual_encoding(encoding: str) -> None:
    assert decode_text(GERMAN.encode(encoding), limits=LIMITS).text == GERMAN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_japanese_is_read_in_every_usual_encoding(encoding: str) -> None:
    assert decode_text(JAPANESE.encode(encoding), limits=LIMITS).text == JAPANESE


def test_line_ends_stay_as_they_are() -> None:
    assert decode_text(b"a\r\nb\rc\n", limits=LIMITS).text == "a\r\nb\rc\n"


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", "\u3000".encode()])
def test_white_space_alone_is_empty_text(data: bytes) -> None:
    assert reason(data) == "empty text"


def test_random_bytes_have_an_unknown_encoding() -> None:
    assert reason(b"\x80\x81\xfe\xff" + os.urandom(500)) in ("unknown encoding", "not text")


def test_characters_are_bounded_before_and_after_decoding() -> None:
    limits = Limits(max_characters=10)
    assert decode_text(b"x" * 10, limits=limits).text == "x" * 10
    assert reason(b"x" * 11, limits) == reason(b"x" * 1000, limits) == "too many characters"
