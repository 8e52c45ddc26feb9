"""Samples and frames as real sound and video files, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.container import OutputContainer
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class Sound:
    """How a sound is written: the codec, and the one rate that this demo gives it."""

    codec: str
    rate: int  # Hz
    bit_rate: int | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Video:
    """How a video is written: its frames, and its sound track."""

    codec: str
    options: dict[str, str] = field(default_factory=dict)
    sound: Sound


# By the file's suffix, which names the container, too. Opus takes 16 kHz but not 22.05 kHz. The options
# choose each encoder's fast way: encoding is most of the time that the corpus takes.
SOUNDS = {
    "mp3": Sound(codec="libmp3lame", rate=22_050, bit_rate=48_000, options={"compression_level": "9"}),
    "ogg": Sound(codec="libopus", rate=16_000, bit_rate=32_000, options={"compression_level": "0"}),
    "flac": Sound(codec="flac", rate=16_000),
    "wav": Sound(codec="pcm_s16le", rate=16_000),
}
VIDEOS = {
    "mp4": Video(
        codec="libx264",
        options={"preset": "veryfast", "crf": "23"},
        sound=Sound(codec="aac", rate=22_050, bit_rate=48_000, options={"aac_coder": "fast"}),
    ),
    # In its real-time mode libvpx looks at the clock, and the bytes differ from run to run.
    "webm": Video(codec="libvpx", options={"deadline": "good", "cpu-used": "5", "crf": "10"}, sound=SOUNDS["ogg"]),
    "mkv": Video(codec="mpeg4", sound=SOUNDS["mp3"]),
}


def write_sound(path: Path, samples: np.ndarray) -> None:
    """Write mono samples, float (n,), nominally in [-1, 1], at the rate of the file's kind."""
    with _created(path) as container:
        _encode_sound(container, _sound_stream(container, SOUNDS[path.suffix[1:]]), samples)


def write_video(path: Path, frames: Sequence[Image], *, fps: int, samples: np.ndarray | None) -> None:
    """Write RGB frames of one size, even in both directions; without samples there is no sound track."""
    from av import VideoFrame

    kind = VIDEOS[path.suffix[1:]]
    with _created(path) as container:
        stream: Any = container.add_stream(kind.codec, rate=fps, options=kind.options)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 400_000  # x264 has its quality instead
        _repeatable(stream)
        # The header is written with the first packet, when all streams have to be there.
        sound = None if samples is None else _sound_stream(container, kind.sound)
        for picture in frames:
            container.mux(stream.encode(VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
        if samples is not None:
            _encode_sound(container, sound, samples)


@contextmanager
def _created(path: Path) -> Iterator[OutputContainer]:
    import av

    # Otherwise files hold random serial numbers and the library's version.
    with av.open(str(path), mode="w", container_options={"fflags": "+bitexact"}) as container:
        yield container


def _sound_stream(container: OutputContainer, kind: Sound) -> Any:
    stream: Any = container.add_stream(kind.codec, rate=kind.rate, layout="mono", options=kind.options)
    if kind.bit_rate is not None:
        stream.bit_rate = kind.bit_rate
    _repeatable(stream)
    return stream


def _repeatable(stream: Any) -> None:
    from av.codec.context import Flags

    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= Flags.bitexact


def _encode_sound(container: OutputContainer, stream: Any, samples: np.ndarray) -> None:
    from av import AudioFrame

    whole = np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    frame = AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
    frame.sample_rate = stream.codec_context.sample_rate
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
