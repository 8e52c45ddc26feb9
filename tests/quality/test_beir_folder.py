"""BEIR folders: queries and graded judgements, joined with items by the ids of rows or the names of files."""

import json
from pathlib import Path

import pytest

from embed_assets.errors import SettingsError
from embed_assets.quality.labelled_retrieval import relevant_items
from embed_assets.quality.queries.beir_folder import read_beir
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_sets import load_queries
from tests.support import pipeline, run_all

HEAD = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "beir"
    (made / "qrels").mkdir(parents=True)
    queries = [
        {"_id": "1", "text": 'a "red" circle'},
        {"_id": "2", "text": "nothing is judged"},
        {"_id": "q3", "text": "x"},
    ]
    (made / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in queries))
    (made / "qrels" / "test.tsv").write_text(HEAD + "1\tdoc-1\t2\n1\tdoc-2\t1\n1\tdoc-9\t0\nq3\tdoc-1\t0\n")
    return made


def test_queries_with_a_relevant_item_are_read_with_their_grades(folder: Path):
    expected = LabelledQuery(
        query='a "red" circle', relevant=("#doc-1", "#doc-2"), grades=(2.0, 1.0), not_relevant=("#doc-9",)
    )
    assert load_queries(folder) == [expected]
    assert load_queries(folder / "qrels" / "test.tsv") == [expected]


def test_grades_of_one_are_none(folder: Path):
    (folder / "qrels" / "test.tsv").write_text(HEAD + "1\tdoc-1\t1\n")
    assert load_queries(folder) == [LabelledQuery(query='a "red" circle', relevant=("#doc-1",))]


def test_of_several_splits_test_is_taken_and_another_is_named(folder: Path):
    (folder / "qrels" / "dev.tsv").write_text(HEAD + "1\tdoc-7\t1\n")
    assert read_beir(folder)[0].relevant == ("#doc-1", "#doc-2")
    assert read_beir(folder / "qrels" / "dev.tsv")[0].relevant == ("#doc-7",)
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "train.tsv")
    with pytest.raises(SettingsError, match=r"has no test.tsv \(it has dev.tsv, train.tsv\)"):
        load_queries(folder)


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("qrels/test.tsv", "a\tb\n1\t2\n", r"test.tsv:1: expected the columns query-id, corpus-id, score"),
        ("qrels/test.tsv", HEAD + "1\tdoc-1\thigh\n", r"test.tsv:2: score: 'high' is no number"),
        ("qrels/test.tsv", HEAD + "1\tdoc-1\n", r"test.tsv:2: score: None is no number"),
        ("qrels/test.tsv", HEAD + "7\tdoc-1\t1\n", r"query-id '7' is not in queries.jsonl"),
        ("qrels/test.tsv", HEAD + "1\tdoc-1\t0\n", r"holds no query"),
        ("queries.jsonl", '{"_id": "1"}\n', r"queries.jsonl:1: expected an object with `_id` and `text`"),
        ("queries.jsonl", "[\n", r"queries.jsonl:1: expected an object"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(folder: Path, name: str, content: str, finding: str):
    (folder / name).write_text(content)
    with pytest.raises(SettingsError, match=finding):
        load_queries(folder)


def test_ids_are_those_of_rows_and_names_of_files(folder: Path, tmp_path: Path, words: list[str]):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "doc-1.txt").write_text("a red circle")
    rows = [{"_id": "doc-2", "text": "a blue square"}, {"_id": "doc-9", "text": "a green star"}]
    (notes / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(notes), "table": {"id": "_id", "text": "text"}}})
    run_all(steps)
    record = steps.current_version("words")
    assert record is not None
    table = steps.store.open(record.table)
    (grades,), unknown = relevant_items(table, load_queries(folder))
    keys = {row["media_id"]: row["key"] for row in table.search().select(["media_id", "key"]).to_list()}
    assert {keys[media_id]: grade for media_id, grade in grades.items()} == {
        "doc-1.txt": 2.0,
        "corpus.jsonl#doc-2": 1.0,
        "corpus.jsonl#doc-9": 0.0,
    }
    assert unknown == ()
