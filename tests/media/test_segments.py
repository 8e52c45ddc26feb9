import io
from typing import Any

import pytest
from PIL import Image

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.hashing import content_hash, text_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.isolation.worker_process import NotStarted
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Segment
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from tests.media.cutting import segments_of
from tests.media.pictures.test_decode_image import encoded

TEXT = "One sentence of several words here. " * 30


def cut(data: bytes, tokenizer: Any = None, **given: Any) -> list[Segment]:
    settings: dict[str, Any] = {
        "modality": "text",
        "caption": None,
        "media_hash": content_hash(data),
        "max_tokens": 50,
        "segmenting": Segmenting(),
        "limits": Limits(),
    }
    return segments_of(data, tokenizer=tokenizer, **{**settings, **given})


def test_a_text_becomes_chunks_with_the_hash_of_their_own_text(tokenizer: Any) -> None:
    segments = cut(TEXT.encode(), tokenizer)
    assert len(segments) > 3
    for segment in segments:
        assert segment.kind == "chunk"
        assert segment.text == segment.payload == TEXT[segment.start : segment.end]
        assert segment.content_hash == text_hash(segment.payload)


def test_the_smaller_of_both_token_limits_holds(tokenizer: Any) -> None:
    few = cut(TEXT.encode(), tokenizer, segmenting=Segmenting(max_tokens=10))
    assert max(len(tokenizer.encode(each.payload, add_special_tokens=False).ids) for each in few) <= 10
    same = cut(TEXT.encode(), tokenizer, segmenting=Segmenting(max_tokens=1000))
    assert same == cut(TEXT.encode(), tokenizer)


def test_whole_leaves_the_text_to_the_encoder(tokenizer: Any) -> None:
    (segment,) = cut(f" {TEXT}".encode(), tokenizer, segmenting=Segmenting(mode="whole"))
    assert segment.start == 0
    assert segment.end == len(TEXT) + 1
    assert segment.payload == f" {TEXT}"


def test_an_image_is_one_segment_with_its_caption_and_the_hash_of_its_file() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 3)).save(out, "PNG")
    (segment,) = cut(out.getvalue(), modality="image", caption="a square", max_tokens=None)
    assert segment.kind == "image"
    assert segment.start is None
    assert segment.end is None
    assert segment.text == "a square"
    assert segment.content_hash == content_hash(out.getvalue())
    assert segment.payload.mode == "RGB"
    assert segment.payload.size == (4, 3)


def test_what_cannot_be_decoded_has_a_reason(tokenizer: Any) -> None:
    with pytest.raises(MediaError, match="empty text"):
        cut(b"  ", tokenizer)
    with pytest.raises(MediaError, match="unsupported image"):
        cut(b"words", modality="image")
    with pytest.raises(MediaError, match="unsupported kind"):
        cut(b"RIFF", modality="audio")


def test_identity_names_what_changes_segments_and_the_splitter() -> None:
    identity = Segmenting().identity()
    assert str(identity["splitter"]).startswith("semantic-text-splitter 0.")
    assert identity != Segmenting(overlap=5).identity() != Segmenting(max_characters=9).identity()
    assert Segmenting(mode="whole", overlap=5).identity() == {"mode": "whole", "documents": 1}


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected 'chunks' or 'whole'"):
        Segmenting(mode="pages")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "mime", "alone"),
    [
        (b"plain words", "text/plain", True),
        ("Stra\u00dfe".encode(), "text/plain", True),
        (b'{"a": 1}', "application/json", True),
        ("Stra\u00dfe".encode("cp1252"), "text/plain", False),
        ("Stra\u00dfe".encode("utf-16"), "text/plain", False),
        (b"nul \0 within", "text/plain", False),
        (b"words " * 100, "text/plain", False),
        (b"<html><body>words</body></html>", "text/html", False),
        (b"%PDF-1.4", "application/pdf", False),
    ],
)
def test_nothing_but_utf8_is_decoded_in_the_process_that_asks(data: bytes, mime: str, alone: bool) -> None:
    nobody = Decoders()
    nobody.close()
    options: dict[str, Any] = {
        "segmenting": Segmenting(mode="whole"),
        "limits": Limits(max_characters=500),
        "decoders": nobody,
    }
    about: dict[str, Any] = {"modality": "text", "mime": mime, "caption": None, "media_hash": "h"}
    try:
        (found,) = segments_of(data, tokenizer=None, max_tokens=None, **about, **options)
    except NotStarted:
        assert not alone
    else:
        assert alone
        assert found.text == data.decode()


def test_a_still_picture_that_is_broken_is_no_animation_either() -> None:
    whole = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")
    still = Sampling(animated_frames=4)
    with Decoders() as decoders:
        for each in (decoders, None):
            with pytest.raises(MediaError) as caught:
                cut(whole[: len(whole) // 2], modality="image", sampling=still, decoders=each)
            assert caught.value.reason == "broken image"
