"""Smaller forms of vectors: their bytes, and that they lose what they should and no more."""

import numpy as np

from embed_assets.quality.leaderboard.variants import variants


def test_forms_are_named_with_their_bytes_and_come_near_the_whole():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = {each.name: each for each in variants(vectors, vectors[:5])}
    assert {name: each.bytes for name, each in found.items()} == {
        "float16": 256,
        "int8": 128,
        "1 bit": 16,
        "64 dims": 256,
        "32 dims": 128,
    }
    assert np.abs(found["float16"].vectors - vectors).max() < 1e-3
    assert np.abs(found["int8"].vectors - vectors).max() < np.abs(vectors).max() / 127
    assert len(np.unique(found["int8"].vectors[:, 0])) <= 255
    assert set(np.unique(found["1 bit"].vectors)) == {-1.0, 1.0}
    assert np.allclose(np.linalg.norm(found["64 dims"].vectors, axis=1), 1)
    assert found["64 dims"].queries.shape == (5, 64)
    assert all(each.vectors.dtype == np.float32 for each in found.values())


def test_vectors_of_few_dimensions_are_not_cut():
    assert [each.name for each in variants(np.ones((2, 33), np.float32), np.ones((1, 33), np.float32))] == [
        "float16",
        "int8",
        "1 bit",
    ]
    assert not np.isnan(next(variants(np.zeros((2, 4), np.float32), np.zeros((1, 4), np.float32))).vectors).any()
