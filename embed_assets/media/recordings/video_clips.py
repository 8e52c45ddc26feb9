"""decode_clips: frames and sound of a video's clips, selected by time stamp in one pass."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Clip, Sound
from embed_assets.media.recordings.decode_sound import sound_between, sound_tape
from embed_assets.media.recordings.frames_at_times import frames_at
from embed_assets.media.recordings.sample_buffer import Tape
from embed_assets.media.recordings.scene_cuts import scene_cuts
from embed_assets.media.recordings.time_windows import spans
from embed_assets.media.recordings.video_extent import Extent, extent_of


def decode_clips(
    data: bytes,
    *,
    frames: int,
    clip_seconds: float | None,
    sound_rate: int | None,
    side: int | None,
    limits: Limits,
    hop_seconds: float | None = None,
    by_scene: bool = False,
    alpha: bool = False,
) -> Iterator[tuple[float, float, Clip]]:
    """Yield start, end (seconds from the start of the file) and content of each clip, one by one.

    A clip has `clip_seconds`, the last one from half to one and a half times that; None makes the
    whole video one clip. With `by_scene` it ends at each cut as well. Its frames are those on screen
    at the middle of each of `frames` equal parts, upright, the shorter side at most `side` pixels.
    With a `sound_rate` it has the sound of the same seconds, if the file has any. With `alpha` clear pixels of VP8 and
    VP9 show the background; without, they are mostly black.

    Raises MediaError alone: "no picture", "unsupported video", "broken video", "partial video",
    "too long", "too many pixels", "too many frames", "out of memory", or a reason of sound_tape.
    """
    extent = extent_of(data, limits)
    edges = [extent.start, *(scene_cuts(data, extent=extent) if by_scene else ()), extent.end]
    parts = [
        span
        for start, end in pairwise(edges)
        for span in spans(start, end, window=clip_seconds, hop=hop_seconds, minimum=(clip_seconds or 0) / 2)
    ]
    if len(parts) * frames > limits.max_frames:
        problem = f"{len(parts):,} clips of {frames}; the limit max_frames is {limits.max_frames:,}"
        raise MediaError("too many frames", f"{problem}: raise it, or make clips longer")
    ticks = [_middles(part, frames, extent) for part in parts]
    unique_ticks = sorted({tick for each in ticks for tick in each})
    shown_at = frames_at(data, unique_ticks, extent, side=side, alpha=alpha, limits=limits)
    tape = Tape(iter(())) if sound_rate is None else sound_tape(data, rate=sound_rate, limits=limits)
    for part, each in zip(parts, ticks, strict=True):
        pictures, times = np.stack([shown_at[tick][1] for tick in each]), np.array([shown_at[tick][0] for tick in each])
        yield *part, Clip(pictures, times, _sound_of(tape, sound_rate or 1, *part))
    tape.run_out()


def _middles(part: tuple[float, float], frames: int, extent: Extent) -> list[int]:
    """Return the middles of equal parts, in ticks, so that comparisons are exact and rarely hit a frame's start."""
    start, end = extent.ticks(part[0]), extent.ticks(part[1])
    return [start + (2 * number + 1) * (end - start) // (2 * frames) for number in range(frames)]


def _sound_of(tape: Tape, rate: int, start: float, end: float) -> Sound | None:
    part = sound_between(tape, rate, start, end)
    return part if len(part.samples) else None
