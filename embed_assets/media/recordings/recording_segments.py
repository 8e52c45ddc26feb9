"""sound_segments and clip_segments: the parts of a sound or a video that get a vector each."""

import json
from collections.abc import Iterator
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.hashing import text_hash
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Segment
from embed_assets.media.recordings.decode_sound import is_silent, sound_tape, sound_windows
from embed_assets.media.recordings.video_clips import decode_clips
from embed_assets.media.sampling import Sampling


def sound_segments(
    data: bytes, *, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """Yield the windows of a sound or of a video's sound track that are not silent, each as soon as it is decoded.

    Raises MediaError "no sound", "silent", or a reason of sound_tape, also after some windows.
    """
    if sampling.sample_rate is None:
        raise MediaError("unsupported kind", "no sample_rate: this encoder takes no sound")
    tape = sound_tape(data, rate=sampling.sample_rate, limits=limits)
    if not tape.reaches(1):
        raise MediaError("no sound", "it has no sound track, and this encoder takes sounds alone")
    windows = sound_windows(
        tape,
        rate=sampling.sample_rate,
        window_seconds=sampling.window_seconds,
        hop_seconds=sampling.hop_seconds,
        minimum=(sampling.window_seconds or 0) / 2,
    )
    make, count = _maker("window", caption, media_hash, sampling), 0
    for start, end, part in windows:
        if not is_silent(part):
            count += 1
            yield make(start, end, part)
    if not count:
        raise MediaError("silent", f"{tape.end / sampling.sample_rate:.1f} s, of which no half second reaches -60 dB")


def clip_segments(
    data: bytes, *, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """Yield the clips of a video, silent or not. Raises MediaError with a reason of decode_clips, also after some."""
    if sampling.frames is None:
        raise MediaError("unsupported kind", "no number of frames: this encoder takes no video")
    clips = decode_clips(
        data,
        frames=sampling.frames,
        clip_seconds=sampling.window_seconds,
        hop_seconds=sampling.hop_seconds,
        sound_rate=sampling.sample_rate if sampling.with_sound else None,
        side=sampling.side,
        by_scene=sampling.by_scene,
        alpha=sampling.alpha,
        limits=limits,
    )
    make = _maker("clip", caption, media_hash, sampling)
    yield from (make(start, end, clip) for start, end, clip in clips)


def video_segments(
    data: bytes, *, caption: str | None, media_hash: str, sampling: Sampling, limits: Limits
) -> Iterator[Segment]:
    """Return the clips of a video, or the windows of its sound track where the encoder takes sounds alone."""
    cut = sound_segments if sampling.frames is None else clip_segments
    return cut(data, caption=caption, media_hash=media_hash, sampling=sampling, limits=limits)


def _maker(kind: str, caption: str | None, media_hash: str, sampling: Sampling) -> Any:
    identity = sampling.identity()

    def make(start: float, end: float, payload: object) -> Segment:
        first, last = round(start * 1000), round(end * 1000)
        digest = text_hash(json.dumps([media_hash, kind, first, last, identity], sort_keys=True))
        return Segment(kind=kind, start=first, end=last, text=caption, content_hash=digest, payload=payload)

    return make
