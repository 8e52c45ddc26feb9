"""Extent: where a video's pictures begin and end, in its own ticks and in seconds of the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.recordings.container import (
    check_length,
    check_whole,
    container_end,
    declares_length,
    frames_of,
    open_container,
    origin_of,
    packets_of,
    picture_stream,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_RATE = Fraction(25)  # frames per second of a raw stream without a rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """Start and end of a video. Seconds count from the start of the file, ticks are the stream's time stamps."""

    start: float
    end: float
    begun: int  # ticks, where the last frame begins
    origin: float  # the time stamp, in seconds, of the start of the file
    time_base: Fraction
    counted: bool = False  # a raw stream, without time stamps: ticks are numbers of frames

    def ticks(self, seconds: float) -> int:
        """Return the time stamp of a moment."""
        return round((Fraction(seconds) + Fraction(self.origin)) / self.time_base)

    def seconds(self, ticks: int) -> float:
        """Return the moment of a time stamp."""
        return float(ticks * self.time_base - Fraction(self.origin))

    def stamped(self, frames: "Iterator[VideoFrame]") -> "Iterator[VideoFrame]":
        """Yield the frames with their time stamps, in ticks."""
        for number, frame in enumerate(frames):
            if self.counted:
                frame.pts, frame.time_base = number, self.time_base
            yield frame


def extent_of(data: bytes, limits: Limits) -> Extent:
    """Read all packets, without decoding: neither the header nor the last frame has the end of the last one.

    In a stream without time stamps all frames are decoded and counted.
    """
    with open_container(data, "video") as container:
        stream = video_stream(container, limits)
        base = stream.time_base
        ends = None if base is None else _ends(container, stream, base)
        if base is None or ends is None:
            return _counted(data, limits)
        whole = container_end(container)
        if declares_length(container) and ends.reached is not None:
            check_whole(ends.reached, whole, "video")
        start, end, origin = float(ends.first * base), float(ends.last * base), origin_of(container)
        if ends.last == ends.begun and whole is not None:  # the last packet has no duration
            end = max(end, whole)
        check_length(end - start, "video", limits.max_seconds)
        return Extent(start=start - origin, end=end - origin, begun=ends.begun, origin=origin, time_base=base)


def video_stream(container: "InputContainer", limits: Limits) -> "VideoStream":
    """Return the best video stream. Raises MediaError "no picture" or "too many pixels"."""
    stream = picture_stream(container)
    if stream is None:
        kinds = ", ".join(sorted({each.type for each in container.streams}))
        raise MediaError("no picture", f"of {container.format.long_name}, with nothing in it but {kinds}")
    check_size(stream.codec_context.width, stream.codec_context.height, limits)
    return stream


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raise MediaError "too many pixels" above the limit."""
    if width * height > limits.max_pixels:
        problem = f"{width} x {height}; the limit max_pixels is {limits.max_pixels:,}"
        raise MediaError("too many pixels", f"{problem}: raise it, or make the video smaller")


@dataclass(frozen=True, slots=True)
class _Ends:
    first: int  # ticks
    begun: int  # where the last packet begins
    last: int
    reached: float | None  # seconds, the longest stream's end; None where a single packet is not enough


def _counted(data: bytes, limits: Limits) -> Extent:
    """Return the extent of a raw stream: frames in sequence, at best with a rate."""
    with open_container(data, "video") as container:
        stream = video_stream(container, limits)
        rate = stream.guessed_rate or stream.average_rate or _RATE  # FFmpeg's average is always 25
        count = 0
        for _ in frames_of(container, stream):
            count += 1
            check_length(float(count / rate), "video", limits.max_seconds)
    end = float(count / rate)
    return Extent(start=0.0, end=end, begun=count - 1, origin=0.0, time_base=1 / Fraction(rate), counted=True)


def _ends(container: "InputContainer", stream: "VideoStream", base: Fraction) -> _Ends | None:
    """Return the ends by the packets, None where no packet of the stream has a time stamp."""
    first: int | None = None
    begun = last = count = 0
    reached = 0.0
    for packet in packets_of(container):
        if packet.pts is None or packet.time_base is None:
            continue
        end = packet.pts + (packet.duration or 0)
        reached = max(reached, float(end * packet.time_base))
        if packet.stream.index == stream.index:
            first = packet.pts if first is None else min(first, packet.pts)
            begun, last, count = max(begun, packet.pts), max(last, end), count + 1
    if first is None:
        return None
    first = max(first, 0)
    if last > begun:
        return _Ends(first, begun, last, reached)
    if count == 1:
        return _Ends(first, begun, begun, None)
    mean = (begun - first) / (count - 1)
    return _Ends(first, begun, begun, max(reached, float((begun + mean) * base)))
