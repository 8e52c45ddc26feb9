import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from embed_assets.media.sniff import sniff


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(out, kind)
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM"])
def test_every_kind_that_is_decoded_is_an_image(kind: str) -> None:
    assert sniff(picture(kind)).modality == "image"


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"plain words", "text/plain"),
        ("Stra\u00dfe".encode(), "text/plain"),
        ("Stra\u00dfe".encode("utf-8-sig"), "text/plain"),
        ("Stra\u00dfe".encode("utf-16"), "text/plain"),
        ("Stra\u00dfe".encode("utf-16-le"), "text/plain"),
        ("Stra\u00dfe".encode("utf-16-be"), "text/plain"),
        ("Stra\u00dfe".encode("cp1252"), "text/plain"),
        ("\u3053\u3093\u306b\u3061\u306f".encode("cp932"), "text/plain"),
        (b"# Title\n\n- item", "text/plain"),
        (b"a,b\n1,2\n", "text/plain"),
        (b'{"a": 1}', "application/json"),
        (b"[1, 2]", "application/json"),
        (b"<!DOCTYPE html><html>", "text/html"),
        (b"\n<!-- note --><HTML lang='en'>", "text/html"),
        (b"<?xml version='1.0'?><note/>", "text/xml"),
        (b"   \n", "text/plain"),
        (b"%PDF-1.4\n1 0 obj", "application/pdf"),
        (
            zipped("[Content_Types].xml", "x/y.xml", "word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_text_of_every_kind_is_text(data: bytes, mime: str) -> None:
    assert (sniff(data).mime, sniff(data).modality) == (mime, "text")


@pytest.mark.parametrize("text", ["BMW is a car", "MZ is a town", "GIF is a format", "ID3 tags", "P3 was it"])
def test_words_that_begin_like_a_binary_file_stay_text(text: str) -> None:
    assert sniff(text.encode()).modality == "text"


def test_a_character_cut_at_the_end_of_the_head_stays_text() -> None:
    assert sniff(b"x" + "\u65e5".encode() * 5000).modality == "text"


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"", "inode/x-empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg/>", "image/svg+xml"),
        (zipped("a.txt"), "application/zip"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "application/x-msdownload"),
        (bytes(range(256)), "application/octet-stream"),
        (b"\x00" * 100, "application/octet-stream"),
    ],
)
def test_what_nothing_decodes_has_a_mime_and_no_modality(data: bytes, mime: str) -> None:
    assert (sniff(data).mime, sniff(data).modality) == (mime, None)


@pytest.mark.parametrize(
    ("data", "modality"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00", "audio"),
        (b"ID3\x03\x00\x00\x00\x00\x00\x00", "audio"),
        (b"\xff\xe3\x18\xc4\x00\x00\x00\x03", "audio"),
        (b"\x1aE\xdf\xa3@ B\x86\x81\x01B\xf7\x81\x01B\x82@\x04webm", "video"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video"),
    ],
)
def test_sound_and_video_are_named(data: bytes, modality: str) -> None:
    assert sniff(data).modality == modality


def test_sound_video_and_image_sets_are_told_apart(shared_data: Path) -> None:
    sets = {"audio_fsdd": "audio", "video_intel": "video", "image_grocery": "image"}
    for name, modality in sets.items():
        files = [p for p in (shared_data / name).rglob("*") if p.suffix in (".wav", ".mkv", ".mp4", ".jpg")]
        assert {sniff(path.read_bytes()).modality for path in files} == {modality}
