import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Sound
from embed_assets.media.recordings.decode_sound import decode_sound, is_silent, sound_windows
from embed_assets.media.recordings.sample_buffer import Tape
from embed_assets.media.recordings.time_windows import spans
from tests.media.made import clip_file, sound_file, tone

LIMITS = Limits()
RATE = 16000


def decoded(data: bytes, rate: int = RATE) -> Sound:
    sound = decode_sound(data, rate=rate, limits=LIMITS)
    assert sound is not None
    return sound


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(MediaError) as caught:
        decode_sound(data, rate=RATE, limits=limits)
    return caught.value.reason


def loudest_hertz(sound: Sound) -> float:
    return float(np.abs(np.fft.rfft(sound.samples)).argmax()) / sound.seconds


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("wav", "pcm_f32le"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("ogg", "libopus"),
        ("ipod", "aac"),
        ("matroska", "flac"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_every_kind_gives_the_same_tone_and_length(kind: str, codec: str, layout: str) -> None:
    data = sound_file(tone(2.0, rate=48000), kind=kind, codec=codec, rate=48000, layout=layout)
    sound = decoded(data)
    assert sound.samples.dtype == np.float32
    assert sound.samples.ndim == 1
    assert sound.rate == RATE
    assert sound.seconds == pytest.approx(2.0, abs=1 / RATE)
    assert loudest_hertz(sound) == pytest.approx(440, abs=1)
    middle = sound.samples[RATE // 2 : -RATE // 2]
    assert float(np.sqrt(np.mean(middle**2))) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)  # lossy kinds change it


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_more_channels_are_not_louder(layout: str) -> None:
    sound = decoded(sound_file(tone(1.0), layout=layout))
    assert float(np.abs(sound.samples).max()) == pytest.approx(0.5, abs=0.01)


def test_equal_samples_at_the_rate_of_the_file_are_not_changed() -> None:
    samples = tone(1.0, rate=RATE)
    sound = decoded(sound_file(samples, codec="pcm_f32le", rate=RATE))
    assert (sound.samples == samples).all()


def test_a_tone_above_half_the_rate_vanishes() -> None:
    sound = decoded(sound_file(tone(1.0, hertz=12000)))
    assert float(np.abs(sound.samples[1000:-1000]).max()) < 0.001


def sounding(sound: Sound) -> np.ndarray:
    """Seconds, to a tenth, in which there is a sound."""
    blocks = sound.samples[: len(sound.samples) // 1600 * 1600].reshape(-1, 1600)
    return np.flatnonzero(np.abs(blocks).max(axis=1) > 0.2) / 10


def test_a_track_that_begins_late_and_has_a_gap_keeps_its_times() -> None:
    late = decoded(clip_file(kind="matroska", sound=tone(0.5, rate=48000), sound_starts=(1.0,)))
    assert sounding(late)[0] == 1.0
    assert sounding(late)[-1] == 1.4
    gap = decoded(clip_file(kind="matroska", sound=tone(0.5, rate=48000), sound_starts=(0.0, 1.2)))
    assert {0.0, 0.4, 1.3, 1.5} <= set(sounding(gap))
    assert not {0.6, 0.7, 0.8, 0.9, 1.0, 1.1} & set(sounding(gap))


def test_the_padding_of_the_last_block_is_cut_off() -> None:
    assert decoded(clip_file(20, sound=tone(2.0, rate=48000))).seconds == 2.0


def test_a_video_without_sound_has_none() -> None:
    assert decode_sound(clip_file(), rate=RATE, limits=LIMITS) is None


def test_what_is_no_sound_has_a_reason() -> None:
    assert reason(b"words, not sound") == "unsupported audio"
    assert reason(b"") == "unsupported audio"
    assert reason(b"RIFF\x08\x00\x00\x00WAVEfmt ") == "broken audio"
    assert reason(b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(500)) == "broken audio"


def test_a_file_cut_in_half_is_broken_or_partial() -> None:
    for kind, codec in [("wav", "pcm_s16le"), ("flac", "flac"), ("ipod", "aac"), ("matroska", "libopus")]:
        data = sound_file(tone(4.0, rate=48000), kind=kind, codec=codec, rate=48000)
        assert reason(data[: len(data) // 2]) in ("partial audio", "broken audio"), kind


def test_a_wav_that_was_streamed_does_not_know_its_size() -> None:
    data = sound_file(tone(1.0))
    assert decoded(data[:4] + b"\xff\xff\xff\xff" + data[8:]).seconds == 1.0


def test_sounds_over_the_limit_are_refused() -> None:
    assert reason(sound_file(tone(3.0)), Limits(max_seconds=2)) == "too long"


def test_samples_that_are_no_numbers_are_refused() -> None:
    samples = tone(1.0)
    samples[500] = np.nan
    assert reason(sound_file(samples, codec="pcm_f32le")) == "broken audio"


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "other.wav"
    secret.write_bytes(sound_file(tone(1.0)))
    assert reason(f"ffconcat version 1.0\nfile '{secret}'\n".encode()) == "unsupported audio"
    assert reason(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n".encode()) == "unsupported audio"


def test_the_standard_library_agrees_on_a_wav() -> None:
    samples = (np.arange(8000) % 200 * 100).astype("<i2")
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    assert (decoded(out.getvalue(), 8000).samples == samples / np.float32(32768)).all()


def windows_of(samples: np.ndarray, blocks: int = 1, **given: float | None) -> list[tuple[float, float, Sound]]:
    tape = Tape(iter(np.array_split(samples, blocks)))
    return list(sound_windows(tape, rate=10, **{"hop_seconds": None, **given}))  # type: ignore[arg-type]


@pytest.mark.parametrize("blocks", [1, 7, 100])
def test_windows_cover_the_sound_however_it_comes(blocks: int) -> None:
    samples = np.arange(100, dtype=np.float32)
    windows = windows_of(samples, blocks, window_seconds=3, minimum=1)
    assert [(start, end) for start, end, _ in windows] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert (np.concatenate([part.samples for _, _, part in windows]) == samples).all()
    joined = windows_of(samples, blocks, window_seconds=3, minimum=1.5)
    assert [(start, end) for start, end, _ in joined] == [(0, 3), (3, 6), (6, 9), (7, 10)]
    assert [list(part.samples[[0, -1]]) for _, _, part in joined] == [[0, 29], [30, 59], [60, 89], [70, 99]]


@pytest.mark.parametrize("length", [1, 29, 30, 31, 44, 45, 59, 60, 61, 75, 90, 91])
@pytest.mark.parametrize("hop", [None, 1.0, 2.5, 4.0])
def test_windows_made_while_a_sound_is_decoded_are_those_of_the_whole(length: int, hop: float | None) -> None:
    samples = np.arange(length, dtype=np.float32)
    windows = windows_of(samples, length, window_seconds=3, hop_seconds=hop, minimum=1.5)
    wanted = spans(0.0, length / 10, window=3, hop=hop, minimum=1.5, longer=False)
    assert [(start, end) for start, end, _ in windows] == wanted
    for start, end, part in windows:
        assert (part.samples == samples[round(start * 10) : round(end * 10)]).all()


def test_silence_is_below_60_db_in_every_half_second() -> None:
    assert is_silent(Sound(np.zeros(RATE, np.float32), RATE))
    assert is_silent(Sound(np.zeros(0, np.float32), RATE))
    assert is_silent(Sound(tone(1.0, rate=RATE, level=0.0009), RATE))
    assert not is_silent(Sound(tone(1.0, rate=RATE, level=0.01), RATE))
    assert is_silent(Sound(tone(1.0, rate=RATE, level=0.01), RATE), threshold_db=-40)
    word = np.concatenate([np.zeros(RATE * 60, np.float32), tone(0.3, rate=RATE, level=0.005)])
    assert not is_silent(Sound(word, RATE))
