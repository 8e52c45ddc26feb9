"""k means k items: one long document does not stand for all, by exact search and by the ANN index."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.settings import IndexSettings
from embed_assets.store.serving.nearest_rows import exact, nearest_items
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.store import Store
from tests.support import vector_table

DIM = 16
QUERY = np.eye(1, DIM, dtype=np.float32)[0]


def around(distance: float, count: int, seed: int) -> np.ndarray:
    """Unit vectors about so far from the query."""
    found = QUERY + distance * np.random.default_rng(seed).standard_normal((count, DIM)) / np.sqrt(DIM)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


class Corpus:
    """A vector table of items: (name, segments, distance from the query)."""

    def __init__(self, folder: Path, items: Sequence[tuple[str, int, float]], *, ann: bool, **columns: Any) -> None:
        self.store, self.ann = Store(str(folder)), ann
        self.ids = [name for name, count, _ in items for _ in range(count)]
        vectors = np.concatenate([around(distance, count, seed) for seed, (_, count, distance) in enumerate(items)])
        keys = [f"{name}:chunk:{number}" for number, name in enumerate(self.ids)]
        shown: dict[str, Any] = {name: [values[each] for each in self.ids] for name, values in columns.items()}
        vector_table(self.store, vectors, media_id=self.ids, segment_id=keys, **shown)
        if ann:
            settings = IndexSettings(min_rows=1, rows_per_partition=16)
            build_indices(self.store, "words__v1", distance="cosine", settings=settings)
        self.table = self.store.open("words__v1")

    def found(self, k: int, *, where: str | None = None) -> list[str]:
        facts: dict[str, Any] = {"space": "words", "encoder": "words", "encoder_version": "v1", "table": "words__v1"}
        facts |= {"table_version": self.table.version, "dim": DIM, "distance": "cosine", "rows": len(self.ids)}
        release = Release(**facts, ann=self.ann, nprobes=1, refine_factor=2)
        rows = nearest_items(self.table, QUERY, release, k=k, columns=["media_id"], where=where)
        distances = [row["_distance"] for row in rows]
        assert distances == sorted(distances)
        return [row["media_id"] for row in rows]

    def truth(self, k: int, *, where: str | None = None) -> list[str]:
        """By one fetch of everything."""
        options: dict[str, Any] = {"distance": "cosine", "columns": ["media_id"], "where": where}
        [rows] = exact(self.table, QUERY[None, :], k=max(1, len(self.ids)), **options)
        return list(dict.fromkeys(rows["media_id"].to_pylist()))[:k]


ways = pytest.mark.parametrize("ann", [False, True])
NOTES = [(f"note{number}", 1, 0.4 + number / 50) for number in range(20)]


@ways
@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_one_long_document_does_not_stand_for_all(ann: bool, k: int, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [("book", 400, 0.1), *NOTES], ann=ann)
    assert corpus.found(k) == corpus.truth(k)
    assert len(corpus.found(k)) == k


@ways
def test_where_all_are_long_each_is_found(ann: bool, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [(f"book{number}", 120, 0.05 + number / 10) for number in range(8)], ann=ann)
    assert corpus.found(6) == corpus.truth(6)
    assert len(corpus.found(6)) == 6


@ways
def test_a_k_beyond_the_number_of_items_finds_them_all_and_ends(ann: bool, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [("book", 300, 0.1), *NOTES[:4]], ann=ann)
    assert corpus.found(50) == corpus.truth(50)
    assert len(corpus.found(50)) == 5


@ways
def test_a_filter_holds_through_all_fetches(ann: bool, tmp_path: Path) -> None:
    """The label is of items far from the query, and of a long one among them."""
    items = [("book", 300, 0.1), *NOTES, ("far book", 200, 2.0), ("far", 1, 3.0), ("farther", 1, 4.0)]
    labels = {name: ["rare"] if name.startswith("far") else ["common"] for name, _, _ in items}
    corpus = Corpus(tmp_path, items, ann=ann, labels=labels)
    where = "array_has(labels, 'rare')"
    assert sorted(corpus.found(3, where=where)) == ["far", "far book", "farther"]
    either = f"source IN ('other') OR {where}"  # what is left out is left out of both sides
    assert sorted(corpus.found(3, where=either)) == ["far", "far book", "farther"]
    assert corpus.found(3, where="source IN ('other')") == []


@ways
def test_items_whose_names_hold_quotes_are_left_out_by_their_names(ann: bool, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [("it's \"a\" book') OR true --", 300, 0.1), *NOTES], ann=ann)
    assert corpus.found(5) == corpus.truth(5)


@ways
def test_equal_vectors_of_many_items_are_each_an_item(ann: bool, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [("book", 200, 0.0), *((f"copy{number}", 3, 0.0) for number in range(9))], ann=ann)
    assert len(set(corpus.found(10))) == 10


@ways
def test_an_empty_table_has_no_items(ann: bool, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, [("note", 2, 0.1)], ann=ann)
    corpus.table.delete("true")
    assert corpus.found(3) == []
