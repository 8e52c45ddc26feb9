"""sound_tape: decode the sound of a music or video file to mono samples, cut it to windows, detect silence."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Sound
from embed_assets.media.recordings.audio_track import Track
from embed_assets.media.recordings.container import (
    CONVERT,
    COPY,
    check_whole,
    container_end,
    counts_packets,
    declared_end,
    declares_length,
    frames_of,
    open_container,
    origin_of,
    picture_stream,
    sound_stream,
)
from embed_assets.media.recordings.sample_buffer import Tape
from embed_assets.media.recordings.time_windows import spans


def sound_tape(data: bytes, *, rate: int, limits: Limits) -> Tape:
    """Return the sound at `rate` Hz, the mean of its channels, decoded on demand; empty without a sound track.

    Sample 0 is the first of a sound file, and of a video the start of the file: where its sound begins later, and
    where time stamps leave a gap, the samples are zero. A truncated mp3 can't be detected and is decoded as it is.
    Reading it raises MediaError alone: "unsupported audio",
    "broken audio", "partial audio", "too long", "too many channels" or "out of memory".
    """
    return Tape(_blocks(data, rate, limits))


def decode_sound(data: bytes, *, rate: int, limits: Limits) -> Sound | None:
    """Return the whole sound, as `sound_tape` decodes it; None where the file has no sound track."""
    tape = sound_tape(data, rate=rate, limits=limits)
    tape.read_on()
    return Sound(tape.between(0, tape.end), rate) if tape.end else None


def sound_windows(
    tape: Tape, *, rate: int, window_seconds: float | None, hop_seconds: float | None, minimum: float
) -> Iterator[tuple[float, float, Sound]]:
    """Yield start, end (in seconds) and samples of each window, cut on the sound's grid, as soon as it is decoded.

    The rest after the last window is a window too if it has `minimum` seconds, else a last window of full length ends
    with the sound: no window is longer than the encoder's input.
    """
    count, step = 0, hop_seconds or window_seconds
    while window_seconds is not None and step is not None:
        # The end of the sound changes its last window at most.
        if not tape.reaches(round(((count + 1) * step + window_seconds) * rate) + 1):
            break
        yield _part(tape, rate, count * step, count * step + window_seconds)
        count += 1
    tape.read_on()
    seconds = tape.end / rate
    parts = spans(0.0, seconds, window=window_seconds, hop=hop_seconds, minimum=minimum, longer=False)
    yield from (_part(tape, rate, start, end) for start, end in parts[count:])


def sound_between(tape: Tape, rate: int, start: float, end: float) -> Sound:
    """Return the samples between two times, in seconds."""
    return Sound(tape.between(max(0, round(start * rate)), max(0, round(end * rate))), rate)


def is_silent(sound: Sound, threshold_db: float = -60.0) -> bool:
    """Return whether no half second reaches the threshold: dB of the root mean square, 0 at full scale."""
    step = max(1, sound.rate // 2)
    blocks = (sound.samples[at : at + step] for at in range(0, len(sound.samples), step))
    power = max((float(np.mean(np.square(block, dtype=np.float64))) for block in blocks), default=0.0)
    return power < 10 ** (threshold_db / 10)


def _part(tape: Tape, rate: int, start: float, end: float) -> tuple[float, float, Sound]:
    return start, end, sound_between(tape, rate, start, end)


def _blocks(data: bytes, rate: int, limits: Limits) -> Iterator[np.ndarray]:
    """Yield all samples, none where there is no sound track."""
    _check_riff(data)
    with open_container(data, "audio") as container:
        stream = sound_stream(container)
        if stream is None:
            return
        origin = origin_of(container) if picture_stream(container) is not None else None
        end = container_end(container) if declares_length(container) else None  # an estimate cuts nothing off
        track = Track(rate, limits, origin=origin, end=end, gaps=not counts_packets(container))
        samples = 0
        for block in track.whole(_tracked(track, frames_of(container, stream))):
            samples += len(block)
            yield block
        check_whole(track.decoded_until, declared_end(container, stream), "audio")
        if not samples:
            raise MediaError("broken audio", f"its sound track is announced and has no samples; {COPY}")


def _tracked(track: Track, frames: Iterator[Any]) -> Iterator[np.ndarray]:
    for frame in frames:
        yield from track.blocks(frame)
    yield from track.rest()


def _check_riff(data: bytes) -> None:
    """Refuse a truncated wav or avi, which FFmpeg takes for a shorter one. Sizes near 2**31 and 2**32 mean unknown."""
    size = int.from_bytes(data[4:8], "little") + 8
    cut = len(data) * 20 < size * 19 and size < 0x7FFF_0000
    if data[:4] == b"RIFF" and data[8:12] in (b"WAVE", b"AVI ") and cut:
        hint = f"{COPY}, or keep what is left: {CONVERT['audio']}"
        raise MediaError("partial audio", f"{len(data):,} bytes, by its header {size:,}; {hint}")
