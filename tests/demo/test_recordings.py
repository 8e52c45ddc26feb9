"""The sounds and videos: how many, that they decode, repeat themselves exactly and can be found."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from embed_assets.demo.clips import MOTIONS, clip_scripts, write_clips
from embed_assets.demo.corpus import write_corpus
from embed_assets.demo.encoders import clip_folder
from embed_assets.demo.sidecar import read_sidecar
from embed_assets.demo.sounds import KINDS, make_sound, query_sounds, sound_caption, write_query_sounds, write_sounds
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.media.detect import refine
from embed_assets.media.kinds.sniff import sniff
from embed_assets.media.limits import Limits
from embed_assets.media.payload import Clip, Sound
from embed_assets.media.recordings.decode_sound import decode_sound, is_silent
from embed_assets.media.recordings.video_clips import decode_clips
from embed_assets.quality.metrics.ranking_metrics import capped_recall_at, ndcg_at
from embed_assets.quality.queries.query_sets import load_queries

RATE = 16_000


def _sound(path: Path) -> Sound:
    sound = decode_sound(path.read_bytes(), rate=RATE, limits=Limits())
    assert sound is not None
    return sound


def _clip(path: Path) -> Clip:
    clips = list(
        decode_clips(path.read_bytes(), frames=8, clip_seconds=10.0, sound_rate=RATE, side=None, limits=Limits())
    )
    return clips[0][2]


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_there_are_twenty_sounds_of_each_of_eight_kinds(corpus: Path) -> None:
    rows = read_sidecar(corpus / "sounds")
    assert Counter(row["label"] for row in rows) == dict.fromkeys(KINDS, 20)
    assert len(KINDS) == 8
    assert {row["caption"] for row in rows if row["label"] == "rising sweep"} == {"a rising sweep"}


def test_the_sounds_are_files_of_four_kinds_and_each_label_has_three_or_more(corpus: Path) -> None:
    rows = read_sidecar(corpus / "sounds")
    assert {Path(row["file"]).suffix for row in rows} == {".mp3", ".ogg", ".flac", ".wav"}
    for label in KINDS:
        assert len({Path(row["file"]).suffix for row in rows if row["label"] == label}) >= 3


def test_captions_have_the_right_article() -> None:
    assert [sound_caption(label) for label in ("bell", "organ chord", "noise bursts")] == [
        "a bell",
        "an organ chord",
        "noise bursts",
    ]


def test_sounds_take_under_four_megabytes_and_videos_under_two(corpus: Path) -> None:
    assert _size(corpus / "sounds") + _size(corpus / "queries" / "sounds") < 4_000_000
    assert _size(corpus / "videos") < 2_000_000


@pytest.mark.parametrize("part", ["sounds", "queries/sounds"])
@pytest.mark.slow
def test_every_sound_decodes_and_is_heard(corpus: Path, part: str) -> None:
    for path in (path for path in (corpus / part).iterdir() if path.suffix != ".jsonl"):
        data = path.read_bytes()
        assert refine(data, sniff(data)).modality == "audio"
        sound = _sound(path)
        assert 1.15 < sound.seconds < 2.6, path.name
        assert not is_silent(sound), path.name


def test_a_sound_keeps_its_length_and_peak_through_each_kind_of_file(corpus: Path) -> None:
    for row, number in zip(read_sidecar(corpus / "sounds"), range(13), strict=False):
        made = make_sound(row["label"], variant=number, rate=RATE)
        sound = _sound(corpus / "sounds" / row["file"])
        assert sound.seconds == pytest.approx(len(made) / RATE, abs=0.08), row["file"]
        assert np.abs(sound.samples).max() == pytest.approx(np.abs(made).max(), rel=0.4), row["file"]


def test_videos_show_all_motions_and_each_label_three_times(corpus: Path) -> None:
    rows = read_sidecar(corpus / "videos")
    assert len(rows) == 60
    assert set(Counter(row["label"] for row in rows).values()) == {3}
    assert {script.motion for script in clip_scripts()} == set(MOTIONS)
    assert all(row["caption"].split(" ", 1)[1].startswith(row["label"]) for row in rows)


def test_no_circle_turns() -> None:
    assert not [script for script in clip_scripts() if (script.shape, script.motion) == ("circle", "turns")]


@pytest.mark.slow
def test_every_video_decodes_and_five_have_no_sound(corpus: Path) -> None:
    without = 0
    for row in read_sidecar(corpus / "videos"):
        path = corpus / "videos" / row["file"]
        data = path.read_bytes()
        assert refine(data, sniff(data)).modality == "video"
        clip = _clip(path)
        assert clip.frames.shape == (8, 128, 128, 3)
        assert 1.3 < clip.times[-1] < 2.4, path.name
        without += clip.sound is None
    assert without == 5


def test_a_shape_that_moves_to_the_right_does(corpus: Path) -> None:
    scripts = clip_scripts()
    rows = read_sidecar(corpus / "videos")
    moving = [row for row, script in zip(rows, scripts, strict=True) if script.motion == "moves to the right"]
    for row in moving:
        frames = _clip(corpus / "videos" / row["file"]).frames.astype(float)
        change = np.abs(frames - np.median(frames, axis=0)).sum(axis=(1, 3))  # (frames, columns)
        centres = (change[[0, -1]] * np.arange(128)).sum(axis=1) / change[[0, -1]].sum(axis=1)
        assert centres[1] - centres[0] > 15, row["caption"]


@pytest.mark.slow
def test_sounds_and_videos_repeat_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    write_sounds(tmp_path / "sounds")
    write_query_sounds(tmp_path / "asked")
    write_clips(tmp_path / "videos")
    assert _contents(tmp_path / "sounds") == _contents(corpus / "sounds")
    assert _contents(tmp_path / "asked") == _contents(corpus / "queries" / "sounds")
    assert _contents(tmp_path / "videos") == _contents(corpus / "videos")


def test_the_second_call_takes_milliseconds(corpus: Path) -> None:
    started = time.perf_counter()
    write_corpus(corpus)
    assert time.perf_counter() - started < 0.2


def _figures(folder: Path, vectors: np.ndarray, asked: list[tuple[np.ndarray, list[str]]]) -> tuple[float, float]:
    """Mean recall and nDCG of the ten nearest; `asked` has a query's vector and its labels."""
    rows = read_sidecar(folder)
    recalls, gains = [], []
    for query, labels in asked:
        ranked = [rows[place]["file"] for place in np.argsort(-(vectors @ query), kind="stable")]
        relevant = {row["file"] for row in rows if row["label"] in labels}
        recalls.append(capped_recall_at(ranked, dict.fromkeys(relevant, 1.0), 10))
        gains.append(ndcg_at(ranked, dict.fromkeys(relevant, 1.0), 10))
    return float(np.mean(recalls)), float(np.mean(gains))


@pytest.mark.slow
def test_sounds_find_most_of_their_kind_without_a_model(corpus: Path) -> None:
    encoder = load_encoder(spec_for("builtin/mel"), device="cpu")

    def vector(path: Path) -> np.ndarray:
        return encoder.encode([encoder.prepare("audio", _sound(path))])[0]

    vectors = np.stack([vector(corpus / "sounds" / row["file"]) for row in read_sidecar(corpus / "sounds")])
    asked = [(vector(corpus / "queries" / "sounds" / name), [label]) for name, label, _ in query_sounds()]
    recall, ndcg = _figures(corpus / "sounds", vectors, asked)
    assert 0.7 < recall < 0.98
    assert 0.7 < ndcg < 0.98


@pytest.mark.slow
def test_words_find_videos_by_the_mean_of_their_frames(corpus: Path) -> None:
    pytest.importorskip("torch")
    spec = spec_for(
        str(clip_folder()), name="clip-frames", family="video_frames", modalities=("video", "image", "text")
    )
    encoder = load_encoder(spec, device="cpu")
    clips = [_clip(corpus / "videos" / row["file"]) for row in read_sidecar(corpus / "videos")]
    vectors = encoder.encode([encoder.prepare("video", clip) for clip in clips])
    queries = load_queries("embedded:videos")
    words = encoder.encode([encoder.prepare("text", judged.query, query=True) for judged in queries])
    asked = [(word, list(judged.relevant_labels)) for word, judged in zip(words, queries, strict=True)]
    recall, ndcg = _figures(corpus / "videos", vectors, asked)
    assert 0.85 < recall < 1
    assert 0.85 < ndcg < 1
