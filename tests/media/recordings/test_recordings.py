import importlib.metadata
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Segment
from embed_assets.media.recordings.recording_segments import clip_segments
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from tests.media.cutting import segments_of
from tests.media.made import clip_file, sound_file, tone, transparent_file

SOUNDS = Sampling(sample_rate=16000, window_seconds=1.0)
CLIPS = Sampling(frames=4, window_seconds=1.0, side=32)


def cut(data: bytes, modality: Any, sampling: Sampling | None, **given: Any) -> list[Segment]:
    return segments_of(
        data,
        modality=modality,
        caption="a caption",
        media_hash=content_hash(data),
        tokenizer=None,
        max_tokens=None,
        segmenting=Segmenting(),
        limits=Limits(),
        sampling=sampling,
        **given,
    )


def reason(*arguments: Any) -> str:
    with pytest.raises(MediaError) as caught:
        cut(*arguments)
    return caught.value.reason


def test_a_sound_becomes_windows_in_milliseconds() -> None:
    segments = cut(sound_file(tone(2.7)), "audio", SOUNDS)
    assert [(each.kind, each.start, each.end) for each in segments] == [
        ("window", 0, 1000),
        ("window", 1000, 2000),
        ("window", 2000, 2700),
    ]
    assert [each.payload.seconds for each in segments] == [1.0, 1.0, 0.7]
    assert {each.text for each in segments} == {"a caption"}
    assert len({each.content_hash for each in segments}) == 3


def test_silent_windows_are_left_out_and_a_silent_item_has_a_reason() -> None:
    samples = np.concatenate([tone(1), np.zeros(44100, np.float32), tone(1)])
    assert [each.start for each in cut(sound_file(samples), "audio", SOUNDS)] == [0, 2000]
    assert reason(sound_file(np.zeros(44100, np.float32)), "audio", SOUNDS) == "silent"


def test_a_video_becomes_clips() -> None:
    segments = cut(clip_file(), "video", CLIPS)
    assert [(each.kind, each.start, each.end) for each in segments] == [("clip", 0, 1000), ("clip", 1000, 2000)]
    assert segments[0].payload.frames.shape == (4, 32, 43, 3)
    assert segments[0].payload.sound is None
    with_sound = Sampling(frames=4, sample_rate=16000, with_sound=True)
    (segment,) = cut(clip_file(sound=tone(2, rate=48000)), "video", with_sound)
    assert segment.payload.sound.seconds == 2.0


def test_an_encoder_of_sounds_gets_a_videos_sound_track() -> None:
    segments = cut(clip_file(sound=tone(2, rate=48000)), "video", SOUNDS)
    assert [(each.kind, each.start) for each in segments] == [("window", 0), ("window", 1000)]
    assert reason(clip_file(), "video", SOUNDS) == "no sound"
    assert reason(clip_file(sound=np.zeros(96000, np.float32)), "video", SOUNDS) == "silent"


def test_what_an_encoder_does_not_take_is_unsupported() -> None:
    assert reason(sound_file(tone(1)), "audio", None) == "unsupported kind"
    assert reason(sound_file(tone(1)), "audio", CLIPS) == "unsupported kind"


def test_the_hash_follows_item_place_and_sampling() -> None:
    data = sound_file(tone(2))
    first = [each.content_hash for each in cut(data, "audio", SOUNDS)]
    assert first == [each.content_hash for each in cut(data, "audio", SOUNDS)]
    other = Sampling(sample_rate=8000, window_seconds=1.0)
    assert not set(first) & {each.content_hash for each in cut(data, "audio", other)}
    assert not set(first) & {each.content_hash for each in cut(sound_file(tone(2.001)), "audio", SOUNDS)}


def test_identity_names_settings_and_the_libraries_that_make_pixels_and_samples() -> None:
    assert importlib.metadata.version("av")
    assert {"sample_rate", "hop_seconds", "libswresample"} <= set(SOUNDS.identity())
    assert "libswscale" not in SOUNDS.identity()
    assert str(CLIPS.identity()["libswscale"]).count(".") == 2
    assert CLIPS.identity() != Sampling(frames=4, window_seconds=1.0).identity()


def test_samplings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="more than 0"):
        Sampling(frames=0)
    with pytest.raises(SettingsError, match="sample_rate"):
        Sampling(frames=4, with_sound=True)


def test_decoders_give_the_same_segments() -> None:
    video, sound = clip_file(sound=tone(2, rate=48000)), sound_file(tone(2))
    both = Sampling(frames=4, sample_rate=16000, with_sound=True, window_seconds=1.0)
    with Decoders() as decoders:
        for here, there in zip(cut(video, "video", both), cut(video, "video", both, decoders=decoders), strict=True):
            assert here.content_hash == there.content_hash
            assert (here.payload.frames == there.payload.frames).all()
            assert (here.payload.sound.samples == there.payload.sound.samples).all()
        assert [each.content_hash for each in cut(sound, "audio", SOUNDS, decoders=decoders)] == [
            each.content_hash for each in cut(sound, "audio", SOUNDS)
        ]
        with pytest.raises(MediaError) as caught:
            cut(b"words", "audio", SOUNDS, decoders=decoders)
        assert caught.value.reason == "unsupported audio"


def test_a_decoder_has_more_time_for_a_larger_file() -> None:
    limits = Limits(decode_seconds=10)
    assert limits.seconds_for(0) == 10
    assert limits.seconds_for(25_000_000) == 30


def test_transparency_is_part_of_how_clips_are_cut_where_it_is_honoured() -> None:
    assert "alpha" not in Sampling(frames=2).identity()
    assert Sampling(frames=2, alpha=True).identity()["alpha"] is True
    data = transparent_file(np.zeros((48, 64, 4), np.uint8), "libvpx-vp9")
    (segment,) = clip_segments(
        data, caption=None, media_hash="h", sampling=Sampling(frames=2, alpha=True), limits=Limits()
    )
    assert segment.payload.frames.min() > 250
