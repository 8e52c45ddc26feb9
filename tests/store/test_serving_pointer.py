"""Serving: only what passed goes live, one of two racers wins, and the way back is one write."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.errors import PromotionError, StoreError
from embed_assets.quality.checks import REQUIRED
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import CheckVerdict, Release, from_document, release_tag
from embed_assets.store.serving.serving_pointer import (
    SCHEMA,
    Pointer,
    Serving,
    move_event,
    protect,
    releases_named,
)
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionId
from tests.store.made import PASSED, Late, files, promote, release, versions
from tests.support import vector_rows


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path))


def test_a_release_that_passed_goes_live(store):
    candidate = release(store)
    pointer = promote(store, candidate)
    assert pointer.generation == 1
    assert pointer.live == candidate
    assert pointer.previous is None
    assert pointer.moved_by == "test"
    assert store.serving.live_release("words") == candidate


def test_a_failing_blocking_check_holds_the_pointer_back(store):
    promote(store, release(store))
    torn = CheckVerdict(name="accounts", passed=False, blocking=True, summary="2 items without vectors")
    others = tuple(check for check in PASSED if check.name != "accounts")
    with pytest.raises(PromotionError, match=r"is not promoted.*accounts: 2 items without vectors"):
        promote(store, release(store, rows=4, checks=(*others, torn)))
    assert store.serving.pointer("words").generation == 1


def test_a_missing_verdict_holds_the_pointer_back(store):
    candidate = release(store, checks=PASSED[1:])
    with pytest.raises(PromotionError, match=f"{PASSED[0].name}: never ran on words__v1@"):
        promote(store, candidate)
    assert store.serving.pointer("words").live is None


def test_a_failing_check_that_does_not_block_lets_it_pass(store):
    warned = CheckVerdict(name="collapsed_vectors", passed=False, blocking=False, summary="0.95")
    assert promote(store, release(store, checks=(*PASSED, warned))).generation == 1


def test_promoting_twice_moves_the_pointer_once(store):
    candidate = release(store)
    promote(store, candidate)
    before = store.open("serving").version
    assert promote(store, candidate).generation == 1
    assert store.open("serving").version == before


def test_another_release_of_the_live_version_leaves_what_can_be_gone_back_to(store):
    promote(store, release(store, "v1"))
    promote(store, release(store, "v2"))
    again = release(store, "v2", rows=4)
    pointer = promote(store, again)
    assert pointer.live == again
    assert versions(pointer) == ["v2", "v1"]


def test_as_many_earlier_releases_stay_as_are_requested(store):
    for version in ("v1", "v2", "v3", "v4"):
        pointer = promote(store, release(store, version), keep=2)
    assert versions(pointer) == ["v4", "v3", "v2"]
    assert pointer == store.serving.pointer("words")
    assert versions(promote(store, release(store, "v3", rows=4), keep=2)) == ["v3", "v4", "v2"]


def test_rolling_back_restores_the_previous_and_again_returns(store):
    first, second = release(store, "v1"), release(store, "v2")
    promote(store, first)
    promote(store, second)
    back = store.serving.roll_back("words", by="test")
    assert back.generation == 3
    assert back.live == first
    assert back.previous == second
    assert back.held == ("v2",)
    assert store.serving.live_release("words") == first
    again = store.serving.roll_back("words", by="test")
    assert again.live == second
    assert again.held == ("v1",)


def test_rolling_back_to_a_version_keeps_the_others_in_order(store):
    for version in ("v1", "v2", "v3"):
        promote(store, release(store, version), keep=2)
    back = store.serving.roll_back("words", by="test", to="v1")
    assert versions(back) == ["v1", "v3", "v2"]
    assert back.held == ("v3",)
    with pytest.raises(PromotionError, match=r"can't go back to version 'v9'; it can to: words v3, words v2\."):
        store.serving.roll_back("words", by="test", to="v9")


def test_a_roll_back_is_one_commit_and_touches_no_other_table(store):
    promote(store, release(store, "v1"))
    promote(store, release(store, "v2"))
    before, version = files(store), store.open("serving").version
    store.serving.roll_back("words", by="test")
    after = files(store)
    assert store.open("serving").version == version + 1
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert {path.partition("/")[0] for path in changed} == {"serving.lance"}


def test_a_held_version_is_free_again_once_it_is_promoted(store):
    promote(store, release(store, "v1"))
    second = release(store, "v2")
    promote(store, second)
    assert store.serving.roll_back("words", by="test").held == ("v2",)
    assert promote(store, release(store, "v3")).held == ("v2",)
    assert promote(store, second).held == ()


def test_there_is_nothing_to_roll_back_to_after_one_promotion(store):
    promote(store, release(store))
    with pytest.raises(PromotionError, match="no previous release"):
        store.serving.roll_back("words", by="test")


def test_renewing_puts_a_release_in_the_place_of_its_versions_own(store):
    for version in ("v1", "v2", "v3"):
        promote(store, release(store, version), keep=2)
    for generation, version in ((4, "v1"), (5, "v3")):
        newer = release(store, version, rows=4)
        pointer = store.serving.renew(newer, required=REQUIRED, by="test")
        assert versions(pointer) == ["v3", "v2", "v1"]
        assert pointer.generation == generation
        assert newer in pointer.releases
    assert store.serving.renew(newer, required=REQUIRED, by="test").generation == 5
    assert release_tag(newer) in store.open("words__v3").tags.list()


def test_a_renewal_that_comes_second_is_made_on_top_of_the_first(store):
    promote(store, release(store, "v1"))
    promote(store, release(store, "v2"))
    late = Late(store)
    late.seen = store.serving.pointer("words")
    first, second = release(store, "v1", rows=4), release(store, "v2", rows=4)
    store.serving.renew(first, required=REQUIRED, by="test")
    assert late.renew(second, required=REQUIRED, by="late").releases == (second, first)


def test_an_older_release_renews_nothing(store):
    older = release(store, "v1")
    promote(store, release(store, "v1", rows=4))
    assert store.serving.renew(older, required=REQUIRED, by="test").generation == 1


def test_a_promotion_cuts_what_can_be_gone_back_to_though_nothing_else_changes(store):
    for version in ("v1", "v2", "v3"):
        last = release(store, version)
        promote(store, last, keep=2)
    assert versions(promote(store, last, keep=1)) == ["v3", "v2"]


def test_renewing_keeps_a_hold(store):
    promote(store, release(store, "v1"))
    promote(store, release(store, "v2"))
    store.serving.roll_back("words", by="test")
    pointer = store.serving.renew(release(store, "v2", rows=4), required=REQUIRED, by="test")
    assert versions(pointer) == ["v1", "v2"]
    assert pointer.held == ("v2",)


def test_only_what_the_pointer_names_and_what_passed_is_renewed(store):
    promote(store, release(store, "v1"))
    with pytest.raises(PromotionError, match="there is nothing to renew"):
        store.serving.renew(release(store, "v2"), required=REQUIRED, by="test")
    with pytest.raises(PromotionError, match="never ran"):
        store.serving.renew(release(store, "v1", rows=4, checks=()), required=REQUIRED, by="test")


def test_a_release_is_tagged_before_the_pointer_names_it(store):
    candidate = release(store)
    promote(store, candidate)
    tags = store.open("words__v1").tags.list()
    assert tags[release_tag(candidate)]["version"] == candidate.table_version


def test_a_release_whose_table_is_gone_is_not_promoted(store):
    promote(store, release(store, "v1"))
    candidate = release(store, "v2")
    store.drop("words__v2")
    with pytest.raises(StoreError, match="words__v2"):
        promote(store, candidate)
    assert store.serving.pointer("words").generation == 1


class Dropped(Serving):
    """The table goes while the pointer moves."""

    def _move(self, now: Pointer, then: Pointer, *, by: str) -> Pointer:
        self._database.drop("words__v2")
        return super()._move(now, then, by=by)


def test_a_release_that_is_removed_during_its_promotion_leaves_the_pointer_where_it_was(store):
    first = release(store, "v1")
    promote(store, first)
    with pytest.raises(PromotionError, match="was removed while it was promoted"):
        Dropped(store).promote(release(store, "v2"), required=REQUIRED, by="late")
    pointer = store.serving.pointer("words")
    assert pointer.generation == 3
    assert pointer.live == first
    assert pointer.rollback_targets == ()


def test_an_older_stores_pointer_reads_and_moves(store):
    first, second, third = release(store, "v1"), release(store, "v2"), release(store, "v3")
    row = {"space": "words", "generation": 7, "by": "before", "at": None}
    row |= {"live": json.dumps(second.document()), "previous": json.dumps(first.document())}
    fields = [pa.field(field.name, field.type, nullable=field.nullable) for field in SCHEMA if field.name != "held"]
    protect(store, first)
    old = store.open_or_create("serving", pa.schema(fields))
    old.add(pa.Table.from_pylist([row], schema=pa.schema(fields)))
    pointer = store.serving.pointer("words")
    assert pointer.live == second
    assert pointer.rollback_targets == (first,)
    assert pointer.held == ()
    assert store.serving.roll_back("words", by="test").held == ("v2",)
    pointer = promote(store, third, keep=2)
    assert pointer.generation == 9
    assert versions(pointer) == ["v3", "v1", "v2"]
    assert pointer.held == ("v2",)
    assert store.serving.pointer("words") == pointer


def test_who_read_the_pointer_before_another_moved_it_loses(store):
    first, second, third = release(store, "v1"), release(store, "v2"), release(store, "v3")
    promote(store, first)
    late = Late(store)
    late.seen = store.serving.pointer("words")
    promote(store, second)
    with pytest.raises(PromotionError, match=r"by test, it serves words__v2@.* \(generation 2\)"):
        late.promote(third, required=REQUIRED, by="late")
    pointer = store.serving.pointer("words")
    assert pointer.generation == 2
    assert pointer.live == second
    assert pointer.previous == first


@pytest.mark.parametrize("served_before", [False, True])
def test_of_racers_for_one_generation_one_wins_and_the_others_are_reported(store, served_before):
    candidates = [release(store, f"v{number}") for number in range(4)]
    if served_before:
        promote(store, release(store, "v9"))
    now = store.serving.pointer("words")
    barrier = Barrier(len(candidates))

    def race(candidate: Release) -> bool:
        racer = Late(Store(store.uri))
        racer.seen = now
        barrier.wait()
        try:
            racer.promote(candidate, required=REQUIRED, by=candidate.encoder_version)
        except PromotionError as error:
            assert "moved by someone else meanwhile: by v" in str(error)
            return False
        return True

    with ThreadPoolExecutor(len(candidates)) as pool:
        wins = sum(pool.map(race, candidates))
    pointer = store.serving.pointer("words")
    assert wins == 1
    assert pointer.generation == now.generation + 1
    assert pointer.live in candidates
    assert store.open("serving").count_rows() == 1


def test_a_release_reads_its_own_table_version_whatever_is_written_later(store):
    candidate = release(store, rows=3)
    promote(store, candidate)
    table = store.open("words__v1")
    table.add(vector_rows(table.schema, np.eye(5, 8), media_id=[f"late-{number}" for number in range(5)]))
    table.delete("media_id LIKE 'True-%'")
    assert store.open("words__v1").count_rows() == 5
    assert open_release(store, candidate).count_rows() == 3


def test_a_clean_up_keeps_what_was_promoted(store):
    candidate = release(store, rows=3)
    promote(store, candidate)
    release(store, rows=4)
    dataset = store.dataset("words__v1")
    dataset.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    assert open_release(store, candidate).count_rows() == 3


def test_a_release_that_a_clean_up_removed_says_so(store):
    candidate = release(store, rows=3)
    release(store, rows=4)
    store.dataset("words__v1").cleanup_old_versions(older_than=timedelta(0))
    with pytest.raises(StoreError, match=r"can't be read.*Roll back or promote another"):
        open_release(store, candidate)


def test_spaces_have_pointers_of_their_own(store):
    text, image = release(store), release(store, rows=4, space="pictures")
    promote(store, text)
    promote(store, image)
    assert store.serving.live_release("words") == text
    assert store.serving.live_release("pictures") == image
    assert store.serving.spaces() == ["pictures", "words"]


def test_what_all_pointers_name_is_known_at_once(store):
    for one in (release(store, "v1"), release(store, "v2"), release(store, "v3", space="pictures")):
        promote(store, one)
    assert {key.partition("@")[0] for key in releases_named(store.serving.pointers())} == {
        "words__v1",
        "words__v2",
        "words__v3",
    }


def test_a_moves_event_says_what_moved_by_whom_and_on_which_figures(store):
    measured = CheckVerdict(name="labelled_retrieval", passed=True, blocking=False, summary="", figures={"mrr": 0.5})
    promote(store, release(store, "v1"))
    event = move_event(promote(store, release(store, "v2", checks=(*PASSED, measured))))
    assert event.pop("checks")["labelled_retrieval"] == {"passed": True, "mrr": 0.5}
    assert event.pop("live").startswith("words__v2@")
    assert [key.partition("@")[0] for key in event.pop("earlier")] == ["words__v1"]
    assert event.pop("release").startswith("words__v2@")
    facts = {"space": "words", "encoder": "words", "version": "v2", "held": [], "generation": 2, "by": "test"}
    assert event == facts


def test_an_unknown_space_lists_those_that_serve(store):
    with pytest.raises(StoreError, match="No space serves yet"):
        store.serving.live_release("text")
    promote(store, release(store))
    store.serving.set_up("empty")
    with pytest.raises(StoreError, match=r"'text' serves nothing. Spaces that serve: words\."):
        store.serving.live_release("text")


def test_the_candidate_is_the_newest_table_version(store):
    releases = store.releases
    first = release(store)
    second = replace(first, table_version=first.table_version + 8)
    for each in (second, first, replace(first, encoder="other", table_version=99)):
        releases.put(each)
    found = releases.candidate(VersionId("words", "v1"))
    assert found is not None
    assert replace(found, at="") == second
    assert releases.candidate(VersionId("words", "v2")) is None


def test_a_release_survives_being_written_and_read(store):
    one = release(store, nprobes=40, refine_factor=5)
    assert from_document(one.document()) == one
