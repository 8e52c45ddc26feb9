"""ANN answer cache: what an index returned to queries, kept in this process: the files of a table do not change."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.store.serving.nearest_rows import approximate

if TYPE_CHECKING:
    from lancedb.table import Table

_KEPT = 8  # tables and efforts whose answers are remembered


@dataclass(frozen=True, slots=True)
class Answer:
    """The nearest rows to one query, nearest first."""

    media_ids: tuple[str, ...]
    distances: np.ndarray  # float32, (rows,)


_known: dict[tuple[str, int, str, int, int], dict[bytes, Answer]] = {}


def ann_answers(
    table: "Table", queries: np.ndarray, *, k: int, distance: str, nprobes: int, refine_factor: int
) -> list[Answer]:
    """The k nearest rows to each query, float32 (n, dim), at one effort.

    Recall and labelled retrieval ask much the same, one after the other: what was asked is not asked again.
    """
    effort = {"k": k, "distance": distance, "nprobes": nprobes, "refine_factor": refine_factor}
    kept = _answers_of((_files_of(table), k, distance, nprobes, refine_factor))
    names = [np.ascontiguousarray(query, dtype=np.float32).tobytes() for query in queries]
    new = [place for place, name in enumerate(names) if name not in kept]
    if new:
        found = approximate(table, queries[new], columns=["media_id"], **effort)
        for place, rows in zip(new, found, strict=True):
            ids = tuple(rows.column("media_id").to_pylist())
            kept[names[place]] = Answer(ids, np.asarray(rows.column("_distance"), dtype=np.float32))
    return [kept[name] for name in names]


def _answers_of(key: tuple[str, int, str, int, int]) -> dict[bytes, Answer]:
    if key not in _known:
        while len(_known) >= _KEPT:
            _known.pop(next(iter(_known)))
        _known[key] = {}
    return _known[key]


def _files_of(table: "Table") -> str:
    """What the table's content and indices are told by: a dropped table may come again with the same versions."""
    dataset: Any = table.to_lance()
    fragments = dataset.get_fragments()
    files = [f"{part.metadata.deletion_file} {[file.path for file in part.data_files()]}" for part in fragments]
    told = [str(dataset.uri), str(table.version), *files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
