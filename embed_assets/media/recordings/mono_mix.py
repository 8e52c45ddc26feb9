"""Mono: frames of sound with any number of channels, as the mean of these at one rate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.errors import MediaError
from embed_assets.media.recordings.container import CONVERT

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_PLANES = 7  # PyAV reads beyond the eighth plane of a frame, which crashes the process
_RESAMPLED = 64  # channels at most, of FFmpeg's resampler
_MIXED = "mix them, for instance by ffmpeg -i IN -ac 2 OUT.flac"
_AT_ONCE = 4_000_000  # samples from one call of the resampler: a second of a wav of 1 Hz becomes 16,000


class Mono:
    """A mixer to mono blocks of float32, (n,). FFmpeg's own makes stereo 1.41 times as loud."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler: Any = None
        self._source: object = None

    def blocks(self, frame: "AudioFrame") -> Iterator[np.ndarray]:
        """Yield the samples of a frame, after those that the resampler has buffered."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            yield from self.rest()
            self._resampler, self._source = _resampler(frame, self._rate), source
        for piece in _pieces(frame, self._rate):
            yield from _means(self._resampler.resample(piece))

    def rest(self) -> Iterator[np.ndarray]:
        """Yield the samples that the resampler has buffered, at the end or before a gap."""
        if self._resampler is not None:
            last, self._resampler, self._source = self._resampler, None, None
            yield from _means(last.resample(None))


def _resampler(frame: "AudioFrame", rate: int) -> Any:
    from av import AudioResampler

    channels = frame.layout.nb_channels
    if channels > _RESAMPLED:
        return AudioResampler(format="fltp", layout="mono", rate=rate)
    return AudioResampler(format="fltp" if channels <= _PLANES else "flt", rate=rate)


def _means(frames: "list[AudioFrame]") -> Iterator[np.ndarray]:
    for frame in frames:
        channels = _channels(frame)
        block = channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float32)
        if not np.isfinite(block).all():
            raise MediaError("broken audio", f"samples that are no numbers; {CONVERT['audio']}")
        yield block


def _channels(frame: "AudioFrame") -> np.ndarray:
    """Return the samples, (channels, n)."""
    count = frame.layout.nb_channels
    if not frame.format.is_planar:
        return frame.to_ndarray().reshape(-1, count).T
    if count > _PLANES:
        raise MediaError("too many channels", f"{count:,}, in a codec that keeps them apart; {_MIXED}")
    return frame.to_ndarray()


def _pieces(frame: "AudioFrame", rate: int) -> "Iterator[AudioFrame]":
    """Yield the frame in parts that the resampler can take, mixed to mono where it has too many channels."""
    count = frame.layout.nb_channels
    most = max(1, int(_AT_ONCE * frame.sample_rate / rate / count))
    if count > _RESAMPLED:
        mixed = _scaled(_channels(frame)).mean(axis=0, dtype=np.float32)
        yield from (_framed(mixed[None, at : at + most], frame, "fltp", "mono") for at in range(0, len(mixed), most))
    elif frame.samples <= most or (frame.format.is_planar and count > _PLANES):
        yield frame
    else:
        yield from _cut(frame, most)


def _cut(frame: "AudioFrame", most: int) -> "Iterator[AudioFrame]":
    samples, count = frame.to_ndarray(), frame.layout.nb_channels
    step = most if frame.format.is_planar else most * count
    for at in range(0, samples.shape[1], step):
        yield _framed(samples[:, at : at + step], frame, frame.format.name, frame.layout.name)


def _framed(samples: np.ndarray, like: "AudioFrame", format: str, layout: str) -> "AudioFrame":
    from av import AudioFrame

    mixed = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=format, layout=layout)
    mixed.sample_rate = like.sample_rate
    return mixed


def _scaled(channels: np.ndarray) -> np.ndarray:
    """Scale whole numbers to [-1, 1), as FFmpeg does."""
    if channels.dtype.kind == "f":
        return channels
    bits = channels.dtype.itemsize * 8 - 1
    middle = 128 if channels.dtype.kind == "u" else 0
    return (channels.astype(np.float64) - middle) / 2.0**bits
