"""Searcher: what was promoted, asked with the encoder that made it, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets import progress
from embed_assets.errors import EncoderOutputError, EncoderVersionError, MediaError, SettingsError, StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher, _side_by_side
from embed_assets.settings import ComputeSettings
from tests.kept import Kept
from tests.support import note, picture, pipeline, refresh_and_embed, rewrite, run_all, write_notes

CPU = ComputeSettings(device="cpu", offline=True)


def searcher(steps: Steps) -> Searcher:
    return Searcher(steps.settings.store, compute=CPU)


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def served(tmp_path: Path, words: list[Any], kept: Kept) -> Steps:
    """Two sources, labelled by folder; a long text, and names and labels with quotes."""
    sources = {name: {"uri": str(tmp_path / name), "labels": "folder"} for name in ("notes", "books")}
    steps = pipeline(tmp_path, sources=sources)
    kept.once("served", lambda: write_and_run(tmp_path, steps))
    return steps


def write_and_run(tmp_path: Path, steps: Steps) -> None:
    for folder in ("notes/a", "notes/it's", "books/a"):
        write_notes(tmp_path / folder, 10)
    for number, file in enumerate(sorted((tmp_path / "books" / "a").iterdir())):
        file.write_text(note(100 + number))
    (tmp_path / "books" / "long.txt").write_text("\n\n".join(note(number, length=25) for number in range(200, 206)))
    for number, file in enumerate(sorted((tmp_path / "notes" / "it's").iterdir())):
        file.write_text(note(300 + number))
    run_all(steps)


def test_words_find_the_item_that_says_them(served, tmp_path):
    hits = searcher(served).search(note(7), space="words", k=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].key == "a/note-007.txt"
    assert hits[0].source == "notes"
    assert hits[0].text == note(7)
    assert hits[0].uri == str(tmp_path / "notes" / "a" / "note-007.txt")
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    first, second, third = (hit.score or 0.0 for hit in hits)
    assert first > second >= third


def test_an_item_is_one_hit_by_its_best_chunk(served):
    wanted = note(203, length=25)
    hits = searcher(served).search(wanted, space="words", k=31)
    assert hits[0].key == "long.txt"
    assert hits[0].text == wanted
    assert hits[0].start is not None
    assert hits[0].end == hits[0].start + len(wanted)
    assert len({hit.key for hit in hits if hit.source == "books"}) == sum(hit.source == "books" for hit in hits)


@pytest.mark.slow
def test_a_picture_finds_its_like(tmp_path, words):
    (tmp_path / "notes").mkdir()
    for seed in range(8):
        (tmp_path / "notes" / f"{seed}.png").write_bytes(picture(seed))
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["image"]}})
    run_all(steps)
    larger = picture(5, side=64)
    assert searcher(steps).search(larger, space="words", k=1)[0].key == "5.png"
    import io

    from PIL import Image

    assert searcher(steps).search(Image.open(io.BytesIO(larger)), space="words", k=1)[0].key == "5.png"
    with pytest.raises(MediaError, match="broken image"):
        searcher(steps).search(larger[:200], space="words")
    with pytest.raises(SettingsError, match="which no encoder takes"):
        searcher(steps).search(b"\x00\x01\x02\xff" * 8, space="words")


@pytest.mark.slow
def test_the_demos_clip_finds_pictures_by_words_and_by_pictures(tmp_path, monkeypatch):
    """A real model of two towers, end to end: a red circle is asked for in words."""
    from PIL import Image, ImageDraw

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "notes").mkdir()
    for name, colour in (("red", (220, 30, 30)), ("green", (30, 160, 60)), ("blue", (40, 70, 220))):
        scene = Image.new("RGB", (64, 64), (240, 240, 240))
        ImageDraw.Draw(scene).ellipse((14, 14, 50, 50), fill=colour)
        scene.save(tmp_path / "notes" / f"{name}.png")
    steps = pipeline(tmp_path, encoders={"pictures": {"model": "embedded:clip"}})
    run_all(steps)
    search = searcher(steps)
    space = search.spaces()[0]
    assert search.takes(space) == ("image", "text")
    assert search.search("a red circle", space=space, k=1)[0].key == "red.png"
    blue = (tmp_path / "notes" / "blue.png").read_bytes()
    assert search.search(blue, space=space)[0].key == "blue.png"


def test_a_label_narrows_the_search(served):
    hits = searcher(served).search("granite", space="words", k=50, label="a")
    assert len(hits) == 20
    assert {hit.labels for hit in hits} == {("a",)}


def test_sources_narrow_the_search(served):
    hits = searcher(served).search("granite", space="words", k=50, sources=["books"])
    assert len(hits) == 11
    both = searcher(served).search("granite", space="words", k=50, sources=["books", "notes"], label="a")
    assert {(hit.source, hit.labels) for hit in both} == {("books", ("a",)), ("notes", ("a",))}


def test_a_filter_takes_any_text_as_a_value_and_never_as_a_filter(served):
    search = searcher(served)
    assert len(search.search("granite", space="words", k=50, label="it's")) == 10
    for nasty in ("x') OR true OR array_has(labels, 'a", "' OR '1'='1", "a' --", "a'; DROP TABLE words"):
        assert not search.search("granite", space="words", k=50, label=nasty)
        assert not search.search("granite", space="words", k=50, sources=[nasty])


def test_rows_that_are_not_promoted_are_not_found(served, tmp_path):
    (tmp_path / "notes" / "late.txt").write_text("a late walrus")
    rewrite(tmp_path / "notes" / "a" / "note-007.txt", "a walrus instead")
    refresh_and_embed(served)
    hits = searcher(served).search(note(7), space="words", k=50)
    assert hits[0].text == note(7)
    assert "late.txt" not in {hit.key for hit in hits}
    run_all(served)
    found = {hit.key for hit in searcher(served).search("walrus", space="words", k=2)}
    assert found == {"late.txt", "a/note-007.txt"}


def test_a_promotion_shows_in_a_searcher_that_is_open(served, tmp_path):
    search = searcher(served)
    search.search("walrus", space="words")
    (tmp_path / "notes" / "late.txt").write_text("walrus")
    run_all(served)
    assert search.search("walrus", space="words")[0].key == "late.txt"


def test_a_vector_of_the_version_that_serves_is_taken(served):
    record = served.resolve("words").record
    encoder = served.encoder(record)
    vector = encoder.encode([encoder.prepare("text", note(7))])[0]
    hits = searcher(served).search(vector, space="words", encoder_version=record.version)
    assert hits[0].key == "a/note-007.txt"


def test_a_vector_of_another_version_or_of_none_is_refused(served):
    vector = np.ones(32, dtype=np.float32)
    version = served.resolve("words").record.version
    with pytest.raises(EncoderVersionError, match=f"version 0123456789ab; space 'words' serves words {version}"):
        searcher(served).search(vector, space="words", encoder_version="0123456789ab")
    with pytest.raises(EncoderVersionError, match="version unknown"):
        searcher(served).search(vector, space="words")
    with pytest.raises(EncoderVersionError, match=r"shape \(8,\); expected \(32,\)"):
        searcher(served).search(vector[:8], space="words", encoder_version=version)


@pytest.fixture
def own_model(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A pipeline on a model folder of its own, embedded and promoted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(tiny_bert, tmp_path / "model")
    write_notes(tmp_path / "notes", 5)
    steps = pipeline(tmp_path, encoders={"words": {"model": str(tmp_path / "model")}})
    run_all(steps)
    return steps


def test_a_model_folder_that_was_copied_or_touched_is_the_same_encoder(own_model, tmp_path):
    for file in (tmp_path / "model").rglob("*"):
        file.touch()
    assert searcher(own_model).search(note(3), space="text", k=1)[0].key == "note-003.txt"
    assert not own_model.resolve("words").is_new


def test_a_release_goes_on_serving_while_a_new_version_is_embedded(own_model, tmp_path, tiny_bert):
    (tmp_path / "notes" / "late.txt").write_text("a late note")
    cut = pipeline(tmp_path, encoders={"words": {"model": str(tmp_path / "model"), "segment": {"max_tokens": 8}}})
    refresh_and_embed(cut)
    hits = searcher(own_model).search(note(3), space="text", k=50)
    assert hits[0].text == note(3)
    assert len(hits) == 5


def test_an_unknown_space_lists_the_ones_that_serve(served):
    with pytest.raises(StoreError, match=r"Space 'text' serves nothing. Spaces that serve: words\."):
        searcher(served).search("granite", space="text")
    assert searcher(served).spaces() == ["words"]


def test_a_store_of_nobody_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="No space serves yet: run the pipeline first"):
        Searcher(str(tmp_path)).search("granite", space="text")
    assert Searcher(str(tmp_path)).spaces() == []


def test_a_space_is_not_asked_with_what_its_encoder_cannot_take(own_model):
    with pytest.raises(SettingsError, match="Space 'text' can't be searched with image: its encoder 'words'"):
        searcher(own_model).search(picture(1), space="text")


@pytest.mark.slow
def test_an_indexed_table_finds_what_exact_search_finds_under_filters(tmp_path, words):
    write_notes(tmp_path / "notes" / "common", 600, length=14)
    write_notes(tmp_path / "notes" / "rare", 6, length=14)
    for number, file in enumerate(sorted((tmp_path / "notes" / "rare").iterdir())):
        file.write_text(note(900 + number))
    sources = {"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}}
    steps = pipeline(tmp_path, sources=sources, index={"min_rows": 256, "rows_per_partition": 32})
    run_all(steps)
    hits = searcher(steps).search(note(903), space="words", k=5, label="rare")
    assert len(hits) == 5  # a filter never leaves a result short
    assert {(hit.source, hit.modality, hit.spans[0].kind) for hit in hits} == {("notes", "text", "chunk")}
    assert hits[0].text == note(903)


def test_weights_that_are_the_same_under_another_path_are_one_version(tmp_path, tiny_bert, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(tiny_bert, tmp_path / "one")
    shutil.copytree(tiny_bert, tmp_path / "other")
    versions = {
        pipeline(tmp_path, encoders={"words": {"model": str(tmp_path / name)}}).resolve("words").record.version
        for name in ("one", "other")
    }
    assert len(versions) == 1


def test_a_long_document_leaves_room_for_the_other_items(tmp_path, words):
    """All of its 60 chunks are nearer to the query than any note: k is of items."""
    write_notes(tmp_path / "notes", 8)
    (tmp_path / "notes" / "book.txt").write_text("\n\n".join(f"walrus {note(7, length=24)}" for _ in range(60)))
    steps = pipeline(tmp_path)
    run_all(steps)
    hits = searcher(steps).search(f"walrus {note(7, length=24)}", space="words", k=5)
    assert len(hits) == 5
    assert hits[0].key == "book.txt"
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert len({hit.key for hit in hits}) == 5
    assert len(searcher(steps).search("walrus", space="words", k=50)) == 9


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6, 1e-9])
def test_a_vector_that_the_table_cannot_be_asked_with_is_refused(served, value):
    version = served.resolve("words").record.version
    vector = np.full(32, value, np.float32)
    with pytest.raises(EncoderOutputError, match="The query's vector can't be compared: vector"):
        searcher(served).search(vector, space="words", encoder_version=version)


def test_work_side_by_side_is_reported_to_whoever_listens():
    steps: list[progress.Step] = []
    with progress.listening(steps.append):
        _side_by_side(lambda name: progress.report("load", name, 0), ["one", "two", "three"])
    assert {step.name for step in steps} == {"one", "two", "three"}
