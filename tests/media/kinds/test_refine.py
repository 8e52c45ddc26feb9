import io

import pytest
from PIL import Image

from embed_assets.media.detect import refine
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.media_types import Sniffed
from tests.media.made import clip_file, sound_file, tone


def refined(data: bytes) -> Sniffed:
    return refine(data, sniff(data))


@pytest.mark.parametrize(("kind", "mime"), [("mp4", "audio/mp4"), ("webm", "audio/webm")])
def test_a_video_container_with_only_sound_is_audio(kind: str, mime: str) -> None:
    codec = "aac" if kind == "mp4" else "libopus"
    data = sound_file(tone(1, rate=48000), kind=kind, codec=codec, rate=48000)
    assert sniff(data).modality == "video"
    assert refined(data) == Sniffed(mime=mime, modality="audio")


def test_pictures_make_a_video() -> None:
    for data in (clip_file(), clip_file(sound=tone(2, rate=48000)), clip_file(kind="webm", codec="libvpx")):
        assert refined(data).modality == "video"
    ogg = clip_file(kind="webm", codec="libvpx")
    assert refine(ogg, Sniffed(mime="audio/ogg", modality="audio")) == Sniffed(mime="video/ogg", modality="video")


def test_a_music_files_cover_is_no_video() -> None:
    import av
    from av.stream import Disposition

    cover = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 0, 0)).save(cover, "JPEG")
    plain = io.BytesIO(sound_file(tone(1), kind="mp3", codec="libmp3lame"))
    out = io.BytesIO()
    with av.open(plain, "r") as source, av.open(out, "w", format="mp3") as target:
        track = target.add_stream_from_template(source.streams.audio[0])
        picture = target.add_stream("mjpeg", rate=1)
        picture.width = picture.height = 16
        picture.pix_fmt = "yuvj420p"
        picture.disposition = Disposition.attached_pic
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
        packet = av.Packet(cover.getvalue())
        packet.stream = picture
        packet.pts = packet.dts = 0
        target.mux(packet)
    with av.open(io.BytesIO(out.getvalue())) as check:
        assert len(check.streams.video) == 1
    assert refined(out.getvalue()).modality == "audio"


def test_other_kinds_and_broken_files_stay_what_they_were() -> None:
    for data in (b"words", b"", b"GIF89a", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"):
        assert refined(data) == sniff(data)
