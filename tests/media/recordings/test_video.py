from typing import Any

import numpy as np
import pytest

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Clip
from embed_assets.media.recordings.scene_cuts import scene_cuts
from embed_assets.media.recordings.video_clips import decode_clips
from tests.media.made import clip_file, level_frame, sound_file, tone, transparent_file, video_file

LIMITS = Limits()


def clips(data: bytes, **given: Any) -> list[tuple[float, float, Clip]]:
    options = {"frames": 4, "clip_seconds": None, "sound_rate": None, "side": None, "limits": LIMITS}
    return list(decode_clips(data, **{**options, **given}))


def reason(data: bytes, **given: Any) -> str:
    with pytest.raises(MediaError) as caught:
        clips(data, **given)
    return caught.value.reason


def levels(clip: Clip) -> list[int]:
    """Which frames of `clip_file` a clip has."""
    return [round(float(each) / 10) for each in clip.frames.mean(axis=(1, 2, 3))]


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "libx264"), ("webm", "libvpx"), ("matroska", "libx264")])
def test_frames_are_those_on_screen_at_the_middle_of_equal_parts(kind: str, codec: str) -> None:
    ((start, end, clip),) = clips(clip_file(kind=kind, codec=codec))
    assert start == 0
    assert end == pytest.approx(2, abs=0.1)
    assert clip.frames.shape == (4, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.times.dtype == np.float64
    # Where the file does not say how long its last frame lasts, the middles lie a little earlier.
    assert levels(clip) == ([2, 7, 12, 17] if kind == "mp4" else [2, 7, 11, 16])
    assert list(clip.times) == [level / 10 for level in levels(clip)]


def test_clips_of_equal_length_are_taken_in_one_pass() -> None:
    found = clips(clip_file(), clip_seconds=1, frames=2)
    assert [(start, end) for start, end, _ in found] == [(0, 1), (1, 2)]
    assert [levels(clip) for _, _, clip in found] == [[2, 7], [12, 17]]


def test_time_stamps_count_and_not_numbers_of_frames() -> None:
    times = [0, 100, 200, 300, 400, 500, 600, 1600, 2600, 3600]
    data = video_file([level_frame(20 * number) for number in range(10)], times, kind="matroska")
    ((_, end, clip),) = clips(data)
    assert end == pytest.approx(3.6, abs=0.2)
    assert list(clip.times) == [0.4, 0.6, 1.6, 2.6]  # middles 0.45, 1.35, 2.25, 3.15
    assert [round(value / 2) for value in levels(clip)] == [4, 6, 7, 8]


def test_a_video_that_begins_late_keeps_its_times() -> None:
    data = video_file([level_frame(10 * n) for n in range(10)], [1500 + 100 * n for n in range(10)], kind="matroska")
    ((start, end, clip),) = clips(data, frames=2)
    assert start == 1.5
    assert end == pytest.approx(2.5, abs=0.1)
    assert list(clip.times) == [1.7, 2.2] or list(clip.times) == [1.7, 2.1]


def corner() -> np.ndarray:
    """White at the top left, 64 x 48."""
    picture = level_frame(0)
    picture[:16, :16] = 255
    return picture


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_frames_come_out_upright(rotation: int) -> None:
    data = video_file([corner()] * 5, [0, 100, 200, 300, 400], rotation=rotation)
    ((_, _, clip),) = clips(data, frames=1)
    turned = np.rot90(corner(), k=rotation // 90)  # the display matrix turns against the clock
    assert clip.frames[0].shape == turned.shape
    assert np.abs(clip.frames[0].astype(int) - turned).mean() < 5


def test_frames_are_made_small_but_never_larger() -> None:
    data = video_file([level_frame(9, (320, 180))] * 3, [0, 100, 200])
    assert clips(data, side=90)[0][2].frames.shape == (4, 90, 160, 3)
    assert clips(data, side=900)[0][2].frames.shape == (4, 180, 320, 3)
    turned = video_file([level_frame(9, (320, 180))] * 3, [0, 100, 200], rotation=90)
    assert clips(turned, side=90)[0][2].frames.shape == (4, 160, 90, 3)


def test_clips_have_the_sound_of_their_seconds() -> None:
    sound = np.concatenate([tone(1, rate=48000, hertz=300), tone(1, rate=48000, hertz=900)])
    found = clips(clip_file(sound=sound), clip_seconds=1, sound_rate=16000)
    pitches = []
    for _, _, clip in found:
        assert clip.sound is not None
        assert clip.sound.rate == 16000
        assert clip.sound.seconds == 1.0
        pitches.append(int(np.abs(np.fft.rfft(clip.sound.samples)).argmax()))
    assert pitches == [pytest.approx(300, abs=2), pytest.approx(900, abs=2)]
    assert all(clip.sound is None for _, _, clip in clips(clip_file(), sound_rate=16000))


def test_one_frame_fills_a_clip() -> None:
    ((_, _, clip),) = clips(video_file([level_frame(100)], [0]))
    assert len(set(clip.times)) == 1
    assert clip.frames.shape == (4, 48, 64, 3)


def test_only_sound_is_no_picture() -> None:
    for kind, codec in [("mp4", "aac"), ("ogg", "libopus"), ("wav", "pcm_s16le")]:
        assert reason(sound_file(tone(1, rate=48000), kind=kind, codec=codec, rate=48000)) == "no picture"


def test_what_is_no_video_has_a_reason() -> None:
    assert reason(b"words") == "unsupported video"
    assert reason(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom") == "broken video"


def noisy(count: int = 60) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)]


def test_a_file_cut_in_half_is_broken_or_partial() -> None:
    times = [100 * number for number in range(60)]
    whole = video_file(noisy(), times)
    assert reason(whole[: len(whole) // 2]) == "broken video"  # its index is at the end
    webm = video_file(noisy(), times, kind="webm", codec="libvpx")
    assert reason(webm[: len(webm) // 2]) == "partial video"


def test_damage_never_raises_anything_but_media_errors() -> None:
    data = video_file(noisy(), [100 * number for number in range(60)], sound=tone(6, rate=48000))
    random = np.random.default_rng(1)
    for _ in range(30):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = random.integers(0, len(data), 200)
        damaged[places] = random.integers(0, 255, 200)
        try:
            ((_, _, clip),) = clips(damaged.tobytes(), sound_rate=8000)
        except MediaError:
            continue
        assert len(clip.frames) == 4


def test_limits_hold() -> None:
    data = clip_file()
    assert reason(data, limits=Limits(max_seconds=1)) == "too long"
    assert reason(data, limits=Limits(max_pixels=64 * 48 - 1)) == "too many pixels"
    assert reason(data, limits=Limits(max_frames=7), clip_seconds=1) == "too many frames"
    large = video_file([level_frame(9, (640, 480))] * 3, [0, 100, 200])
    assert reason(large, limits=Limits(decode_megabytes=1)) == "too many frames"


def shots() -> bytes:
    """Three shots of noise around one level, cut at 2.0 and 3.5 s."""
    random = np.random.default_rng(0)
    levels = [30] * 20 + [120] * 15 + [210] * 15
    pictures = [random.integers(level - 30, level + 30, (48, 64, 3)).astype(np.uint8) for level in levels]
    return video_file(pictures, [100 * number for number in range(50)])


def test_cuts_are_found_where_they_are() -> None:
    assert scene_cuts(shots()) == [2.0, 3.5]
    assert scene_cuts(shots(), minimum=1.9) == [2.0]
    assert scene_cuts(video_file(noisy(20), [100 * number for number in range(20)])) == []


def test_clips_end_at_cuts_and_at_their_longest() -> None:
    found = clips(shots(), by_scene=True)
    assert [(start, end) for start, end, _ in found] == [(0, 2.0), (2.0, 3.5), (3.5, pytest.approx(5.0, abs=0.1))]
    assert [round(clip.frames.mean() / 90) for _, _, clip in found] == [0, 1, 2]
    found = clips(shots(), by_scene=True, clip_seconds=1.0)
    assert [start for start, _, _ in found] == [0, 1, 2, 3, 3.5]  # 3.0 to 3.5 and 4.5 to 4.9: one is kept, one joins


def test_broadcast_time_stamps_count_from_the_start_of_the_file() -> None:
    found = clips(clip_file(kind="mpegts", sound=tone(2, rate=48000)), clip_seconds=1, sound_rate=16000)
    assert [round(start, 1) for start, _, _ in found] == [0, 1]
    assert [levels(clip) for _, _, clip in found] == [[1, 3, 6, 8], [11, 13, 16, 18]]
    assert all(clip.sound is not None and clip.sound.seconds > 0.9 for _, _, clip in found)


def test_overlapping_clips_share_frames() -> None:
    found = clips(clip_file(), clip_seconds=1, hop_seconds=0.5, frames=2)
    assert [(start, end) for start, end, _ in found] == [(0, 1), (0.5, 1.5), (1, 2)]
    assert [levels(clip) for _, _, clip in found] == [[2, 7], [7, 12], [12, 17]]


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparent_pixels_of_a_video_show_the_background(codec: str) -> None:
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, :32] = (200, 0, 0, 255)  # the left half is red, the right half is clear
    data = transparent_file(picture, codec)
    ((_, _, clip),) = clips(data, frames=2, alpha=True, limits=Limits(background=(10, 120, 240)))
    assert clip.frames.shape == (2, 48, 64, 3)
    assert np.abs(clip.frames[:, :, :28].astype(int) - (200, 0, 0)).max() < 12
    assert np.abs(clip.frames[:, :, 36:].astype(int) - (10, 120, 240)).max() < 12
    ((_, _, before),) = clips(data, frames=2, limits=Limits(background=(10, 120, 240)))
    assert before.frames[:, :, 36:].max() < 40  # what versions made before are fed still


def test_half_transparent_pixels_are_mixed_and_shrunk_frames_are_too() -> None:
    picture = np.full((96, 128, 4), (255, 255, 255, 128), np.uint8)
    ((_, _, clip),) = clips(
        transparent_file(picture, "libvpx-vp9"), frames=1, side=48, alpha=True, limits=Limits(background=(0, 0, 0))
    )
    assert clip.frames.shape == (1, 48, 64, 3)
    assert np.abs(clip.frames.astype(int) - 128).max() < 12
