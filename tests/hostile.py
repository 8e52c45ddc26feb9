"""Small files that ask for much: of memory, of time, of the process that reads them. Built here, each by its name."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np

GOOD = "the ferry crosses the canal"


def wav(samples: bytes, *, rate: int, channels: int = 1, bits: int = 16) -> bytes:
    """A wav of these bytes, whatever they and its header say."""
    width = channels * bits // 8
    kind, more = (0xFFFE, struct.pack("<HHI", 22, bits, 0) + _PCM) if channels > 2 else (1, b"")
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, bits) + more
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


_PCM = bytes.fromhex("0100000000001000800000aa00389b71")


def slow_sound() -> bytes:
    """One sample a second, for three hours and a half: 0.8 GB at 16 kHz."""
    return wav(b"\1\2\7\3" * 6300, rate=1)


def slow_channels() -> bytes:
    """Sixty channels of two samples a second, in one packet."""
    return wav(bytes(range(120)) * 900, rate=2, channels=60)


def channels_beyond() -> bytes:
    """More channels than FFmpeg's resampler takes."""
    return wav(np.arange(300 * 4000, dtype="<i2").tobytes(), rate=8000, channels=300)


def late_sound() -> bytes:
    """A sound track that begins hours after its file, and is a second long."""
    return _matroska(b"A_PCM/INT/LIT", _element("e1", _element("b5", struct.pack(">d", 8000.0)) + _number("9f", 1)
                     + _number("6264", 16)), [(0, b"\7\3" * 800), (3 * 3_600_000, b"\7\3" * 8000)])  # fmt: skip


def many_tracks() -> bytes:
    """Sixty video tracks; each one packet of some kilobytes, a picture of 4096 x 4096."""
    return _matroska(b"V_VP9", _video(4096), [(0, _vp9(4096))], tracks=60)


def long_still() -> bytes:
    """A video of one picture shown for hours, of which any number of clips can be made."""
    packet = _vp9(1024)
    return _matroska(b"V_VP9", _video(1024), [(seconds * 1000, packet) for seconds in range(0, 10_000, 60)])


def wide_picture() -> bytes:
    """Just within the limit of pixels, and white."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("1", (9990, 9990), 1).save(out, "PNG")
    return out.getvalue()


def grey_photo() -> bytes:
    """As wide, as a JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (9990, 9990), 90).save(out, "JPEG")
    return out.getvalue()


def endless_picture() -> bytes:
    """A PNG that says it has four thousand million pixels."""
    header = struct.pack(">IIBBBBB", 65000, 65000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1000)))


def profile_bomb() -> bytes:
    """A small PNG with a colour profile that unpacks to a hundred megabytes."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(out, "PNG")
    plain = out.getvalue()
    return plain[:33] + _chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8), 9)) + plain[33:]


def run_lengths() -> bytes:
    """A Targa of a hundred million pixels in runs of one colour, which only Pillow knows for a picture."""
    side = 9984
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0)
    return header + b"\xff\1\2\3" * (side * side // 128)


def long_animation() -> bytes:
    """A GIF of 600 frames that are each 3000 x 3000 and a few bytes."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 3000, 3000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    pixels = b"\x02\x02\x44\x01\x00"
    frame = b"!\xf9\x04\x08\x0a\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + pixels
    return screen + frame * 600 + b";"


def empty_paragraphs() -> bytes:
    """A Word document of twelve million empty paragraphs."""
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as file:
        file.write(f'<w:document xmlns:w="{space}"><w:body>'.encode())
        for _ in range(12):
            file.write(b"<w:p/>" * 10**6)
        file.write(b"</w:body></w:document>")
    return out.getvalue()


def repeated_words() -> bytes:
    """A PDF page of fifty megabytes of drawing commands, packed."""
    stream = zlib.compress(b"BT /F1 9 Tf " + b"(ab) Tj " * 6_000_000 + b"ET", 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>/MediaBox[0 0 9 9]>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Arial>>",
    ]
    made = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, 1))
    return made + b"trailer<</Root 1 0 R/Size 6>>\n%%EOF"


def reopened_tags() -> bytes:
    """Hypertext whose open tags a parser opens again in each of ten thousand paragraphs."""
    opened = "".join(f"<font size={number}>" for number in range(900))
    return f"<html><body>{opened}{'<p>x' * 10_000}".encode()


def brackets() -> bytes:
    """JSON that is nested a million deep."""
    return b"[" * 10**6 + b"]" * 10**6


def one_word() -> bytes:
    """A text of three million letters without a break."""
    return b"a" * 3_000_000


MAKERS: dict[str, Callable[[], bytes]] = {
    each.__name__: each
    for each in (
        *(slow_sound, slow_channels, channels_beyond, late_sound, many_tracks, long_still, wide_picture, grey_photo),
        *(endless_picture, profile_bomb, run_lengths, long_animation, empty_paragraphs, repeated_words),
        *(reopened_tags, brackets, one_word),
    )
}


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _element(name: str, data: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", len(data) | 1 << 56) + data


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _video(side: int) -> bytes:
    return _element("e0", _number("b0", side) + _number("ba", side))


def _matroska(codec: bytes, about: bytes, packets: list[tuple[int, bytes]], *, tracks: int = 1) -> bytes:
    """Equal tracks of these packets, each with its time in milliseconds."""
    kind = 1 if codec.startswith(b"V") else 2
    head = _number("4286", 1) + _number("42f7", 1) + _number("42f2", 4) + _number("42f3", 8)
    head += _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2)
    numbers = range(1, tracks + 1)
    entries = [_number("d7", n) + _number("73c5", n) + _number("83", kind) + _element("86", codec) for n in numbers]
    info = _number("2ad7b1", 1_000_000) + _element("4489", struct.pack(">d", packets[-1][0] + 1000.0))
    clusters = b"".join(
        _element("1f43b675", _number("e7", at) + b"".join(_element("a3", bytes([0x80 | n]) + b"\0\0\x80" + packet)
                                                         for n in numbers))
        for at, packet in packets
    )  # fmt: skip
    body = _element("1549a966", info)
    body += _element("1654ae6b", b"".join(_element("ae", entry + about) for entry in entries)) + clusters
    return _element("1a45dfa3", head) + _element("18538067", body)


@cache
def _vp9(side: int) -> bytes:
    """One packet of a black square."""
    import av

    context = av.CodecContext.create("libvpx-vp9", "w")
    context.width = context.height = side  # type: ignore[attr-defined]
    context.pix_fmt = "yuv420p"  # type: ignore[attr-defined]
    context.time_base = Fraction(1)
    context.options = {"deadline": "realtime", "cpu-used": "8"}
    frame = av.VideoFrame(side, side, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([16 if plane.line_size >= side else 128]) * plane.buffer_size)
    frame.pts = 0
    return bytes([*context.encode(frame), *context.encode(None)][0])  # type: ignore[attr-defined]
