"""ANN answer cache: answers of an index, for the life of this process: the files of a table do not change."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.store.serving.nearest_rows import approximate

if TYPE_CHECKING:
    from lancedb.table import Table

_CACHE_SIZE = 8  # tables and efforts whose answers are cached


@dataclass(frozen=True, slots=True)
class Answer:
    """The nearest rows to one query, nearest first."""

    media_ids: tuple[str, ...]
    distances: np.ndarray  # float32, (rows,)


_cache: dict[tuple[str, int, str, int, int], dict[bytes, Answer]] = {}


def ann_answers(
    table: "Table", queries: np.ndarray, *, k: int, distance: str, nprobes: int, refine_factor: int
) -> list[Answer]:
    """Return the k nearest rows to each query, float32 (n, dim), at one effort.

    Recall and labelled retrieval search with much the same queries, one after the other: each is run once.
    """
    effort = {"k": k, "distance": distance, "nprobes": nprobes, "refine_factor": refine_factor}
    answers = _cached_answers((_files_hash(table), k, distance, nprobes, refine_factor))
    names = [np.ascontiguousarray(query, dtype=np.float32).tobytes() for query in queries]
    new = [place for place, name in enumerate(names) if name not in answers]
    if new:
        nearest = approximate(table, queries[new], columns=["media_id"], **effort)
        for place, rows in zip(new, nearest, strict=True):
            ids = tuple(rows.column("media_id").to_pylist())
            answers[names[place]] = Answer(ids, np.asarray(rows.column("_distance"), dtype=np.float32))
    return [answers[name] for name in names]


def _cached_answers(key: tuple[str, int, str, int, int]) -> dict[bytes, Answer]:
    if key not in _cache:
        while len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        _cache[key] = {}
    return _cache[key]


def _files_hash(table: "Table") -> str:
    """Hash what identifies content and indices: a table that is dropped and made again has the same versions."""
    dataset: Any = table.to_lance()
    fragments = dataset.get_fragments()
    files = [f"{part.metadata.deletion_file} {[file.path for file in part.data_files()]}" for part in fragments]
    parts = [str(dataset.uri), str(table.version), *files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
