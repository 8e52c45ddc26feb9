import io
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from embed_assets.media.detect import refine
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image
from tests.media.made import sound_file, tone


def picture(kind: str, mode: str = "RGB", side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (10, 20, 30)).convert(mode).save(out, kind)
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
    ("kind", "mode"),
    [
        *(("JPEG2000", "RGB"), ("ICO", "RGBA"), ("ICNS", "RGBA"), ("TGA", "RGB"), ("TGA", "P"), ("DDS", "RGBA")),
        *(("PCX", "RGB"), ("SGI", "RGB"), ("BLP", "P"), ("DIB", "RGB"), ("MSP", "1"), ("XBM", "1")),
    ],
)
def test_rare_kinds_of_pictures_are_known_and_decoded(kind: str, mode: str) -> None:
    data = picture(kind, mode, side=32)
    assert sniff(data).modality == "image"
    width, height = decode_image(data, limits=Limits()).size
    assert width == height >= 32  # an ICNS is scaled up to its largest size


def test_a_compressed_targa_is_an_image_and_one_cut_short_is_not_taken_for_one() -> None:
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "TGA", compression="tga_rle")
    assert sniff(out.getvalue()).mime == "image/x-tga"
    assert sniff(picture("TGA", side=64)[:100]).modality is None


def test_an_xpm_is_an_image_and_c_source_is_text() -> None:
    xpm = b'/* XPM */\nstatic char *p[] = {\n"2 1 2 1",\n"a c #FF0000",\n"b c #00FF00",\n"ab"\n};\n'
    assert sniff(xpm).modality == "image"
    assert decode_image(xpm, limits=Limits()).getpixel((1, 0)) == (0, 255, 0)
    assert sniff(b"#define width 3\n#define BOX_WIDTH 4\nint x;").modality == "text"
    assert sniff(b"#define box_width 3\n#define box_height 4\nint x;").modality == "text"


def test_what_would_start_a_program_is_no_image() -> None:
    assert sniff(picture("EPS")).modality is None
    assert sniff(b"\xc5\xd0\xd3\xc6\x20" + bytes(27) + picture("EPS")).modality is None


def test_bytes_of_chance_are_nothing() -> None:
    chance = random.Random(0)
    for size in (16, 17, 18, 100, 1000, 50_000):
        for first in (b"\x00", b"\x01", b"\x0a", b""):
            data = first + b"\x00" + chance.randbytes(size)
            assert refine(data, sniff(data)).modality is None


@pytest.mark.parametrize("kind", ["au", "caf", "w64", "voc"])
def test_sound_in_forms_without_a_known_signature_is_heard(kind: str) -> None:
    data = sound_file(
        tone(1), kind=kind, codec="pcm_u8" if kind == "voc" else "pcm_s16be" if kind == "au" else "pcm_s16le"
    )
    assert refine(data, sniff(data)).modality == "audio"


def test_text_is_detected_without_pillow_or_ffmpeg() -> None:
    code = (
        "import sys; from embed_assets.media.detect import refine; from embed_assets.media.kinds.sniff import sniff; "
        "[refine(d, sniff(d)) for d in (b'words', '\u65e5\u672c'.encode(), b'{\"a\": 1}')]; "
        "print(sorted({'PIL', 'av'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


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
    assert sniff(data).mime == mime
    assert sniff(data).modality == "text"


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
    assert sniff(data).mime == mime
    assert sniff(data).modality is None


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


def test_sound_video_and_image_sets_are_distinguished(shared_data: Path) -> None:
    sets = {"audio_fsdd": "audio", "video_intel": "video", "image_grocery": "image"}
    for name, modality in sets.items():
        files = [p for p in (shared_data / name).rglob("*") if p.suffix in (".wav", ".mkv", ".mp4", ".jpg")]
        assert {sniff(path.read_bytes()).modality for path in files} == {modality}
