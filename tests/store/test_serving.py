"""Serving: only what passed goes live, one of two racers wins, and the way back is one write."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import PromotionError, StoreError
from embed_assets.quality.checks import REQUIRED
from embed_assets.store.connection import Store
from embed_assets.store.nearest import open_release
from embed_assets.store.releases import CheckVerdict, Release, Releases, from_document
from embed_assets.store.serving import Pointer, Serving, live_release
from tests.support import vector_rows, vector_table

PASSED = tuple(CheckVerdict(name=name, passed=True, blocking=True, summary="fine") for name in sorted(REQUIRED))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path))


def release(store: Store, *, rows: int = 3, **changes: Any) -> Release:
    """A release of the table as it is after `rows` more rows were written."""
    ids = [f"{store.open_or_none('words__v1') is None}-{rows}-{number}" for number in range(rows)]
    table = vector_table(store, np.eye(rows, 8, dtype=np.float32), media_id=ids).open()
    assert table is not None
    facts = {"encoder": "words", "encoder_version": "v1", "table": "words__v1", "table_version": table.version}
    facts |= {"space": "words", "dim": 8, "distance": "cosine", "rows": table.count_rows(), "ann": False}
    return Release(**{**facts, "checks": PASSED, **changes})


def promote(store: Store, candidate: Release) -> Pointer:
    return Serving(store).promote(candidate, required=REQUIRED, by="test")


def test_a_release_that_passed_goes_live(store):
    candidate = release(store)
    pointer = promote(store, candidate)
    assert (pointer.generation, pointer.live, pointer.previous, pointer.by) == (1, candidate, None, "test")
    assert live_release(store, "words") == candidate


def test_a_failing_blocking_check_holds_the_pointer_back(store):
    promote(store, release(store))
    torn = CheckVerdict(name="accounts", passed=False, blocking=True, summary="2 items without vectors")
    others = tuple(check for check in PASSED if check.name != "accounts")
    with pytest.raises(PromotionError, match=r"stays a candidate.*accounts: 2 items without vectors"):
        promote(store, release(store, rows=4, checks=(*others, torn)))
    assert Serving(store).pointer("words").generation == 1


def test_a_missing_verdict_holds_the_pointer_back(store):
    candidate = release(store, checks=PASSED[1:])
    with pytest.raises(PromotionError, match=f"{PASSED[0].name}: never ran on words__v1@"):
        promote(store, candidate)
    assert Serving(store).pointer("words").live is None


def test_a_failing_check_that_does_not_block_lets_it_pass(store):
    warned = CheckVerdict(name="collapsed_vectors", passed=False, blocking=False, summary="0.95")
    assert promote(store, release(store, checks=(*PASSED, warned))).generation == 1


def test_promoting_twice_moves_the_pointer_once(store):
    candidate = release(store)
    promote(store, candidate)
    before = store.open("serving").version
    assert promote(store, candidate).generation == 1
    assert store.open("serving").version == before


def test_rolling_back_restores_the_previous_and_again_returns(store):
    first, second = release(store), release(store, rows=4)
    promote(store, first)
    promote(store, second)
    back = Serving(store).roll_back("words", by="test")
    assert (back.generation, back.live, back.previous) == (3, first, second)
    assert live_release(store, "words") == first
    assert Serving(store).roll_back("words", by="test").live == second


def test_there_is_nothing_to_roll_back_to_after_one_promotion(store):
    promote(store, release(store))
    with pytest.raises(PromotionError, match="no previous release"):
        Serving(store).roll_back("words", by="test")


class Late(Serving):
    """Read the pointer before somebody else moved it."""

    earlier: Pointer

    def pointer(self, space: str) -> Pointer:
        return self.earlier


def test_who_read_the_pointer_before_another_moved_it_loses(store):
    first, second, third = release(store), release(store, rows=4), release(store, rows=5)
    promote(store, first)
    late = Late(store)
    late.earlier = Serving(store).pointer("words")
    promote(store, second)
    with pytest.raises(PromotionError, match="moved by someone else"):
        late.promote(third, required=REQUIRED, by="late")
    pointer = Serving(store).pointer("words")
    assert (pointer.generation, pointer.live, pointer.previous) == (2, second, first)


def test_of_racers_for_one_generation_every_move_is_a_win_or_an_error(store):
    candidates = [release(store, rows=3 + number) for number in range(4)]
    Serving(store).set_up("words")
    barrier = Barrier(len(candidates))

    def race(candidate: Release) -> bool:
        barrier.wait()
        try:
            promote(Store(store.uri), candidate)
        except PromotionError:
            return False
        return True

    with ThreadPoolExecutor(len(candidates)) as pool:
        wins = sum(pool.map(race, candidates))
    pointer = Serving(store).pointer("words")
    assert pointer.generation == wins >= 1
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
    assert live_release(store, "words") == text
    assert live_release(store, "pictures") == image
    assert Serving(store).spaces() == ["pictures", "words"]


def test_an_unknown_space_lists_those_that_serve(store):
    with pytest.raises(StoreError, match="No space serves yet"):
        live_release(store, "text")
    promote(store, release(store))
    Serving(store).set_up("empty")
    with pytest.raises(StoreError, match=r"'text' serves nothing. Spaces that serve: words\."):
        live_release(store, "text")


def test_the_candidate_is_the_newest_table_version(store):
    releases = Releases(store)
    first = release(store)
    second = replace(first, table_version=first.table_version + 8)
    for each in (second, first, replace(first, encoder="other", table_version=99)):
        releases.put(each)
    found = releases.candidate("words", "v1")
    assert found is not None
    assert replace(found, at="") == second
    assert releases.candidate("words", "v2") is None


def test_a_release_survives_being_written_and_read(store):
    one = release(store, nprobes=40, refine_factor=5)
    assert from_document(one.document()) == one
