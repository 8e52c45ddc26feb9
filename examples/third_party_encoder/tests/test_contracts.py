"""The contracts of embed-assets, and what only this package promises. Run it with the package installed."""

import pytest
from embed_assets_ngrams import subrip

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.media.limits import Limits
from embed_assets.testing import EncoderContract, MediaContract

SUBTITLES = """1
00:00:01,000 --> 00:00:02,500
The <i>ice</i> came back
in the autumn.

2
00:00:03,000 --> 00:00:04,000
{\\an8}Nobody saw it.
"""


class TestNgrams(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self):
        return load_encoder(spec_for("ngrams"), device="cpu")


class TestSubRip(MediaContract):
    @pytest.fixture
    def decoder(self):
        return subrip

    def good(self):
        text = SUBTITLES.encode()
        return [text, b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")]

    def broken(self):
        return [
            SUBTITLES.replace("00:00:03,000 -->", "at three").encode(),
            b"1\n00:00:01,000 --> 0",
        ]

    def others(self):
        return [*super().others(), b"1\n2\n3\n", b"WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nWords\n"]


def test_only_what_is_spoken_is_left():
    assert subrip.decode(SUBTITLES.encode(), Limits()) == "The ice came back in the autumn.\nNobody saw it."


def test_near_spellings_have_near_vectors():
    encoder = load_encoder(spec_for("ngrams"), device="cpu")
    texts = ("the colour of the harbour", "the color of the harbor", "a long walk in June")
    one, other, far = encoder.encode([encoder.prepare("text", text) for text in texts])
    assert one @ other > 0.5 > one @ far
