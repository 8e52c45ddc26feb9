"""frames_at: the pictures that a video shows at given times, small and upright."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.recordings.container import CONVERT, COPY, alpha_decoder, check_whole, frames_of, open_container
from embed_assets.media.recordings.video_extent import Extent, check_size, video_stream

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def frames_at(
    data: bytes, ticks: Sequence[int], extent: Extent, *, side: int | None, limits: Limits, alpha: bool = False
) -> dict[int, tuple[float, np.ndarray]]:
    """Return by time stamp, ascending, the second at which the frame shown then begins, and the frame.

    Frames are uint8, (height, width, 3); two time stamps that fall on one frame share its array.
    """
    shown_at: dict[int, tuple[float, np.ndarray]] = {}
    shrink = _Shrink(side, limits, alpha=alpha)
    with open_container(data, "video") as container:
        stream = video_stream(container, limits)
        frame: VideoFrame | None = None
        shown = 0.0, np.empty(0)
        frames = frames_of(container, stream, decode=alpha_decoder(stream) if alpha else None)
        for tick, current in _on_screen(extent.stamped(frames), ticks, extent):
            if current is not frame:
                frame, shown = current, (extent.seconds(current.pts or 0), shrink(current))
            shown_at[tick] = shown
    return shown_at


def _on_screen(
    frames: Iterator["VideoFrame"], order: Sequence[int], extent: Extent
) -> Iterator[tuple[int, "VideoFrame"]]:
    """Yield each time with the frame shown then: the last one that begins at or before the time, else the first."""
    previous: VideoFrame | None = None
    count = corrupt = at = 0
    for frame in frames:
        count, corrupt = count + 1, corrupt + frame.is_corrupt
        if frame.pts is None:
            continue
        while at < len(order) and frame.pts > order[at]:
            yield order[at], previous or frame
            at += 1
        previous = frame
        if at == len(order):
            break
    if previous is None or corrupt * 4 > count:
        problem = f"{corrupt:,} of {count:,} frames are damaged or have no time stamp"
        raise MediaError("broken video", f"{problem}; {COPY}, or {CONVERT['video']}")
    if at < len(order):  # all packets may be there, and frames stop decoding half way
        base = extent.time_base
        check_whole(float((previous.pts or 0) * base), float(extent.begun * base), "video")
    for ticks in order[at:]:
        yield ticks, previous


class _Shrink:
    """A converter of frames to upright RGB arrays, at once in their final size, to save memory.

    One converter serves all frames: creating one costs more than using it. All frames get the size of the first one,
    also where a stream changes its size.
    """

    def __init__(self, side: int | None, limits: Limits, *, alpha: bool) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._side = side
        self._alpha = alpha
        self._limits = limits
        self._size: tuple[int, int] | None = None
        self._turns = 0
        self._bytes = 0

    def __call__(self, frame: "VideoFrame") -> np.ndarray:
        from av.video.reformatter import Interpolation

        check_size(frame.width, frame.height, self._limits)
        if self._size is None:
            self._size = _fitted(frame.width, frame.height, self._side)
            self._turns = round(frame.rotation / 90) % 4  # cameras write quarters; other angles are rounded
        width, height = self._size
        self._bytes += width * height * 3
        if self._bytes > self._limits.decode_megabytes * 2**20 // 2:
            problem = f"they take {self._bytes:,} bytes, over half of decode_megabytes"
            raise MediaError(
                "too many frames", f"{problem} ({self._limits.decode_megabytes:,}): raise it, or cut the file"
            )
        clear = self._alpha and frame.format.name.startswith("yuva")
        small = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgba" if clear else "rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        ).to_ndarray()
        if clear:
            small = _on_background(small, self._limits.background)
        return np.ascontiguousarray(np.rot90(small, k=self._turns))


def _on_background(picture: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """Blend uint8 (height, width, 4) to (height, width, 3)."""
    colours, alpha = picture[..., :3].astype(np.uint16), picture[..., 3:].astype(np.uint16)
    return ((colours * alpha + np.array(background, np.uint16) * (255 - alpha) + 127) // 255).astype(np.uint8)


def _fitted(width: int, height: int, side: int | None) -> tuple[int, int]:
    if side is None or min(width, height) <= side:
        return width, height
    scale = Fraction(side, min(width, height))
    return max(side, round(width * scale)), max(side, round(height * scale))
