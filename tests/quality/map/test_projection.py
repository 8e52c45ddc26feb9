"""Projection: fitted once, so that places stay when vectors are added; kept with the version."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.quality.map import projection as module
from embed_assets.quality.map.projection import best_method, fit_projection, places_on
from embed_assets.store.serving.kept_projection import (
    Projection,
    forget_projection,
    keep_projection,
    projection_file,
    read_projection,
)
from embed_assets.store.store import Store
from tests.quality.inspection.items import clusters


class FakePlane:
    """Stands in for umap-learn's class where that is not installed: the first two components, cubed."""

    def __init__(self, **_: Any) -> None:
        pass

    def fit_transform(self, components: np.ndarray) -> np.ndarray:
        return components[:, :2] ** 3


@pytest.fixture(params=["pca", "umap"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "umap" and importlib.util.find_spec("umap") is None:
        found: Any = types.ModuleType("umap")
        found.UMAP = FakePlane
        monkeypatch.setitem(sys.modules, "umap", found)
    return str(request.param)


def test_added_vectors_do_not_move_the_others(method: str) -> None:
    vectors = clusters(topics=4, each=40).astype(np.float32)
    plane = fit_projection(vectors, method=method)
    assert plane.method == method
    before = places_on(plane, vectors)
    added = np.concatenate([clusters(topics=3, each=50, seed=7).astype(np.float32), vectors])
    after = places_on(plane, added)
    np.testing.assert_allclose(after[150:], before, atol=1e-5)
    assert np.isfinite(after).all()
    moved = fit_projection(added, method=method)
    assert np.abs(places_on(moved, vectors) - before).max() > 0.01, "a plane that is fitted again has other places"


def test_a_plane_by_components_is_readable_and_repeats() -> None:
    vectors = clusters(topics=4, each=40) * np.geomspace(100, 1, 16)
    places = places_on(fit_projection(vectors, method="pca"), vectors)
    np.testing.assert_allclose(places.std(axis=0), 1, atol=1e-3)
    assert np.array_equal(places, places_on(fit_projection(vectors, method="pca"), vectors))


def test_a_large_index_is_fitted_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FITTED", 30)
    vectors = clusters(topics=4, each=40)
    plane = fit_projection(vectors, method="pca")
    assert plane.fitted == 30
    assert places_on(plane, vectors).shape == (160, 2)


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.ones((1, 4)), np.ones((9, 4)), np.arange(5.0)[:, None]])
def test_few_or_equal_vectors_have_places(vectors: np.ndarray) -> None:
    places = places_on(fit_projection(vectors, method="umap"), vectors)
    assert places.shape == (len(vectors), 2)
    assert np.isfinite(places).all()


def test_the_method_is_what_is_installed() -> None:
    assert best_method() == ("pca" if importlib.util.find_spec("umap") is None else "umap")


def test_a_plane_is_kept_as_it_is(tmp_path: Path, method: str) -> None:
    store, vectors = Store(str(tmp_path)), clusters(topics=4, each=40)
    plane = fit_projection(vectors, method=method)
    assert read_projection(store, "words__v1") is None
    keep_projection(store, "words__v1", plane)
    kept = read_projection(store, "words__v1")
    assert isinstance(kept, Projection)
    assert (kept.method, kept.fitted) == (method, 160)
    assert np.array_equal(places_on(kept, vectors), places_on(plane, vectors))
    (tmp_path / projection_file("words__v1")).write_text('{"method": "pca"}')
    assert read_projection(store, "words__v1") is None
    forget_projection(store, "words__v1")
    forget_projection(store, "words__v1")
    assert not (tmp_path / projection_file("words__v1")).exists()
