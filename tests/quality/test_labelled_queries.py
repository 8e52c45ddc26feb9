"""Queries: judged ones from a file that says where it is wrong, held-out ones that are no rows."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embed_assets.errors import MediaError, SettingsError
from embed_assets.media.limits import Limits
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.queries.evaluation_queries import _query_id
from embed_assets.quality.queries.held_out_queries import crop_of, evenly, span_of
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_sets import load_queries
from embed_assets.store.query_vectors import QueryVectors
from tests.kept import Kept
from tests.support import all_rows, note, picture, pipeline, run_all, write_notes


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "queries.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_queries_are_read_with_their_judgements(tmp_path):
    file = written(
        tmp_path,
        json.dumps({"query": "red", "relevant": ["a.txt", "b.txt"]}),
        "",
        json.dumps({"query": "blau", "relevant_labels": ["blue"]}),
    )
    assert load_queries(file) == [
        LabelledQuery(query="red", relevant=("a.txt", "b.txt")),
        LabelledQuery(query="blau", relevant_labels=("blue",)),
    ]


def test_relevant_items_may_have_grades(tmp_path):
    line = {"query": "red", "relevant": {"a.txt": 2, "b.txt": 0.5, "c.txt": 0}, "not_relevant": ["d.txt"]}
    (query,) = load_queries(written(tmp_path, json.dumps(line)))
    assert (query.relevant, query.grades) == (("a.txt", "b.txt"), (2.0, 0.5))
    assert query.not_relevant == ("d.txt", "c.txt")


def test_the_hash_of_ungraded_queries_is_that_of_the_first_releases():
    query = LabelledQuery(query="red", relevant=("a.txt",))
    assert query.hashed_text() == "Judged(query='red', file=None, relevant=('a.txt',), relevant_labels=())"
    assert "grades=(2.0,)" in LabelledQuery(query="red", relevant=("a.txt",), grades=(2.0,)).hashed_text()


def test_the_demos_query_sets_are_found_by_name():
    assert load_queries("embedded:docs")
    with pytest.raises(SettingsError, match="does not exist"):
        load_queries("embedded:nothing")


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ('{"query": "red", ', "not JSON"),
        ('["red"]', "expected an object with a text in `query`"),
        ('{"relevant": ["a.txt"]}', "expected an object with a text in `query`"),
        (
            '{"query": "red", "relevent": ["a.txt"]}',
            "unknown field 'relevent'; the fields are not_relevant, query, query_file, relevant",
        ),
        ('{"query": "red", "relevant": "a.txt"}', "relevant: expected a list of texts"),
        (
            '{"query": "red", "relevant": {"a.txt": "high"}}',
            "relevant: expected a list of texts, or an object",
        ),
        (
            '{"query": "red", "relevant": {"a.txt": true}}',
            "relevant: expected a list of texts, or an object",
        ),
        ('{"query": "red", "relevant_labels": [1]}', "relevant_labels: expected a list of texts"),
        ('{"query": "red"}', "a query needs `relevant`"),
    ],
)
def test_a_mistake_names_file_line_and_field(tmp_path, line, finding):
    file = written(tmp_path, '{"query": "good", "relevant": ["a.txt"]}', line)
    with pytest.raises(SettingsError) as caught:
        load_queries(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    assert finding in str(caught.value)


def test_an_empty_or_absent_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="holds no query"):
        load_queries(written(tmp_path, "", " "))
    with pytest.raises(SettingsError, match=r"nowhere\.jsonl' does not exist"):
        load_queries(tmp_path / "nowhere.jsonl")


def test_a_span_is_words_from_inside_a_text_and_never_all_of_it():
    text = note(1, length=40)
    for seed in range(50):
        span = span_of(text, seed=seed)
        assert span is not None
        assert span in text
        assert len(span.split()) == 12
    assert len((span_of("one two three four five six", seed=0) or "").split()) == 4
    assert span_of("one two three", seed=0) is None
    assert span_of(text, seed=3) == span_of(text, seed=3)


def test_a_crop_is_three_quarters_of_each_side_from_inside():
    values = np.arange(40 * 20, dtype=np.uint8).reshape(20, 40)
    for seed in range(20):
        crop = np.asarray(crop_of(Image.fromarray(values), seed=seed))
        assert crop.shape == (15, 30)
        inside = np.lib.stride_tricks.sliding_window_view(values, (15, 30))
        assert (inside == crop).all(axis=(2, 3)).any()


def test_chosen_rows_are_spread_and_the_same_on_every_run():
    rows = [{"segment_id": f"{number:03d}"} for number in range(100)]
    chosen = [row["segment_id"] for row in evenly(rows[::-1], 5)]
    assert chosen == ["000", "024", "049", "074", "099"]
    assert len(evenly(rows[:3], 5)) == 3


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def indexed(tmp_path: Path, words: list[Any], kept: Kept) -> Steps:
    """300 notes and 10 pictures behind an ANN index that recall was measured on."""
    steps = pipeline(
        tmp_path,
        encoders={"words": {"model": "words", "media": ["text", "image"]}},
        index={"min_rows": 256, "rows_per_partition": 64},
        checks={"recall_queries": 20},
    )
    kept.once("indexed", lambda: write_and_run(tmp_path, steps))
    return steps


def write_and_run(tmp_path: Path, steps: Steps) -> None:
    notes = write_notes(tmp_path / "notes", 300, length=14)
    for seed in range(10):
        (notes / f"{seed}.png").write_bytes(picture(seed))
    run_all(steps)


def test_held_out_queries_are_no_rows_and_are_kept_apart(indexed, words):
    record = indexed.resolve("words").record
    kept = QueryVectors(indexed.store, record.table, dim=record.dim).get("held out")
    assert {modality for modality, _ in kept.values()} == {"text", "image"}
    assert sum(modality == "text" for modality, _ in kept.values()) == 20
    rows = np.array([row["vector"] for row in all_rows(indexed)], dtype=np.float32)
    assert len(rows) == 310
    texts = np.array([vector for modality, vector in kept.values() if modality == "text"])
    assert (texts @ rows.T).max() < 0.999
    verdict = next(check for check in indexed.check(record)[1] if check.name == "ann_recall")
    assert {"recall_at_10_text", "recall_at_10_image"} <= set(verdict.figures)
    assert verdict.figures["exact"] is False


def test_queries_are_encoded_once_per_encoder_version(indexed, words):
    words.clear()
    record = indexed.resolve("words").record
    indexed.check(record)
    indexed.index(record)
    assert words == []


def test_rows_too_small_to_leave_words_out_are_tried_once_per_table_version(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 30)
    for number in range(3):
        (notes / f"short-{number}.txt").write_text(f"amber {number}")  # no held-out query can be made of two words
    steps = pipeline(tmp_path, checks={"recall_queries": 33}, index={"min_rows": 10, "rows_per_partition": 16})
    run_all(steps)
    words.clear()
    record = steps.resolve("words").record
    steps.check(record)
    assert words == []
    (notes / "added.txt").write_text(note(40))
    run_all(steps)
    assert 1 <= len(words) <= 4  # the note, and queries of rows that had none: not the thirty that are stored


def test_judged_queries_measure_a_release_and_count_as_held_out(tmp_path, words):
    write_notes(tmp_path / "notes", 30)
    lines = [json.dumps({"query": note(number), "relevant": [f"note-{number:03d}.txt"]}) for number in range(5)]
    spaces = {"words": {"queries": str(written(tmp_path, *lines)), "min_recall": 0.9, "min_ndcg": 0.9}}
    steps = pipeline(tmp_path, spaces=spaces)
    run_all(steps)
    record = steps.resolve("words").record
    release, verdicts = steps.check(record)
    verdict = next(check for check in verdicts if check.name == "labelled_retrieval")
    assert verdict.passed
    assert verdict.figures["queries"] == 5
    assert verdict.figures["ndcg_at_10"] == 1.0
    wrong = json.dumps({"query": note(1), "relevant": ["note-002.txt"]})
    written(tmp_path, *lines, wrong)
    found = steps.context.measurements.evaluate(record, release)
    assert found is not None
    assert found.ndcg_at_10 < 1.0


def test_a_query_file_is_known_by_as_many_bytes_as_may_be_read_and_no_pipe_is_waited_for(tmp_path):
    limits, ids = Limits(max_bytes=100), []
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 101 + name.encode() * 1000)
        ids.append(_query_id(LabelledQuery(query=name, file=str(tmp_path / name)), limits))
    assert ids[0] == ids[1]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b""), daemon=True)  # who waits for it waits not for ever
    writer.start()
    with pytest.raises(MediaError, match="is a pipe"):
        _query_id(LabelledQuery(query="pipe", file=str(pipe)), limits)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer.join(10)
    os.close(reader)
