"""Sounds and videos encoded for tests, as bytes."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

TICKS = Fraction(1, 1000)


def tone(seconds: float, *, rate: int = 44100, hertz: float = 440, level: float = 0.5) -> np.ndarray:
    """A sine: float32, (n,)."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sound_file(
    samples: np.ndarray, *, kind: str = "wav", codec: str = "pcm_s16le", rate: int = 44100, layout: str = "mono"
) -> bytes:
    """A file with one sound track, every channel the same."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        _write_sound(container, stream, samples, rate, layout)
    return out.getvalue()


def _write_sound(
    container: Any, stream: Any, samples: np.ndarray, rate: int, layout: str = "mono", *, starts: Sequence[float] = (0,)
) -> None:
    """The samples once from each start, in seconds."""
    import av

    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[layout]
    for start in starts:
        # Side by side: PyAV can't be given eight planes.
        frame = av.AudioFrame.from_ndarray(samples.repeat(channels)[None], format="flt", layout=layout)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = None
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size
        )
        at = round(start * rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = at
            part.time_base = Fraction(1, rate)
            at += part.samples
            container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def level_frame(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """One grey picture: uint8, (height, width, 3)."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def video_file(
    pictures: Sequence[np.ndarray],
    times: Sequence[int],
    *,
    kind: str = "mp4",
    codec: str = "libx264",
    rotation: int = 0,
    sound: np.ndarray | None = None,
    sound_starts: Sequence[float] = (0,),
    options: dict[str, str] | None = None,
) -> bytes:
    """Pictures shown from these milliseconds on, and a sound track from each of its starts."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=kind, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=1000, options={"g": "12"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICKS
        if rotation:
            stream.set_display_rotation(rotation)
        track: Any = None
        if sound is not None:
            track = container.add_stream("libopus" if kind == "webm" else "aac", rate=48000)
            track.codec_context.layout = "mono"
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_sound(container, track, sound, 48000, starts=sound_starts)
    return out.getvalue()


def clip_file(count: int = 20, *, step: int = 100, **given: Any) -> bytes:
    """Frame i is grey of level 10 * i and shown from i * step milliseconds on."""
    pictures = [level_frame(10 * number) for number in range(count)]
    return video_file(pictures, [number * step for number in range(count)], **given)


def transparent_file(picture: np.ndarray, codec: str, *, count: int = 10) -> bytes:
    """A webm of one RGBA picture, uint8 (height, width, 4), shown for `count` tenths of a second."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="webm") as container:
        stream: Any = container.add_stream(codec, rate=1000, options={"auto-alt-ref": "0"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuva420p"
        stream.bit_rate = 2_000_000
        stream.time_base = stream.codec_context.time_base = TICKS
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = number * 100, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()
