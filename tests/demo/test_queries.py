"""Judged queries: every answer they name is in the corpus."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_assets.demo import corpus as corpus_module
from embed_assets.demo.clips import clip_scripts
from embed_assets.demo.sidecar import read_sidecar
from embed_assets.demo.sounds import VARIANTS, query_sounds


def _queries(name: str) -> list[dict[str, Any]]:
    path = Path(corpus_module.__file__).parent / "queries" / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_docs_queries_name_passages_that_exist(corpus: Path) -> None:
    queries = _queries("docs.jsonl")
    known = {row["file"] for row in read_sidecar(corpus / "docs")}
    assert len(queries) >= 70
    assert not {key for query in queries for key in query["relevant"]} - known


def test_image_queries_name_labels_that_exist(corpus: Path) -> None:
    queries = _queries("images.jsonl")
    rows = read_sidecar(corpus / "digits") + read_sidecar(corpus / "scenes")
    assert len(queries) >= 70
    assert not {label for query in queries for label in query["relevant_labels"]} - {r["label"] for r in rows}


def test_sound_queries_name_files_and_labels_that_exist(corpus: Path) -> None:
    queries = _queries("sounds.jsonl")
    labels = {row["label"] for row in read_sidecar(corpus / "sounds")}
    assert len(queries) == 24
    assert {label for query in queries for label in query["relevant_labels"]} == labels
    asked = {query["query_file"] for query in queries}
    assert asked == {path.relative_to(corpus).as_posix() for path in (corpus / "queries").rglob("*.*")}


def test_a_sound_query_has_the_label_that_its_sound_was_made_from() -> None:
    made = {f"queries/sounds/{name}": [label] for name, label, _ in query_sounds()}
    assert {query["query_file"]: query["relevant_labels"] for query in _queries("sounds.jsonl")} == made


def test_no_sound_to_ask_with_is_among_the_items(corpus: Path) -> None:
    items = {path.read_bytes() for path in (corpus / "sounds").iterdir()}
    assert not items & {path.read_bytes() for path in (corpus / "queries" / "sounds").iterdir()}
    assert all(variant >= VARIANTS for _, _, variant in query_sounds())


def test_video_queries_name_every_label_and_no_other(corpus: Path) -> None:
    queries = _queries("videos.jsonl")
    labels = {row["label"] for row in read_sidecar(corpus / "videos")}
    assert len(queries) == 34
    assert {label for query in queries for label in query["relevant_labels"]} == labels


def test_a_video_query_is_answered_by_all_labels_with_its_words() -> None:
    labels = {script.label for script in clip_scripts()}
    for query in _queries("videos.jsonl"):
        words = set(query["query"].split()) - {"a", "an"}
        assert set(query["relevant_labels"]) == {label for label in labels if words <= set(label.split())}


@pytest.mark.parametrize(
    ("name", "asks", "answers"),
    [
        ("docs.jsonl", "query", "relevant"),
        ("images.jsonl", "query", "relevant_labels"),
        ("sounds.jsonl", "query_file", "relevant_labels"),
        ("videos.jsonl", "query", "relevant_labels"),
    ],
)
def test_no_query_is_asked_twice_or_without_an_answer(name: str, asks: str, answers: str) -> None:
    queries = _queries(name)
    assert len({query[asks] for query in queries}) == len(queries)
    assert all(query[answers] and len(set(query[answers])) == len(query[answers]) for query in queries)
