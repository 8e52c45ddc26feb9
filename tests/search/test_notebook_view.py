"""What a notebook shows of an answer: pictures and players inside the page, names and texts escaped."""

from pathlib import Path

from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.search.answers import Answer, Hit
from tests.support import picture


def hit(**changes: object) -> Hit:
    fields = {"rank": 1, "score": 0.5, "source": "a", "key": "b", "uri": "", "modality": "text", "text": None}
    return Hit(**{**fields, "labels": (), "start": None, "end": None, **changes})  # pyright: ignore[reportArgumentType]


def test_names_and_texts_are_escaped() -> None:
    nasty = "<img src=x onerror=alert(1)>"
    shown = Answer(hits=(hit(key=nasty, text=nasty, labels=(nasty,), source=nasty),))._repr_html_()
    assert "<img" not in shown
    assert shown.count("&lt;img") == 4


def test_a_picture_and_a_sound_are_inside_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "b.wav").write_bytes(b"RIFF....")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    sound = hit(uri=str(tmp_path / "b.wav"), modality="audio", start=1000, end=2500)
    decoders = Decoders()
    hits = (
        hit(uri=str(tmp_path / "a.png"), modality="image"),
        sound,
        hit(uri=str(tmp_path / "broken.png"), modality="image"),
    )
    shown = Answer(hits=hits, decoders=decoders)._repr_html_()
    decoders.close()
    assert "data:image/webp;base64," in shown
    assert "#t=1,2.5" in shown
    assert shown.count("<b>1</b>") == 3  # the broken one is a card as well
    assert "http" not in shown


def test_an_answer_without_hits_says_so() -> None:
    shown = Answer(hits=())._repr_html_()
    assert "nothing found" in shown
    assert "No good match" in shown
