"""Saved queries on real pipelines: what is new, gone and new again; edits, limits, other definitions and models."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SavedQueryError, UnknownNameError
from embed_assets.pipeline.reports.match_report import MatchReport
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.kept_matches import matches_file
from tests.support import picture, pipeline, rewrite, run_all, table_versions, write_notes

BOATS: dict[str, Any] = {"space": "words", "query": "boat harbour tide"}


def saved(folder: Path, query: dict[str, Any] = BOATS, **changes: Any) -> Steps:
    """A pipeline with the saved query "boats"."""
    return pipeline(folder, saved_queries={"boats": query}, **changes)


def boat(folder: Path, name: str, words: str = "boat harbour tide") -> Path:
    file = folder / "notes" / f"{name}.txt"
    file.write_text(f"{words} {name}")
    return file


def report(steps: Steps) -> MatchReport:
    """What the asset does: search, report, keep."""
    found = steps.matches("boats")
    steps.keep_matches(found)
    return found


def new(found: MatchReport) -> list[str]:
    return sorted(each.key for each in found.new)


def gone(found: MatchReport) -> list[str]:
    return sorted(each.name for each in found.gone)


@pytest.fixture
def served(tmp_path: Path, words: list[Any]) -> Steps:
    """A hundred notes and two boats."""
    write_notes(tmp_path / "notes", 100)
    boat(tmp_path, "ann")
    boat(tmp_path, "ben")
    steps = saved(tmp_path)
    run_all(steps)
    return steps


def test_the_first_report_has_all_matches_and_none_is_new(served: Steps):
    found = report(served)
    assert {each.key for each in found.matches} == {"ann.txt", "ben.txt"}
    assert found.first and not found.new and not found.gone
    assert all(each.percentile is not None and each.percentile >= 99 for each in found.matches)
    assert found.in_words() == '"boat harbour tide": 2 matches (the first report).'


def test_looking_keeps_nothing(served: Steps, tmp_path: Path):
    report(served)
    boat(tmp_path, "cat")
    run_all(served)
    before = table_versions(served.store)
    assert new(served.matches("boats")) == new(served.matches("boats")) == ["cat.txt"]
    assert table_versions(served.store) == before
    assert new(report(served)) == ["cat.txt"]
    again = served.matches("boats")
    assert new(again) == [] and len(again.matches) == 3
    assert all(each.since is not None for each in again.matches)


def test_an_item_that_is_edited_and_still_matches_is_not_new(served: Steps, tmp_path: Path):
    report(served)
    rewrite(tmp_path / "notes" / "ann.txt", "boat harbour tide gull")
    run_all(served)
    found = report(served)
    assert new(found) == [] and gone(found) == []


def test_what_stops_matching_is_gone_and_new_when_it_matches_again(served: Steps, tmp_path: Path):
    report(served)
    rewrite(tmp_path / "notes" / "ann.txt", "amber anchor autumn barley")
    (tmp_path / "notes" / "ben.txt").unlink()
    run_all(served)
    found = report(served)
    assert gone(found) == ["notes/ann.txt", "notes/ben.txt"] and new(found) == []
    assert gone(report(served)) == [], "once"
    rewrite(tmp_path / "notes" / "ann.txt", "boat harbour tide ann")
    run_all(served)
    assert new(report(served)) == ["ann.txt"]


def test_a_renamed_item_is_not_new(served: Steps, tmp_path: Path):
    report(served)
    (tmp_path / "notes" / "ann.txt").rename(tmp_path / "notes" / "zoe.txt")
    run_all(served)
    found = report(served)
    assert new(found) == [] and gone(found) == []
    assert {each.key for each in found.matches} == {"zoe.txt", "ben.txt"}


def test_another_definition_begins_again(served: Steps, tmp_path: Path):
    report(served)
    boat(tmp_path, "cat")
    run_all(served)
    for change in ({"query": "boat harbour"}, {"min_percentile": 95}, {"limit": 10}, {"filter": {"key": "cat.txt"}}):
        changed = saved(tmp_path, BOATS | change)
        assert changed.matches_are_due("boats")
        found = changed.matches("boats")
        assert found.first and not found.new and found.matches, change
    assert [each.key for each in found.matches] == ["cat.txt"]


def test_another_model_is_compared_by_item(served: Steps, tmp_path: Path):
    before = report(served)
    boat(tmp_path, "cat")
    other = saved(tmp_path, encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    run_all(other)
    found = report(other)
    assert not found.first and new(found) == ["cat.txt"]
    assert found.version != before.version
    assert found.release == other.store.serving.live_release("words").key


def test_an_item_beyond_the_limit_still_matches(served: Steps, tmp_path: Path):
    few = saved(tmp_path, BOATS | {"limit": 2})
    report(few)
    boat(tmp_path, "cat", "boat harbour tide boat harbour tide boat harbour tide")
    run_all(few)
    found = report(few)
    assert found.more and new(found) == ["cat.txt"] and gone(found) == []
    assert found.matches[0].key == "cat.txt" and len(found.matches) == 3


def test_a_filter_leaves_out_others(served: Steps, tmp_path: Path):
    filtered = saved(tmp_path, BOATS | {"filter": {"key": {"prefix": "b"}}})
    assert [each.key for each in filtered.matches("boats").matches] == ["ben.txt"]


def test_more_like_a_stored_item(served: Steps, tmp_path: Path):
    like = saved(tmp_path, {"space": "words", "like": "notes/ann.txt", "min_percentile": 90})
    assert [each.key for each in like.matches("boats").matches] == ["ben.txt"]
    lost = saved(tmp_path, {"space": "words", "like": "notes/nobody.txt"})
    with pytest.raises(SavedQueryError, match=r"Saved query 'boats': Space 'words' has no item 'notes/nobody\.txt'"):
        lost.matches("boats")


def test_a_picture_to_search_with(tmp_path: Path, words: list[Any]):
    (tmp_path / "notes").mkdir()
    for number in range(110):
        (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
    wanted = {"space": "pictures", "file": str(tmp_path / "query.png")}
    pixels = {"encoders": {"pixels": {"model": "pixels", "space": "pictures"}}}
    (tmp_path / "query.png").write_bytes(picture(7, side=64))
    steps = saved(tmp_path, wanted, **pixels)
    run_all(steps)
    found = report(steps)
    assert found.matches[0].key == "7.png" and found.query == "query.png"
    (tmp_path / "query.png").write_bytes(picture(8, side=64))
    other = saved(tmp_path, wanted, **pixels).matches("boats")
    assert other.first and other.matches[0].key == "8.png", "another file at the same path is another query"
    (tmp_path / "query.png").unlink()
    with pytest.raises(SavedQueryError, match=r"Query file '.*query\.png' does not exist"):
        saved(tmp_path, wanted, **pixels).matches("boats")


def test_it_waits_for_a_space_that_serves_and_for_percentiles(tmp_path: Path, words: list[Any]):
    write_notes(tmp_path / "notes", 3)
    steps = saved(tmp_path)
    assert report(steps).waits_for == "space 'words' serves nothing."
    assert not steps.matches_are_due("boats")
    run_all(steps)
    assert steps.matches_are_due("boats")
    found = report(steps)
    assert found.waits_for == "space 'words' has no percentiles, which take 100 segments." and not found.matches
    assert not steps.matches_are_due("boats")
    write_notes(tmp_path / "notes", 100)
    boat(tmp_path, "ann")
    run_all(steps)
    found = report(steps)
    assert found.first and [each.key for each in found.matches] == ["ann.txt"]


def test_a_report_is_due_after_each_promotion_and_renewal(served: Steps, tmp_path: Path):
    assert served.matches_are_due("boats")
    report(served)
    assert not served.matches_are_due("boats")
    boat(tmp_path, "cat")
    run_all(served)
    assert served.matches_are_due("boats")


def test_a_damaged_file_is_named(served: Steps):
    report(served)
    file = Path(served.store.uri) / matches_file("boats")
    assert json.loads(file.read_text())["items"]
    file.write_text("{")
    with pytest.raises(SavedQueryError, match=r"Saved query 'boats': saved_queries/boats\.json of store .* is damaged"):
        served.matches("boats")


def test_an_unknown_name_suggests_the_nearest(served: Steps):
    with pytest.raises(UnknownNameError, match=r"There is no saved query 'boat'\. Did you mean 'boats'\?"):
        served.matches("boat")
