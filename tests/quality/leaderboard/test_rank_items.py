"""Ranking in memory against a loop, for every distance, with several segments an item."""

import numpy as np
import pytest

from embed_assets.quality.leaderboard import rank_items as ranking
from embed_assets.quality.leaderboard.rank_items import rank_items


def by_hand(query: np.ndarray, vectors: np.ndarray, owners: list[str], distance: str) -> list[str]:
    nearest: dict[str, float] = {}
    for vector, owner in zip(vectors, owners, strict=True):
        if distance == "cosine":
            far = 1 - query @ vector / (np.linalg.norm(query) * np.linalg.norm(vector))
        elif distance == "l2":
            far = ((query - vector) ** 2).sum()
        else:
            far = -query @ vector
        nearest[owner] = min(far, nearest.get(owner, np.inf))
    return sorted(nearest, key=lambda name: nearest[name])


@pytest.mark.parametrize("distance", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("chunk", [100, 16_000_000])
def test_items_are_ranked_by_their_best_segment(distance: str, chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranking, "_CHUNK", chunk)
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(60, 8)) * random.uniform(0.5, 2, (60, 1))).astype(np.float32)
    owners = [f"item{number % 23:02}" for number in range(60)]
    queries = random.normal(size=(7, 8)).astype(np.float32)
    found = rank_items(queries, vectors, owners, distance=distance, depth=5)
    assert found == [by_hand(query, vectors, owners, distance)[:5] for query in queries]


def test_the_item_that_a_query_is_made_of_is_left_out():
    vectors = np.eye(3, dtype=np.float32)
    found = rank_items(vectors, vectors, ["a", "b", "c"], distance="cosine", excluded=["a", None, "not there"])
    assert [ranked[0] for ranked in found] == ["b", "b", "c"]
    assert "a" not in found[0] and len(found[0]) == 2


def test_of_nothing_nothing_is_found():
    assert rank_items(np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32), [], distance="cosine") == [[], []]
