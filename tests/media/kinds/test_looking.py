import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from embed_assets import plugins
from embed_assets.errors import MediaError
from embed_assets.media.detect import look_at, refine
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.sniff import sniff
from tests import hostile
from tests.installing import install
from tests.media.made import clip_file, sound_file, tone
from tests.media.pictures.test_decode_image import encoded

CODE = """
import os, signal, time
from embed_assets.media.kinds.decoder import Decoder

def detect(head):
    if head.startswith(b"crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if head.startswith(b"hang"):
        time.sleep(600)
    if head.startswith(b"hog"):
        bytearray(2**31)
    if head.startswith(b"fail"):
        raise OSError("in a test")
    if head.startswith(b"where"):
        open(head.split()[1], "w").write(str(os.getpid()))
    return head.startswith(b"mine")

facts = dict(name="odd", version="1", mime="text/x-odd", modality="text")
odd = Decoder(**facts, detect=detect, decode=lambda data, limits: "")
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that is no friend of those who ask it."""
    install(tmp_path / "site", "odd-plugin", CODE, {"embed_assets.decoders": {"odd": "odd_plugin:odd"}}, monkeypatch)


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders(seconds=3, megabytes=512) as made:
        yield made


@pytest.fixture
def nobody() -> Decoders:
    """Decoders that are closed."""
    made = Decoders()
    made.close()
    return made


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_pictures_with_a_signature_are_known_without_a_worker(kind: str, nobody: Decoders) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, kind)
    assert look_at(out.getvalue(), nobody) == sniff(out.getvalue())


@pytest.mark.parametrize(
    "data", [b"", b"words", b"<html><body>x", b'{"a": 1}', b"%PDF-1.4\n", "Käse".encode("latin-1")]
)
def test_texts_and_documents_are_known_without_a_worker(data: bytes, nobody: Decoders) -> None:
    assert look_at(data, nobody) == sniff(data)


def test_what_only_a_decoder_detects_is_detected_in_a_worker(decoders: Decoders, nobody: Decoders) -> None:
    targa, netpbm = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (40, 40)).save(targa, "TGA")
    Image.new("RGB", (40, 40)).save(netpbm, "PPM")
    sounds = [sound_file(tone(1.0)), sound_file(tone(1.0), kind="au", codec="pcm_s16be")]
    for data in (
        clip_file(),
        *sounds,
        targa.getvalue(),
        netpbm.getvalue(),
        bytes(range(256)) * 9,
        hostile.slow_sound(),
    ):
        assert look_at(data, decoders) == refine(data, sniff(data))
        with pytest.raises(RuntimeError, match="closed"):
            look_at(data, nobody)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"crash", "decoder crashed"), (b"hang", "decoder timed out"), (b"hog", None), (b"fail", None), (b"words", None)],
)
def test_a_plugin_that_fails_to_detect_costs_that_file_alone(
    data: bytes, reason: str | None, odd: None, decoders: Decoders
) -> None:
    try:
        found = look_at(data, decoders)
    except MediaError as error:
        assert error.reason == reason
    else:
        assert reason is None
        assert found.mime == "text/plain"
    assert look_at(b"mine", decoders).decoder == "odd-1"


def test_plugins_look_in_a_worker(tmp_path: Path, odd: None, decoders: Decoders) -> None:
    look_at(f"where {tmp_path / 'pid'} ".encode(), decoders)
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_a_plugins_failure_is_logged_by_the_parent_process(
    odd: None, decoders: Decoders, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_logged_warnings", set())  # a warning is given once a process
    look_at(b"fail", decoders)
    assert "odd-1: its detect raised OSError: in a test" in caplog.text


def test_without_decoders_it_is_looked_at_here() -> None:
    assert look_at(clip_file(), None).modality == "video"
    assert look_at(encoded(Image.new("RGB", (9, 9))), None).modality == "image"
