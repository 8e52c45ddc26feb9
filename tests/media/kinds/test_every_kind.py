"""Files of every kind that the dependencies can write: decoded, or quarantined with a reason and a way out."""

import io
import struct
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.errors import MediaError
from embed_assets.media.detect import refine_with_warnings
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.media.recordings.decode_sound import decode_sound
from embed_assets.media.recordings.demuxers import LEAD_ELSEWHERE, allowed
from embed_assets.media.recordings.video_clips import decode_clips
from tests.media.made import level_frame, sound_file, tone, video_file

LIMITS = Limits()
CORNERS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40))


def quarters() -> np.ndarray:
    """uint8, (32, 32, 3): red, green, blue and yellow."""
    made = np.zeros((32, 32, 3), np.uint8)
    made[:16, :16], made[:16, 16:], made[16:, :16], made[16:, 16:] = CORNERS
    return made


def heard(data: bytes, rate: int = 16000) -> tuple[float, float]:
    """Seconds, and the loudest frequency in hertz."""
    sound = decode_sound(data, rate=rate, limits=LIMITS)
    assert sound is not None
    power = np.abs(np.fft.rfft(sound.samples))
    return len(sound.samples) / rate, float(np.argmax(power)) * rate / len(sound.samples)


def modality(data: bytes) -> str | None:
    return refine_with_warnings(data)[0].modality


def reason(data: bytes) -> str:
    """Of a picture, a sound or a video; reason and detail."""
    with pytest.raises(MediaError) as caught:
        kind = modality(data)
        if kind == "image":
            decode_image(data, limits=LIMITS)
        elif kind == "audio":
            decode_sound(data, rate=16000, limits=LIMITS)
        else:
            list(decode_clips(data, frames=2, clip_seconds=None, sound_rate=None, side=None, limits=LIMITS))
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "codec", "rate"),
    [
        *(("wav", codec, 44100) for codec in ("pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw", "adpcm_ms", "pcm_s32le")),
        *(("matroska", codec, 48000) for codec in ("aac", "ac3", "flac", "libopus", "alac", "wavpack", "tta", "mp2")),
        *(
            ("aiff", "pcm_s16be", 44100),
            ("au", "pcm_s16be", 44100),
            ("caf", "pcm_s16le", 44100),
            ("w64", "pcm_s16le", 8000),
        ),
        *(("ac3", "ac3", 48000), ("eac3", "eac3", 48000), ("adts", "aac", 44100), ("mp2", "mp2", 44100)),
        *(("ircam", "pcm_s16le", 44100), ("sox", "pcm_s32le", 44100), ("ast", "pcm_s16be_planar", 44100)),
        *(("mpegts", "mp2", 48000), ("nut", "pcm_s16le", 44100), ("adx", "adpcm_adx", 44100), ("tta", "tta", 44100)),
        *(("wv", "wavpack", 44100), ("latm", "aac", 44100), ("kvag", "adpcm_ima_ssi", 44100)),
    ],
)
def test_sounds_of_every_kind_are_heard_as_they_were(kind: str, codec: str, rate: int) -> None:
    data = sound_file(tone(2, rate=rate), kind=kind, codec=codec, rate=rate)
    assert modality(data) == "audio"
    seconds, hertz = heard(data)
    assert abs(seconds - 2) < 0.1 and abs(hertz - 440) < 5


def dsf() -> bytes:
    """A second of 440 Hz as DSD of 64 times 44,100 Hz, by a first-order modulator; Sony's DSF, version 1.01."""
    rate, count = 2822400, 2822400 // 4096 // 8 * 4096 * 8
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)
    levels = np.floor(np.cumsum((wave + 1) / 2))
    bits = np.diff(levels, prepend=0).astype(np.uint8)
    body = np.packbits(bits, bitorder="little").tobytes()
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, count, 4096, 0)
    chunk = struct.pack("<4sQ", b"data", 12 + len(body)) + body
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(form) + len(chunk), 0) + form + chunk


def test_a_dsf_is_heard() -> None:
    assert modality(dsf()) == "audio"
    seconds, hertz = heard(dsf())
    assert abs(seconds - 1) < 0.05 and abs(hertz - 440) < 5


def test_an_avi_of_packets_that_differ_in_length_is_as_long_as_its_samples() -> None:
    data = sound_file(tone(2, rate=8000), kind="avi", codec="libopencore_amrnb", rate=8000)
    seconds, hertz = heard(data)
    assert abs(seconds - 2) < 0.1 and abs(hertz - 440) < 5


@pytest.mark.parametrize("kind", ["avi", "wav"])
def test_one_cut_short_is_partial(kind: str) -> None:
    data = sound_file(tone(2), kind=kind)
    assert reason(data[: len(data) // 2]).startswith("partial audio: ")


@pytest.mark.parametrize(("riff", "content"), [(0, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (50_000, 49_964)])
def test_a_wav_longer_than_its_header_is_read(riff: int, content: int) -> None:
    data = bytearray(sound_file(tone(2)))
    at = data.index(b"data")
    data[4:8], data[at + 4 : at + 8] = struct.pack("<I", riff), struct.pack("<I", content)
    assert modality(bytes(data)) == "audio"
    assert abs(heard(bytes(data))[1] - 440) < 5


VIDEOS = [
    *(("h264", "libx264"), ("hevc", "libx265"), ("m4v", "mpeg4"), ("mpeg2video", "mpeg2video"), ("mp4", "libx264")),
    *(("avi", "mpeg4"), ("mov", "mpeg4"), ("matroska", "ffv1"), ("nut", "mpeg4"), ("asf", "msmpeg4v3"), ("flv", "flv")),
]


def moving(kind: str, codec: str, rate: int = 10) -> bytes:
    """Twenty frames, the first ten dark and the others light."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=25 if "mpeg" in kind else rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(level_frame(40 if number < 10 else 200), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(("kind", "codec"), VIDEOS)
def test_videos_of_every_kind_show_what_they_did(kind: str, codec: str) -> None:
    import av

    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg does not write {codec}")
    data = moving(kind, codec)
    assert modality(data) == "video"
    ((start, end, clip),) = decode_clips(data, frames=2, clip_seconds=None, sound_rate=None, side=None, limits=LIMITS)
    levels = clip.frames.mean(axis=(1, 2, 3))
    assert end > start and abs(levels[0] - 40) < 12 and abs(levels[1] - 200) < 12


def test_a_raw_stream_is_timed_by_the_number_of_its_frames() -> None:
    clips = list(
        decode_clips(
            moving("h264", "libx264"),
            frames=1,
            clip_seconds=1,
            by_scene=True,
            sound_rate=None,
            side=None,
            limits=LIMITS,
        )
    )
    assert [(round(start, 2), round(end, 2)) for start, end, _ in clips] == [(0, 1), (1, 2)]
    assert [round(float(clip.frames.mean()) / 40) for _, _, clip in clips] == [1, 5]


def test_half_a_raw_stream_is_half_a_video() -> None:
    data = moving("hevc", "libx265")
    ((_, end, _),) = decode_clips(
        data[: len(data) * 2 // 3], frames=1, clip_seconds=None, sound_rate=None, side=None, limits=LIMITS
    )
    assert 0 < end < 2


def looks_right(data: bytes, within: int = 14) -> bool:
    picture = np.asarray(decode_image(data, limits=LIMITS)).astype(int)
    height, width = picture.shape[:2]
    places = ((y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4))
    return all(np.abs(picture[y, x] - corner).max() <= within for (y, x), corner in zip(places, CORNERS, strict=True))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_pictures_of_every_kind_have_their_colours(mode: str) -> None:
    Image.init()
    written: set[str] = set()
    for kind in sorted(Image.SAVE):
        out = io.BytesIO()
        try:
            picture = Image.fromarray(quarters())
            (picture.quantize(8) if mode == "P" else picture.convert(mode)).save(out, kind)
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
        if kind in ("PDF", "EPS", "PALM", "SPIDER", "XBM", "MPO") or modality(out.getvalue()) is None:
            continue
        if (kind, mode) == ("ICNS", "P"):  # whose palette Pillow loses
            assert reason(out.getvalue()).startswith("broken image: Pillow fails on it")
            continue
        assert looks_right(out.getvalue(), 30 if kind == "AVIF" else 14), (kind, mode)
        written.add(kind)
    assert {"TIFF"} <= written and (mode != "RGB" or len(written) >= 14)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"])
def test_tiffs_of_every_compression_have_their_colours(compression: str) -> None:
    out = io.BytesIO()
    Image.fromarray(quarters()).save(out, "TIFF", compression=compression)
    assert looks_right(out.getvalue())


def tiff(tags: dict[int, Any], body: bytes) -> bytes:
    """Tags, and one strip or the strips of `planes` behind one another."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    found = ImageFileDirectory_v2()
    for tag, value in tags.items():
        found[tag] = value
    planes = tags[277] if tags.get(284) == 2 else 1
    each = len(body) // planes
    found[279], found[273] = (each,) * planes, tuple(each * number for number in range(planes))  # behind the tags
    out = io.BytesIO()
    found.save(out)
    return out.getvalue() + body


def test_a_tiff_of_16_bits_in_planes_has_its_colours() -> None:
    deep = quarters().astype("<u2") * 257
    tags = {256: 32, 257: 32, 258: (16, 16, 16), 259: 1, 262: 2, 277: 3, 278: 32, 284: 2}
    assert looks_right(tiff(tags, np.moveaxis(deep, -1, 0).tobytes()))


def test_whole_numbers_of_32_bits_without_a_sign_keep_their_order() -> None:
    values = np.array([[0, 2**31 - 1, 2**31, 2**32 - 1]], "<u4")
    picture = decode_image(
        tiff({256: 4, 257: 1, 258: (32,), 259: 1, 262: 1, 277: 1, 278: 1, 339: 1}, values.tobytes()), limits=LIMITS
    )
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 127, 128, 255]


def deep_jp2(values: np.ndarray, pixels: str) -> bytes:
    import av

    context: Any = av.CodecContext.create("jpeg2000", "w")
    context.width, context.height, context.pix_fmt = values.shape[1], values.shape[0], pixels
    context.time_base = Fraction(1)
    context.options = {"format": "jp2", "pred": "1"}
    frame = av.VideoFrame.from_ndarray(values, format=pixels)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def test_white_of_a_jpeg_2000_of_16_bits_is_not_black() -> None:
    values = np.full((32, 32, 3), 65535, "<u2")
    values[:16] = 300
    data = deep_jp2(values, "rgb48le")
    picture = np.asarray(decode_image(data, limits=LIMITS))
    assert picture[31, 31].min() >= 250 and picture[0, 0].max() <= 5


def test_ones_of_an_xbm_are_black() -> None:
    data = b"#define a-b_width 8\n#define a-b_height 1\nstatic char a_bits[] = {\n 0x0f };\n"
    assert sniff(data).modality == "image"
    assert np.asarray(decode_image(data, limits=LIMITS))[0, :, 0].tolist() == [0] * 4 + [255] * 4


def zipped(*names: str, stored: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if stored:
            archive.writestr("mimetype", stored)
        for name in names:
            archive.writestr(name, "x" * 100)
    return out.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016)


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (zipped("[Content_Types].xml", "a/b.xml", "c/d.xml", "xl/workbook.xml"), "an Excel workbook (.xlsx): save"),
        (zipped("[Content_Types].xml", "a/b.xml", "c/d.xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
        (zipped("content.xml", stored=b"application/vnd.oasis.opendocument.text"), "an OpenDocument text (.odt): save"),
        (zipped("OEBPS/a.xhtml", stored=b"application/epub+zip"), "an e-book (.epub): save it as .html"),
        (zipped("META-INF/MANIFEST.MF"), "a program of Java"),
        (zipped("a.txt"), "an archive (.zip): unpack it"),
        (OLE + "Workbook".encode("utf-16-le"), "an Excel workbook (.xls): save"),
        (OLE + "WordDocument".encode("utf-16-le"), "(.doc): save it as .docx"),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "(.ppt): save it as .pdf"),
        (rb"{\rtf1\ansi cats}", "rich text (.rtf): save it as .docx"),
        (b"%!PS-Adobe-3.0\nshowpage\n", "ps2pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing (.svg): save it as .png"),
        (b"SQLite format 3\0" + bytes(100), "a database of SQLite: save its tables as .csv"),
        (b"\x1f\x8b\x08\0" + bytes(40), "a compressed file (.gz): unpack it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
        (b"\x93NUMPY\x01\0" + bytes(40), "an array of NumPy"),
        (b"v/1\x01\x02\0\0\0" + bytes(40), "a picture of OpenEXR"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
    ],
)
def test_what_nothing_decodes_is_named_with_a_way_out(data: bytes, description: str) -> None:
    found, _ = refine_with_warnings(data)
    assert found.modality is None
    assert unsupported(found.mime).startswith(f"unsupported type: {found.mime} (")
    assert description in unsupported(found.mime)


def test_an_unknown_file_is_named_by_its_type() -> None:
    assert unsupported("application/x-new") == "unsupported type: application/x-new"
    assert unsupported("application/octet-stream").endswith("(of no kind that is known here: save it as a common one)")


def test_reasons_say_what_and_what_to_do() -> None:
    jpeg = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(jpeg, "JPEG")
    assert "save it as PNG" in reason(jpeg.getvalue()[:700])
    webm = video_file([level_frame(9)] * 9, range(0, 900, 100), kind="webm", codec="libvpx-vp9")
    assert "ffmpeg -i IN OUT.mp4" in reason(webm[:200])
    for description in (reason(webm[:200]), reason(jpeg.getvalue()[:700])):
        assert "Errno" not in description and "<none>" not in description and "0x" not in description


def test_kinds_that_lead_elsewhere_are_never_opened() -> None:
    assert not LEAD_ELSEWHERE & set(allowed().split(","))
    assert {"matroska", "mpc8", "tak", "dsf", "gsm", "loas"} <= set(allowed().split(","))


def test_files_of_this_machine_that_are_no_sound_are_none() -> None:
    zones = [each for each in sorted(Path("/usr/share/zoneinfo").rglob("*")) if each.is_file()][:150]
    if not zones:
        pytest.skip("this machine has no time zone files")
    assert {modality(each.read_bytes()) for each in zones} <= {None, "text"}
