"""embed-assets report: tables for people, documents for programs, clear refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from embed_assets.cli.shared.json_documents import schema_of
from tests.cli.conftest import Command

TOPICS = {"sea": "boat harbour tide", "wood": "oak moss fern"}


def write(folder: Path, topic: str, words: str, count: int) -> None:
    (folder / topic).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / topic / f"{number}.txt").write_text(f"{words} number{number}")


@pytest.fixture
def served(tmp_path: Path, command: Command, pipeline_yaml: Callable[..., str]) -> Path:
    for topic, words in TOPICS.items():
        write(tmp_path / "notes", topic, words, 30)
    settings = pipeline_yaml(sources={"notes": {"uri": "notes", "labels": "folder"}})
    assert command("run", "--settings", settings).exit_code == 0
    return tmp_path


def document(command: Command, *line: str) -> Any:
    result = command("report", *line, "--store", "store", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    jsonschema.validate(found, schema_of(f"report {line[0]}"))
    return found


def test_items_of_a_new_topic_are_a_drift(command: Command, served: Path):
    shown = command("report", "drift", "--store", "store")
    assert shown.exit_code == 0, shown.output
    assert "too few to compare: 0 new items against 60 (as of its first promotion)" in shown.output
    write(served / "notes", "city", "tram kiosk market", 40)
    assert command("run", "--store", "store").exit_code == 0
    (found,) = document(command, "drift")
    assert (found["verdict"], found["reference"], found["new"]) == ("drift", 60, 40)
    assert {tuple(each["labels"]) for each in found["typical"]} == {("city",)}
    shown = command("report", "drift", "words", "--store", "store")
    assert "drift: 40 new items against 60" in shown.output
    assert "notes/city/" in shown.output
    (all_new,) = document(command, "drift", "--since", "2020-01-01")
    assert (all_new["reference"], all_new["new"], all_new["reference_is"]) == (0, 100, "embedded before")


def test_queries_of_a_log_are_compared(command: Command, served: Path):
    lines = [{"query": f"{TOPICS['sea']} {n}", "at": n} for n in range(40)]
    lines += [{"query": f"tram kiosk {n}"} for n in range(40)]
    (served / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    _, queries = document(command, "drift", "--queries", "log.jsonl")
    assert (queries["about"], queries["verdict"], queries["compared"]) == ("queries", "drift", [40, 40])
    assert queries["typical"][0]["name"].startswith("tram kiosk")


def test_the_log_of_the_settings_is_compared_where_none_is_named(
    command: Command, served: Path, pipeline_yaml: Callable[..., str]
):
    lines = [{"query": f"{TOPICS['sea']} {n}"} for n in range(40)]
    (served / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    sources = {"notes": {"uri": "notes", "labels": "folder"}}
    settings = pipeline_yaml(sources=sources, spaces={"words": {"query_log": "log.jsonl"}})
    assert command("run", "--settings", settings).exit_code == 0
    assert [each["about"] for each in document(command, "drift")] == ["items", "queries"]


@pytest.mark.slow
def test_saved_queries_are_shown_until_a_run_has_reported_them(
    command: Command, served: Path, pipeline_yaml: Callable[..., str]
):
    write(served / "notes", "city", "tram kiosk market", 45)
    sources = {"notes": {"uri": "notes", "labels": "folder"}}
    query = {"space": "words", "query": "tram kiosk market", "min_percentile": 90}
    settings = pipeline_yaml(sources=sources, saved_queries={"trams": query})
    assert command("run", "--settings", settings).exit_code == 0
    (found,) = document(command, "matches")
    assert found["name"] == "trams" and {f"city/{n}.txt" for n in range(45)} <= {
        each["key"] for each in found["matches"]
    }
    assert not any(each["new"] for each in found["matches"]), "the run has reported them"
    assert "Everything is fresh" in command("run", "--store", "store").output
    (served / "notes" / "city" / "late.txt").write_text("tram kiosk market late")
    assert "New matches of trams: 'notes/city/late.txt'" in command("run", "--store", "store").output
    changed = pipeline_yaml(sources=sources, saved_queries={"trams": query, "boats": query | {"query": "boat tide"}})
    assert "Done in" in command("run", "--settings", changed).output, (
        "a query that was never reported is something to do"
    )
    shown = command("report", "matches", "boats", "--store", "store").output
    assert "(0 new, 0 gone)" in shown and "notes/sea/" in shown
    lost = pipeline_yaml(sources=sources, saved_queries={"trams": query | {"query": None, "like": "notes/none.txt"}})
    failed = command("run", "--settings", lost)
    assert failed.exit_code == 1
    assert "Saved query 'trams': Space 'words' has no item 'notes/none.txt'." in failed.output


def test_the_balance_of_what_serves(command: Command, served: Path):
    (found,) = document(command, "balance")
    assert (found["items"], found["basis"], found["queries"]) == (60, "labels", 60)
    by = {each["by"]: each for each in found["breakdowns"]}
    assert by["label"]["effective"] == 2.0
    assert by["length of text"]["largest"][0]["name"] == "below 200"
    assert {each["group"] for each in found["quality"]} == {"sea", "wood"}
    shown = command("report", "balance", "--store", "store")
    assert "2 groups by label are as diverse as 2.0 equal ones" in shown.output
    assert "Quality by group: 60 queries (labels), 60 items sampled" in shown.output


@pytest.mark.slow
def test_how_well_what_serves_answers(command: Command, served: Path, pipeline_yaml: Callable[..., str]):
    (by_labels,) = document(command, "evaluation")
    assert (by_labels["basis"], by_labels["queries"], by_labels["live"], by_labels["indexed"]) == (
        "labels",
        60,
        True,
        False,
    )
    assert set(by_labels["left_out"]) == {"filtered", "hybrid", "reranked"}
    assert by_labels["clusters"]["labels"] == 2

    queries = [{"query": f"{words.split()[0]} number{n}", "relevant": [f"{topic}/{n}.txt"]}
               for topic, words in TOPICS.items() for n in range(12)]  # fmt: skip
    (served / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    pairs = [{"a": "boat harbour", "b": "boat harbour " + "oak " * n, "score": 9 - n} for n in range(9)]
    (served / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    source = {"notes": {"uri": "notes", "labels": "folder"}}
    settings = pipeline_yaml(sources=source, spaces={"words": {"queries": "queries.jsonl"}})
    assert command("run", "--settings", settings).exit_code == 0
    (found,) = document(command, "evaluation", "words", "--similarity", "pairs.jsonl", "-k", "5", "--queries", "20")
    assert (found["basis"], found["queries"], found["k"]) == ("judged queries", 20, 5)
    ways = {each["way"]: each for each in found["ways"]}
    assert list(ways) == ["exact", "ann", "filtered", "hybrid"]
    assert set(ways["ann"]["quality"]) == {"ndcg@5", "recall@5", "precision@5", "mrr@5", "map@5", "unjudged@5"}
    assert ways["exact"]["against_exact"] is None and ways["ann"]["against_exact"]["p"] == 1.0
    assert found["similarity"]["pairs"] == 9 and found["similarity"]["spearman"]["mean"] > 0.9
    version = found["version"]
    assert document(command, "evaluation", "--encoder-version", version)[0]["version"] == version

    shown = command("report", "evaluation", "--store", "store")
    assert f"Space words, words {version}: 24 queries (judged queries)" in shown.output
    assert "Quality by group, as served" in shown.output
    assert "ann scores the same as exact search on all 24 queries." in shown.output
    assert "As served, by exact search, since there is no ANN index yet: ndcg@10" in shown.output
    refused = command("report", "evaluation", "--store", "store", "--similarity", "gone.csv")
    assert refused.exit_code == 1 and "Similarity judgements 'gone.csv' do not exist" in refused.output


def test_what_noise_costs_each_encoder(command: Command, served: Path):
    (found,) = document(command, "noise", "words", "slow-words", "--sample", "20")
    assert found["sampled"] == 20
    assert {each["encoder"] for each in found["rows"]} == {"words", "slow-words"}
    shown = command("report", "noise", "--store", "store")
    assert "Disturbed copies of 60 items as queries" in shown.output
    assert "words: recall@1 falls most under typos, to" in shown.output


def test_a_space_that_serves_nothing_is_named(command: Command, served: Path):
    shown = command("report", "balance", "photos", "--store", "store")
    assert shown.exit_code == 1
    assert "Space 'photos' serves nothing. Spaces that serve: words." in shown.output


def test_the_reports_are_listed(command: Command):
    assert "Whether new items, or queries, are of another kind" in command("report", "--help").output
    assert command("report", "nonsense").exit_code == 2
