"""Names match whatever their Unicode form is; what a sidecar or a query set names and nothing has is shown by name."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_assets.media.files.listing import list_readable
from embed_assets.media.files.unicode_names import ByName, composed, on_disk
from embed_assets.media.tables.sidecar import Annotations, load_sidecar
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.labelled_retrieval import relevant_items
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_sets import load_queries
from embed_assets.store.saved_settings import save_settings
from tests.cli.conftest import Command
from tests.support import pipeline, run_all

NAMES = ["café", "Ångström", "한국어", "Việt", "ἀρχή", "ガギグ", "\u212b"]  # the last is the sign of the unit


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


FORMS = [(nfc, nfd), (nfd, nfc), (nfd, nfd), (nfc, nfc)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("disk", "typed"), FORMS)
def test_a_sidecar_names_a_file(tmp_path: Path, name: str, disk: Callable, typed: Callable) -> None:
    (tmp_path / f"{disk(name)}.csv").write_text(f"file,caption,label\n{typed(name)}.txt,said,{typed(name)}\n")
    said = Annotations(load_sidecar(str(tmp_path / f"{typed(name)}.csv")), by_folder=False)
    assert said.of(f"{disk(name)}.txt").caption == "said"
    assert said.unknown([f"{disk(name)}.txt"]) == []


def test_a_letter_that_composes_to_ascii_is_that_letter() -> None:
    assert ByName({"\u212a.txt": 1}).get("K.txt") == 1  # the sign of kelvin
    assert ByName({"K.txt": 1}).get("\u212a.txt") == 1


def test_two_files_of_one_form_are_each_reported_by_their_own_name() -> None:
    from embed_assets.media.media_types import Annotation

    said = {nfc("é"): Annotation(caption="composed"), nfd("é"): Annotation(caption="decomposed")}
    both = Annotations(said, by_folder=False)
    assert [both.of(each("é")).caption for each in (nfc, nfd)] == ["composed", "decomposed"]


@pytest.mark.parametrize(("disk", "typed"), FORMS[:2])
def test_patterns_and_excludes_choose_files(tmp_path: Path, disk: Callable, typed: Callable) -> None:
    for name in ("résumé", "café"):
        folder = tmp_path / disk("médias") / disk(name)
        folder.mkdir(parents=True)
        (folder / "a.txt").touch()
    found = list_readable(str(tmp_path / typed("médias")), pattern=typed("r?sumé/*")).files
    assert [composed(file.key) for file in found] == [nfc("résumé/a.txt")]
    found = list_readable(str(tmp_path / typed("médias")), exclude=[typed("café")]).files
    assert [composed(file.key) for file in found] == [nfc("résumé/a.txt")]


def test_a_path_is_found_whatever_form_each_folder_has(tmp_path: Path) -> None:
    folder = tmp_path / nfd("é") / nfc("ü")
    folder.mkdir(parents=True)
    (folder / nfd("ñ.txt")).touch()
    whole = f"{nfc('é')}/{nfd('ü')}/{nfc('ñ.txt')}"
    assert on_disk(str(tmp_path / whole)) == str(folder / nfd("ñ.txt"))
    gone = str(tmp_path / "é" / "gone é")
    assert on_disk(gone) == gone


@pytest.mark.parametrize(("disk", "typed"), FORMS[:2])
def test_a_query_file_is_found(tmp_path: Path, disk: Callable, typed: Callable) -> None:
    (tmp_path / disk("é.png")).touch()
    (tmp_path / "q.jsonl").write_text(json.dumps({"query_file": typed("é.png"), "relevant": ["a"]}))
    assert load_queries(tmp_path / "q.jsonl")[0].file == str(tmp_path / disk("é.png"))


@pytest.fixture
def steps(tmp_path: Path, words: list) -> Steps:
    """Files of decomposed names in decomposed folders, with a sidecar and judged queries in composed names."""
    for folder, name in (("été", "ambré"), ("hiver", "bouleau"), ("hiver", "cèdre")):
        file = tmp_path / "notes" / nfd(folder) / nfd(f"{name}.txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"a note on {name} and nothing else")
    side = [{"file": nfc("été/ambré.txt"), "caption": "told"}, {"file": "hiver/nothing.txt"}, {"file": "naïve.txt"}]
    (tmp_path / "side.jsonl").write_text("\n".join(map(json.dumps, side)))
    judged = [
        {"query": "a note on ambré", "relevant": [nfc("été/ambré.txt")]},
        {"query": "a note on cèdre", "relevant": [nfc("notes/hiver/cèdre.txt")]},
        {"query": "a note on bouleau", "relevant": ["hiver/bouleau.txt", "gone.txt"]},
        {"query": "a note on ambré", "relevant_labels": [nfc("été"), "printemps"]},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, judged)))
    source = {"uri": str(tmp_path / "notes"), "labels": "folder", "sidecar": str(tmp_path / "side.jsonl")}
    made = pipeline(tmp_path, sources={"notes": source}, spaces={"words": {"queries": str(tmp_path / "q.jsonl")}})
    save_settings(made.store, made.settings)
    return made


def test_what_names_nothing_is_reported_by_name_and_all_else_is_found(steps: Steps, tmp_path: Path) -> None:
    run_all(steps)
    status = read_status(steps)
    (encoder,) = status.encoders
    assert encoder.ndcg_at_10 == 1.0
    assert encoder.notes[0].endswith("on 4 labelled queries; not in the index: 'gone.txt', 'printemps'")
    assert status.unmatched["notes"].summary() == "2 rows of the sidecar name no item: 'hiver/nothing.txt', 'naïve.txt'"
    captions = {row["key"]: row["caption"] for row in steps.manifest.rows("notes")}
    assert captions[nfd("été/ambré.txt")] == "told"


@pytest.mark.slow
def test_run_status_and_plan_print_the_names(steps: Steps, command: Command) -> None:
    for line in ("run --store store", "status --store store", "run --store store", "plan --store store"):
        said = command(*line.split()).output
        assert "2 rows of the sidecar name no item: 'hiver/nothing.txt', 'naïve.txt'" in said, line
        assert ("'gone.txt', 'printemps'" in said) == (not line.startswith("plan")), line
    found = command("search", "a note", "--label", nfc("été"), "--store", "store").output
    assert "1" in found and composed("ambré") in composed(found)


def test_a_row_that_names_something_again_is_not_reported_any_more(steps: Steps, tmp_path: Path) -> None:
    run_all(steps)
    (tmp_path / "notes" / "hiver" / "nothing.txt").write_text("there now")
    (tmp_path / "notes" / nfd("naïve.txt")).write_text("there too")
    assert steps.refresh("notes").unmatched is None
    assert read_status(steps).unmatched == {}


def test_rows_of_tables_are_named_in_any_form(tmp_path: Path, words: list) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / nfd("é.csv")).write_text(f"id,body\n{nfd('ü')},amber\nb,birch\n")
    side = [{"file": f"{nfc('é.csv')}#{nfc('ü')}", "caption": "row"}, {"file": nfc("é.csv#gone"), "caption": "none"}]
    (tmp_path / "side.jsonl").write_text("\n".join(map(json.dumps, side)))
    table = {"text": "body", "id": "id"}
    source = {"uri": str(tmp_path / "notes"), "sidecar": str(tmp_path / "side.jsonl"), "table": table}
    steps = pipeline(tmp_path, sources={"notes": source})
    report = steps.refresh("notes")
    assert {row["key"].partition("#")[2]: row["caption"] for row in steps.manifest.rows("notes")} == {
        nfd("ü"): "row",
        "b": None,
    }
    assert report.unmatched is not None and report.unmatched.names == (nfc("é.csv#gone"),)


def test_a_key_that_is_just_so_comes_before_one_with_its_source(steps: Steps, tmp_path: Path) -> None:
    """`notes/x.txt` is an item of the source `notes` by its key x.txt, unless an item has that very key."""
    inner = tmp_path / "notes" / "notes"
    inner.mkdir()
    (inner / "x.txt").write_text("inside")
    (tmp_path / "notes" / "x.txt").write_text("at the top")
    run_all(steps)
    record = steps.current_version("words")
    assert record is not None
    table = steps.vectors(record).open()
    assert table is not None
    (found,), _ = relevant_items(table, [LabelledQuery(query="q", relevant=("notes/x.txt",))])
    ids = {row["media_id"]: row["key"] for row in steps.manifest.rows("notes")}
    assert {ids[each] for each in found} == {"notes/x.txt"}
