"""Item neighbours: those of a plain comparison of all with all, whatever the blocks."""

from pathlib import Path

import numpy as np
import pytest

from embed_assets.quality.inspection import item_neighbours as module
from embed_assets.quality.inspection.item_neighbours import item_neighbours, nearest_others
from embed_assets.store.store import Store
from tests.support import vector_table


@pytest.mark.parametrize("blocks", [(7, 13), (64, 500), (5, 3)])
def test_blocks_find_what_a_comparison_of_all_with_all_finds(
    monkeypatch: pytest.MonkeyPatch, blocks: tuple[int, int]
) -> None:
    monkeypatch.setattr(module, "_ROWS", blocks[0])
    monkeypatch.setattr(module, "_COLUMNS", blocks[1])
    vectors = np.random.default_rng(0).standard_normal((150, 12))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    plain = unit @ unit.T
    np.fill_diagonal(plain, -np.inf)
    wanted = np.argsort(-plain, axis=1)[:, :4]
    cosines, places = nearest_others(vectors, 4)
    assert places.tolist() == wanted.tolist()
    np.testing.assert_allclose(cosines, np.take_along_axis(plain, wanted, axis=1), atol=1e-6)


def test_few_items_have_fewer_neighbours_and_a_single_one_has_none() -> None:
    cosines, places = nearest_others(np.eye(3), 4)
    assert (places >= 0).sum(axis=1).tolist() == [2, 2, 2]
    assert np.isneginf(cosines[:, 2:]).all()
    assert (nearest_others(np.ones((1, 2)), 4)[1] == -1).all()
    assert nearest_others(np.zeros((0, 2)), 4)[1].shape == (0, 4)


def test_items_of_a_table_are_compared_by_the_mean_of_their_segments(tmp_path: Path) -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 1], [0, -1]], np.float32)
    names = ["a", "a", "b", "c"]  # the mean of a's two is b
    segments = [f"{name}:{number}" for number, name in enumerate(names)]
    table = vector_table(Store(str(tmp_path)), vectors, media_id=names, segment_id=segments).open()
    assert table is not None
    found = item_neighbours(table)
    assert found.items["media_id"].to_pylist() == ["a", "b", "c"]
    assert found.places[0, 0] == 1
    assert found.cosines[0, 0] == pytest.approx(1.0, abs=1e-6)
    sampled = item_neighbours(table, most=2)
    assert (sampled.total, len(sampled.items), len(sampled.vectors)) == (3, 2, 2)
    assert sampled.items.equals(item_neighbours(table, most=2).items), "a sample repeats"
