"""Queries of several parts: weights, stored items, filters, words and meaning, spaces fused, duplicates, diversity."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import EncoderOutputError, SettingsError, StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.filter_arguments import parse_condition
from embed_assets.search.filters import columns_named, parse_filter
from embed_assets.search.searcher import Searcher, query_of
from embed_assets.settings import ComputeSettings
from tests.kept import Kept
from tests.support import pipeline, run_all

TEXTS = {
    "beach/sand": "sand beach waves sun",
    "beach/people": "sand beach waves people crowd",
    "beach/umbrella": "beach umbrella sun chair",
    "town/square": "people crowd square market",
    "town/market": "market square fruit stalls",
    "town/copy": "market square fruit stalls",
    "town/tram": "tram rails street wires",
    "sea/ship": "ship waves harbour mast",
}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def searcher(tmp_path: Path, words: list[Any], kept: Kept) -> Searcher:
    """Eight short texts, labelled by folder, in two spaces."""
    steps = built(tmp_path, kept)
    return Searcher(steps.store, compute=ComputeSettings(device="cpu", offline=True))


def built(tmp_path: Path, kept: Kept) -> Steps:
    encoders = {"words": {"model": "words"}, "others": {"model": "words", "space": "others", "generation": 2}}
    sources = {"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}}
    steps = pipeline(tmp_path, sources=sources, encoders=encoders)

    def write_and_run() -> None:
        for name, text in TEXTS.items():
            file = tmp_path / "notes" / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        run_all(steps)

    kept.once("built", write_and_run)
    return steps


def keys(searcher: Searcher, *parts: Any, **options: Any) -> list[str]:
    """Keys without their suffix; a part is words or a mapping."""
    whole = [part if isinstance(part, dict) else {"text": part} for part in parts]
    options = {"spaces": ["words"], **options}
    return [hit.key.removesuffix(".txt") for hit in searcher.search(query_of(parts=whole, **options))]


def test_a_part_with_a_negative_weight_takes_its_meaning_away(searcher: Searcher) -> None:
    assert keys(searcher, "sand beach waves people", k=1) == ["beach/people"]
    away = {"text": "people crowd", "weight": -0.8}
    assert keys(searcher, "sand beach waves people", away, k=1) == ["beach/sand"]


def test_parts_that_cancel_each_other_leave_nothing_to_look_for(searcher: Searcher) -> None:
    with pytest.raises(SettingsError, match="cancel each other"):
        keys(searcher, "beach", {"text": "beach", "weight": -1})


def test_more_like_a_stored_item_leaves_it_out(searcher: Searcher) -> None:
    found = keys(searcher, {"item": "notes/town/market.txt"}, k=7)
    assert found[0] == "town/copy"
    assert "town/market" not in found
    assert len(found) == 7
    with pytest.raises(StoreError, match=r"no item 'notes/town/nowhere\.txt'"):
        keys(searcher, {"item": "notes/town/nowhere.txt"})


def test_filters_are_of_columns_and_combine(searcher: Searcher) -> None:
    assert set(keys(searcher, "beach", k=8, where={"label": "beach"})) == {key for key in TEXTS if "beach/" in key}
    either = {"or": [{"label": "sea"}, {"key": {"prefix": "town/t"}}]}
    assert set(keys(searcher, "beach", k=8, where=either)) == {"sea/ship", "town/tram"}
    assert set(keys(searcher, "beach", k=8, where={"not": {"label": ["beach", "town"]}})) == {"sea/ship"}
    assert set(keys(searcher, "beach", k=8, where={"text": {"contains": "FRUIT"}})) == {"town/market", "town/copy"}
    assert keys(searcher, "beach", where={"embedded": {"gt": "2200-01-01"}}) == []


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"modified": {"gt": "0001-01-01T00:00:00+14:00"}}, "Filter on 'modified': it holds times"),
        ({"lable": "beach"}, "No column 'lable' to filter by. Did you mean 'label'?"),
        ({"embedded": {"lt": "yesterday"}}, "it holds times"),
        ({"label": {"lt": "b"}}, "can't compare labels"),
        ({"embedded": {"prefix": "2"}}, "prefix is of texts"),
    ],
)
def test_a_filter_that_does_not_fit_names_the_column(where: dict, message: str, searcher: Searcher) -> None:
    with pytest.raises(SettingsError, match=message):
        keys(searcher, "beach", where=where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "where: expected an object"),
        ({"and": []}, "where.and: expected a list"),
        ({"a": {"sounds like": "b"}}, "is no comparison"),
        ({"a": {"in": []}}, "expected a list of 1 to 1000"),
        ({"a": {"eq": None}}, "expected a text, a number"),
        ({"a": {"lt": float("nan")}}, "can't be compared"),
        ({"a": {"eq": 2**63}}, "beyond 64 bits"),
        ({"a": {"eq": "\0"}}, "without NUL"),
        ({"or": [{"a": number} for number in range(65)]}, "more than 64 conditions"),
    ],
)
def test_a_filter_that_is_none_names_the_part(where: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_filter(where)


def test_a_filter_nested_too_deeply_is_refused() -> None:
    tree: Any = {"a": 1}
    for _ in range(8):
        tree = {"not": tree}
    with pytest.raises(SettingsError, match="nested deeper"):
        parse_filter(tree)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("label=dog", {"label": {"eq": "dog"}}),
        ("label=dog,cat", {"label": {"in": ["dog", "cat"]}}),
        ("price<20", {"price": {"lt": 20}}),
        ("price>=2.5", {"price": {"gte": 2.5}}),
        ("zip=01234", {"zip": {"eq": "01234"}}),
        ('year="2020"', {"year": {"eq": "2020"}}),
        ("title~a=b", {"title": {"contains": "a=b"}}),
        ("source!=web", {"source": {"ne": "web"}}),
    ],
)
def test_a_condition_of_the_command_line(text: str, document: dict) -> None:
    assert parse_condition(text).document() == document


def test_an_argument_without_a_comparison_is_refused() -> None:
    with pytest.raises(SettingsError, match="'no sign' is no condition"):
        parse_condition("no sign")


def test_the_columns_of_a_filter_are_named_once() -> None:
    tree = parse_filter({"or": [{"price": {"gt": 2, "lt": 5}}, {"not": {"label": "a"}}, {"price": 9}]})
    assert columns_named(tree) == ["price", "label"]
    assert columns_named(None) == []


def test_words_find_texts_that_have_them_and_hybrid_finds_both(searcher: Searcher) -> None:
    answer = searcher.search(query_of(parts=[{"text": "fruit"}], spaces=["words"], mode="text"))
    assert {hit.key for hit in answer} == {"town/market.txt", "town/copy.txt"}
    assert answer[0].score is None
    assert answer[0].ranks == {"words:words": 1}
    both = searcher.search(query_of(parts=[{"text": "fruit beach"}], spaces=["words"], mode="hybrid", k=8))
    assert len(both) == 8
    assert {len(hit.ranks) for hit in both} == {1, 2}
    away = [{"text": "waves"}, {"text": "ship", "weight": -1}]
    assert "sea/ship" not in keys(searcher, *away, mode="text", k=8)


def test_words_that_mean_something_to_a_query_language_are_words(searcher: Searcher) -> None:
    for nasty in ('fruit"', "fruit AND (", "fruit*", "text:fruit", "+fruit -stalls", "fruit^2 ~"):
        assert set(keys(searcher, nasty, mode="text", k=8)) >= {"town/market", "town/copy"}, nasty
    assert keys(searcher, "()", mode="text") == []


def test_several_spaces_are_fused_and_each_rank_is_told(searcher: Searcher) -> None:
    answer = searcher.search("tram rails", k=3)
    assert answer[0].key == "town/tram.txt"
    assert answer[0].ranks == {"words": 1, "others": 1}
    assert {space.space for space in answer.spaces} == {"words", "others"}
    assert len({hit.media_id for hit in answer}) == 3


def test_a_space_that_cannot_answer_is_left_out_of_several(tmp_path: Path, words: list[Any], kept: Kept) -> None:
    store = built(tmp_path, kept).store
    copied = tmp_path / "copied"
    shutil.copytree(store.uri, copied)
    before = Searcher(str(copied), compute=ComputeSettings(device="cpu", offline=True))
    assert len(before.search("tram rails", k=1).spaces) == 2
    (others,) = (name for name in store.table_names() if name.startswith("others__") and "queries" not in name)
    shutil.rmtree(copied / f"{others}.lance")
    for searcher in (before, Searcher(str(copied), compute=ComputeSettings(device="cpu", offline=True))):
        answer = searcher.search("tram rails", k=1)
        assert (answer[0].key, [space.space for space in answer.spaces]) == ("town/tram.txt", ["words"])
        assert answer.notes[0].startswith("Space 'others' is left out: ")
        assert searcher.facets()["label"]["values"]["town"] == 4
        assert searcher.visible(answer[0].media_id, parse_filter({"label": "town"}))
        with pytest.raises(StoreError):
            searcher.search("tram rails", space="others")


def test_a_vector_without_a_direction_is_refused(searcher: Searcher) -> None:
    release = searcher.open_space("words").release
    part = {"vector": [0.0] * release.dim, "encoder_version": release.encoder_version}
    with pytest.raises(EncoderOutputError, match="no direction"):
        keys(searcher, part)


def test_pages_follow_each_other_without_a_gap(searcher: Searcher) -> None:
    whole = keys(searcher, "waves market", k=8)
    assert [*keys(searcher, "waves market", k=3), *keys(searcher, "waves market", k=5, offset=3)] == whole
    assert keys(searcher, "waves market", k=5, offset=8) == []


def test_pages_of_diverse_results_follow_each_other(searcher: Searcher) -> None:
    options: dict[str, Any] = {"diversity": 0.6, "fold_duplicates": True, "mode": "hybrid"}
    whole = keys(searcher, "waves market", k=7, **options)
    pages = [keys(searcher, "waves market", k=1, offset=offset, **options) for offset in range(7)]
    assert [key for page in pages for key in page] == whole


def test_items_behind_many_copies_of_one_are_found(tmp_path: Path, words: list[Any], kept: Kept) -> None:
    built(tmp_path, kept)
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text("sand beach waves sun")
    (folder / "other.txt").write_text("tram rails street wires")
    steps = pipeline(folder, sources={"copies": {"uri": str(folder)}}, encoders={"words": {"model": "words"}})
    run_all(steps)
    searcher = Searcher(steps.store, compute=ComputeSettings(device="cpu", offline=True))
    assert keys(searcher, "sand beach", k=2, fold_duplicates=True)[1] == "other"


def test_nearly_identical_items_are_one_and_names_of_the_others_are_kept(searcher: Searcher) -> None:
    options = {"spaces": ["words"], "fold_duplicates": True, "k": 8}
    answer = searcher.search(query_of(parts=[{"text": "market square fruit"}], **options))
    assert len(answer) == 7
    folded = {answer[0].key, answer[0].duplicates[0].removeprefix("notes/")}
    assert folded == {"town/market.txt", "town/copy.txt"}


def test_diversity_puts_what_is_alike_behind_what_is_not(searcher: Searcher) -> None:
    assert set(keys(searcher, "market square fruit", k=2)) == {"town/market", "town/copy"}
    assert set(keys(searcher, "market square fruit", k=2, diversity=0.9)) != {"town/market", "town/copy"}


def test_a_range_of_distances_bounds_the_answer(searcher: Searcher) -> None:
    near = searcher.search(query_of(parts=[{"text": "tram rails street wires"}], spaces=["words"], max_distance=0.3))
    assert [hit.key for hit in near] == ["town/tram.txt"]
    parts = [{"text": "tram rails street wires market"}]
    both = searcher.search(query_of(parts=parts, spaces=["words"], mode="hybrid", max_distance=0.3))
    assert [hit.key for hit in both] == ["town/tram.txt"]  # not the market, which words alone find


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"k": 0}, "k: Input should be greater than or equal to 1, found '0'"),
        ({"k": -3}, "k: Input should be greater"),
        ({"k": 1_000_000}, "k: Input should be less than or equal to 10000"),
        ({"k": 9000, "offset": 9000}, "k and offset together are 18000"),
        ({"parts": [{"text": "  "}]}, "the words are empty"),
        ({"parts": [{"text": "a" * 100_000}]}, "at most 20000 characters"),
        ({"parts": []}, "at least 1 item"),
        ({"parts": [{"text": "a", "item": "b"}]}, "found text and item"),
        ({"parts": [{}]}, "found none of them"),
        ({"parts": [{"text": "a", "weight": -1}]}, "all parts have negative weights"),
        ({"parts": [{"item": "a"}], "mode": "text"}, "mode text needs words"),
        ({"parts": [{"vector": [1.0]}]}, "needs the encoder_version"),
        ({"parts": [{"item": "a", "start": 2**70}]}, "parts.0.start: Input should be less than"),
        ({"mode": "smell"}, "mode: Input should be"),
        ({"mode": "text", "max_distance": 0.5}, "words alone have no distance"),
        ({"max_distance": float("nan")}, "max_distance: Input should be a finite number"),
        ({"min_distance": 2, "max_distance": 1}, "min_distance is greater than max_distance"),
        ({"rerank": True}, "rerank needs a cross-encoder"),
        ({"parts": [{"upload": "a.png"}]}, "only the service has such"),
    ],
)
def test_a_query_that_is_none_is_one_clear_message(fields: dict, message: str, searcher: Searcher) -> None:
    with pytest.raises(SettingsError) as raised:
        searcher.search(query_of(**{"parts": [{"text": "a"}], **fields}))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_answer_is_a_list_a_table_and_json(searcher: Searcher) -> None:
    answer = searcher.search("beach", space="words", k=3)
    assert answer.to_arrow().column("key").to_pylist() == [hit.key for hit in answer]
    assert repr(answer) == f"<Answer: {len(answer)} hits in {answer.spaces[0].space}, good_match={answer.good_match}>"
    document = answer.document()
    assert document["hits"][0]["key"] == answer[0].key
    assert document["spaces"][0]["encoder_version"] == answer.spaces[0].encoder_version


def test_facets_count_items_for_the_filter_at_hand(searcher: Searcher) -> None:
    facets = searcher.facets(spaces=["words"])
    assert facets["label"]["values"] == {"town": 4, "beach": 3, "sea": 1}
    assert facets["source"] == {"type": "text", "values": {"notes": 8}, "distinct": 1}
    narrowed = searcher.facets(where=parse_filter({"text": {"contains": "waves"}}))
    assert narrowed["label"]["values"] == {"beach": 2, "sea": 1}


def test_a_key_of_several_sources_names_no_one_item(tmp_path: Path, words: list[Any], kept: Kept) -> None:
    built(tmp_path, kept)
    folder = tmp_path / "same names"
    for name, text in {"one/a.txt": TEXTS["beach/sand"], "two/a.txt": TEXTS["town/tram"], "two/one/a.txt": "x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sources = {name: {"uri": str(folder / name)} for name in ("one", "two")}
    steps = pipeline(folder, sources=sources, encoders={"words": {"model": "words"}})
    run_all(steps)
    searcher = Searcher(steps.store, compute=ComputeSettings(device="cpu", offline=True))
    with pytest.raises(SettingsError, match=r"name one of (one/a.txt and two/a.txt|two/a.txt and one/a.txt)"):
        keys(searcher, {"item": "a.txt"})
    hits = searcher.search(query_of(parts=[{"item": "one/a.txt"}], spaces=["words"]))
    assert {(hit.source, hit.key) for hit in hits} == {("two", "a.txt"), ("two", "one/a.txt")}


def test_a_filter_of_whoever_asks_holds_beside_the_querys_own(searcher: Searcher) -> None:
    town = parse_filter({"label": "town"})
    everything = query_of(parts=[{"text": "beach"}], where={"or": [{"label": "beach"}, {"label": "town"}]}, k=8)
    assert {hit.labels for hit in searcher.search(everything, must=town)} == {("town",)}
    beach = query_of(parts=[{"item": "notes/beach/sand.txt"}], spaces=["words"])
    nowhere = query_of(parts=[{"item": "notes/beach/nothing.txt"}], spaces=["words"])
    with pytest.raises(StoreError) as hidden:
        searcher.search(beach, must=town)
    with pytest.raises(StoreError) as missing:
        searcher.search(nowhere, must=town)
    assert str(hidden.value).replace("sand", "nothing") == str(missing.value)
    hit = searcher.search("sand beach waves sun", space="words", k=1)[0]
    assert not searcher.visible(hit.media_id, town)
    assert searcher.visible(hit.media_id, parse_filter({"label": "beach"}))
    assert set(searcher.facets(must=town)["label"]["values"]) == {"town"}
