"""Judged queries: every answer they name is in the corpus."""

import json
from pathlib import Path
from typing import Any

from embed_assets.demo import corpus as corpus_module
from embed_assets.demo.sidecar import read_sidecar


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


def test_no_query_is_asked_twice_or_without_an_answer() -> None:
    for name, answers in (("docs.jsonl", "relevant"), ("images.jsonl", "relevant_labels")):
        queries = _queries(name)
        assert len({query["query"] for query in queries}) == len(queries)
        assert all(query[answers] and len(set(query[answers])) == len(query[answers]) for query in queries)
