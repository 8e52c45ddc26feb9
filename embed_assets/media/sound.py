"""decode_sound: the sound of a music or video file as mono samples; its windows; whether it is silent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.container import (
    check_length,
    check_whole,
    container_end,
    declared_end,
    declares_length,
    frames_of,
    opened,
    origin_of,
    picture_stream,
    sound_stream,
)
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Sound
from embed_assets.media.spans import spans

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_GAP = 0.02  # seconds between two packets that are more than rounding
_PADDING = 0.1  # seconds of an encoder's last block that are beyond the end of the file


def decode_sound(data: bytes, *, rate: int, limits: Limits) -> Sound | None:
    """The whole sound at `rate` Hz: the mean of its channels; None where the file has no sound track.

    Sample 0 is the first of a sound file, and of a video the start of the file: where its sound
    begins later, and where time stamps leave a gap, the samples are zero. An mp3 cut short does not
    show it and gives what is there. Raises MediaError alone: "unsupported audio", "broken audio",
    "partial audio", "too long" or "out of memory".
    """
    _check_riff(data)
    with opened(data, "audio") as container:
        stream = sound_stream(container)
        if stream is None:
            return None
        origin = origin_of(container) if picture_stream(container) is not None else None
        end = container_end(container) if declares_length(container) else None  # an estimate cuts nothing off
        track = _Track(rate, limits, origin=origin, end=end)
        for frame in frames_of(container, stream):
            track.add(frame)
        track.finish()
        check_whole(track.decoded_until, declared_end(container, stream), "audio")
        return Sound(track.samples(), rate)


def sound_windows(
    sound: Sound, *, window_seconds: float | None, hop_seconds: float | None, minimum: float
) -> list[tuple[float, float, Sound]]:
    """Start and end in seconds, and the samples between: views of the sound's, cut on its grid.

    The rest behind the last window is one too if it has `minimum` seconds, else a last window of full
    length ends where the sound does: no window is longer than an encoder hears.
    """
    found = spans(0.0, sound.seconds, window=window_seconds, hop=hop_seconds, minimum=minimum, longer=False)
    return [(start, end, sound_between(sound, start, end)) for start, end in found]


def sound_between(sound: Sound, start: float, end: float) -> Sound:
    """A view of the samples between two times, in seconds."""
    return Sound(sound.samples[max(0, round(start * sound.rate)) : max(0, round(end * sound.rate))], sound.rate)


def silent(sound: Sound, threshold_db: float = -60.0) -> bool:
    """True if no half second of it reaches the threshold: dB of the root mean square, 0 at full scale."""
    step = max(1, sound.rate // 2)
    blocks = (sound.samples[at : at + step] for at in range(0, len(sound.samples), step))
    power = max((float(np.mean(np.square(block, dtype=np.float64))) for block in blocks), default=0.0)
    return power < 10 ** (threshold_db / 10)


def _check_riff(data: bytes) -> None:
    """A wav cut short, which FFmpeg takes for a shorter one. Sizes near 2**31 and 2**32 mean unknown."""
    size = int.from_bytes(data[4:8], "little") + 8
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE" and len(data) * 20 < size * 19 and size < 0x7FFF_0000:
        raise MediaError("partial audio", f"{len(data):,} bytes; its header says {size:,}")


class _Track:
    """Samples at one rate, each frame's behind the last one's unless its time stamp leaves a gap."""

    def __init__(self, rate: int, limits: Limits, *, origin: float | None, end: float | None) -> None:
        self._rate = rate
        self._limits = limits
        self._origin = origin
        self._end = end
        self._expected = origin  # the time stamp that follows without a gap
        self._resampler: Any = None
        self._source: object = None
        self._length = 0
        known = min(end or 0.0, limits.max_seconds)
        self._buffer = np.zeros(int((known + 1) * rate), np.float32)
        self.decoded_until = 0.0  # a time stamp

    def add(self, frame: "AudioFrame") -> None:
        time = frame.time if frame.pts is not None else None
        if time is not None:
            self._place(time)
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            self._restart(source)
        self._append(self._resampler.resample(frame))
        begin = time if time is not None else self._expected or 0.0
        self._expected = begin + frame.samples / frame.sample_rate
        self.decoded_until = max(self.decoded_until, self._expected)

    def finish(self) -> None:
        """Takes what the resampler holds back, and the padding of an encoder's last block off the end."""
        self._flush()
        if self._end is None:
            return
        last = round((self._end - (self._origin or 0.0)) * self._rate)
        if last < self._length <= last + _PADDING * self._rate:
            self._length = last

    def samples(self) -> np.ndarray:
        if not self._length:
            raise MediaError("broken audio", "its sound track has no samples")
        return self._buffer[: self._length]

    def _place(self, time: float) -> None:
        """Leaves zeros where the time stamps have a gap; one that leads beyond the file's end is wrong."""
        if self._expected is None or self._origin is None:
            self._origin = self._expected = time
        elif time - self._expected > _GAP and (self._end is None or time <= self._end):
            self._flush()
            self._reserve(max(self._length, round((time - self._origin) * self._rate)))

    def _restart(self, source: object) -> None:
        """A new resampler, with the channels kept: FFmpeg's own way to mono makes stereo 1.41 times as loud."""
        from av import AudioResampler

        self._flush()
        self._source = source
        self._resampler = AudioResampler(format="fltp", rate=self._rate)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._append(self._resampler.resample(None))
            self._resampler = self._source = None

    def _append(self, frames: list["AudioFrame"]) -> None:
        for block in _mono(frames):
            start = self._length
            self._reserve(start + len(block))
            self._buffer[start : self._length] = block

    def _reserve(self, length: int) -> None:
        check_length(length / self._rate, "sound", self._limits.max_seconds)
        if length > len(self._buffer):
            larger = np.zeros(max(length, len(self._buffer) * 3 // 2), np.float32)
            larger[: self._length] = self._buffer[: self._length]
            self._buffer = larger
        self._length = length


def _mono(frames: list["AudioFrame"]) -> Iterator[np.ndarray]:
    for frame in frames:
        channels = frame.to_ndarray()
        block = channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float32)
        if not np.isfinite(block).all():
            raise MediaError("broken audio", "samples that are no numbers")
        yield block
