"""Sounds of any number of channels are the mean of these."""

import numpy as np
import pytest

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.recordings.decode_sound import decode_sound
from embed_assets.media.recordings.mono_mix import Mono
from tests.hostile import wav
from tests.media.made import sound_file, tone

RATE = 16000
LEVELS = np.linspace(1000, 20000, 512)


def of_levels(channels: int, *, rate: int = RATE, samples: int = 3200) -> bytes:
    """Each channel a tone, each at another level."""
    wave = np.sin(2 * np.pi * 440 * np.arange(samples) / rate)
    return wav((wave[:, None] * LEVELS[:channels]).astype("<i2").tobytes(), rate=rate, channels=channels)


def decoded(data: bytes, rate: int = RATE) -> np.ndarray:
    sound = decode_sound(data, rate=rate, limits=Limits())
    assert sound is not None
    return sound.samples


@pytest.mark.parametrize("channels", [1, 2, 5, 6, 7, 8, 9, 10, 12, 16, 32, 63, 64, 65, 100, 300])
def test_a_sound_is_the_mean_of_its_channels(channels: int) -> None:
    samples = decoded(of_levels(channels))
    assert len(samples) == 3200
    assert float(samples.max()) == pytest.approx(LEVELS[:channels].mean() / 32768, rel=0.001)


@pytest.mark.parametrize("channels", [2, 8, 64, 100])
def test_another_rate_changes_neither_length_nor_level(channels: int) -> None:
    samples = decoded(of_levels(channels, rate=44100, samples=44100))
    assert len(samples) == RATE
    assert float(samples[1000:-1000].max()) == pytest.approx(LEVELS[:channels].mean() / 32768, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("ogg", "libopus"), ("matroska", "aac"), ("mov", "aac")]
)
def test_every_kind_of_file_may_have_eight_channels(kind: str, codec: str) -> None:
    data = sound_file(tone(1.0, rate=48000), kind=kind, codec=codec, rate=48000, layout="7.1")
    assert float(np.abs(decoded(data)[1000:-1000]).max()) == pytest.approx(0.5, abs=0.05)


def test_all_ways_of_writing_a_sample_have_the_same_level_where_ffmpeg_does_not_mix() -> None:
    from av import AudioFrame

    kinds = {"s16": "<i2", "s32": "<i4", "u8": "u1", "flt": "<f4", "dbl": "<f8"}
    for name, dtype in kinds.items():
        whole = np.dtype(dtype).kind in "iu"
        scale = 2.0 ** (np.dtype(dtype).itemsize * 8 - 1) if whole else 1.0
        values = np.full((1, 65 * 160), 0.5 * scale + (128 if name == "u8" else 0)).astype(dtype)
        frame = AudioFrame.from_ndarray(values, format=name, layout="65 channels")
        frame.sample_rate = RATE
        mono = Mono(RATE)
        samples = np.concatenate([*mono.blocks(frame), *mono.rest()])
        assert samples == pytest.approx(0.5, abs=0.001), name


def test_a_sample_a_second_is_decoded_in_small_parts_that_are_what_the_whole_is() -> None:
    from av import AudioFrame

    def frame(channels: int) -> AudioFrame:
        values = (np.sin(np.arange(2000)) * 10000).astype("<i2").repeat(channels)[None]
        made = AudioFrame.from_ndarray(values, format="s16", layout=f"{channels} channels")
        made.sample_rate = 1
        return made

    for channels in (3, 70, 1):
        mono = Mono(8000)
        blocks = [*mono.blocks(frame(channels)), *mono.rest()]
        assert max(map(len, blocks)) < 5_000_000 / (channels if channels <= 64 else 1)
        assert sum(map(len, blocks)) == 2000 * 8000
    whole = Mono(4000)  # in one part
    assert np.concatenate([*whole.blocks(frame(1)), *whole.rest()])[::4000] == pytest.approx(
        np.concatenate(blocks)[::8000], abs=0.02
    )


def test_more_channels_apart_than_can_be_mixed_have_a_reason() -> None:
    from av import AudioFrame

    frame = AudioFrame(format="fltp", layout="65 channels", samples=16)
    frame.sample_rate = RATE
    with pytest.raises(MediaError) as caught:
        list(Mono(RATE).blocks(frame))
    assert caught.value.reason == "too many channels"
