"""Vectors of chosen items of a vector table, read by their places: the mean of each, or all of its segments'."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.lance_rows import rows_at
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.upsert import read

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

MOST_SEGMENTS = 16  # of one item, evenly spread over it: an hour of video has thousands


def items_of(table: "Table", columns: Sequence[str], *, where: str | None = None) -> pa.Table:
    """Return one row an item, in order of media id: media_id and the columns, each of its first segment."""
    rows = read(table, ["media_id", *columns], where=where)
    if rows.num_rows == pc.count_distinct(rows["media_id"]).as_py():
        return rows.sort_by("media_id")
    ids = rows["media_id"].combine_chunks()
    order = np.asarray(pc.array_sort_indices(ids))  # stable
    codes = np.asarray(pc.dictionary_encode(ids.take(pa.array(order))).indices)
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    return rows.take(pa.array(order[first]))


def chosen(ids: Sequence[str], count: int) -> list[str]:
    """Return up to `count` of the ids without replacement, in order; seeded, so that it repeats."""
    if len(ids) <= count:
        return sorted(ids)
    ordered = sorted(ids)
    places = np.random.default_rng(0).choice(len(ordered), size=count, replace=False)
    return [ordered[place] for place in np.sort(places)]


def segment_vectors(table: "Table", media_ids: Collection[str], columns: Sequence[str] = ()) -> pa.Table:
    """Return rows of these items, MOST_SEGMENTS each at the most: media_id, vector and the columns, item by item.

    A look-up of a thousand items by name takes many times as long.
    """
    ids = read(table, ["media_id"])["media_id"]
    wanted = np.flatnonzero(np.asarray(pc.is_in(ids, value_set=pa.array(sorted(media_ids), pa.string()))))
    places = _bounded(ids.take(pa.array(wanted)), wanted)
    dataset: Any = table.to_lance()
    return rows_at(dataset, places, ["media_id", "vector", *columns]).sort_by("media_id")


def _bounded(owners: pa.ChunkedArray, places: np.ndarray) -> np.ndarray:
    """Return the places of at most MOST_SEGMENTS rows an item."""
    codes = np.asarray(pc.dictionary_encode(owners.combine_chunks()).indices)
    counts = np.bincount(codes, minlength=1)
    if counts.max() <= MOST_SEGMENTS:
        return places
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    kept = [
        order[start + np.unique(np.linspace(0, count - 1, min(count, MOST_SEGMENTS)).astype(int))]
        for start, count in zip(starts, counts, strict=True)
    ]
    return places[np.sort(np.concatenate(kept))]


def mean_vectors(table: "Table", media_ids: Collection[str], *, distance: str) -> tuple[list[str], np.ndarray]:
    """Return media ids in order and the mean of each one's segments, float32 (n, dim); of cosine at unit length."""
    rows = segment_vectors(table, media_ids)
    names, starts = np.unique(np.asarray(rows["media_id"].to_pylist(), dtype=object), return_index=True)
    if not len(names):
        return [], np.zeros((0, matrix(rows["vector"].combine_chunks()).shape[1]), np.float32)
    vectors = matrix(rows["vector"].combine_chunks())
    means = np.add.reduceat(vectors, starts, axis=0) / np.diff([*starts, len(vectors)])[:, None]
    if distance == "cosine":
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return list(names), means.astype(np.float32)


def first_texts(table: "Table", media_ids: Sequence[str], *, characters: int) -> list[str]:
    """Return the beginning of each item's text or caption in one line; "" where it has none."""
    ids = read(table, ["media_id"])["media_id"]
    wanted = np.flatnonzero(np.asarray(pc.is_in(ids, value_set=pa.array(sorted(media_ids), pa.string()))))
    owners = ids.take(pa.array(wanted)).to_pylist()
    first = dict(zip(reversed(owners), reversed(wanted.tolist()), strict=True))
    dataset: Any = table.to_lance()
    names = sorted(first, key=lambda name: first[name])
    texts = rows_at(dataset, [first[name] for name in names], ["text"])["text"].to_pylist()
    shown = {name: " ".join((text or "")[:characters].split()) for name, text in zip(names, texts, strict=True)}
    return [shown.get(name, "") for name in media_ids]


def item_lengths(table: "Table", media_ids: Collection[str]) -> dict[str, int]:
    """Return where the last segment of each item ends: characters of a text, milliseconds of a recording; else 0."""
    rows = read(table, ["media_id", "end"])
    own = rows.filter(pc.is_in(rows["media_id"], value_set=pa.array(sorted(media_ids), pa.string())))
    found = own.group_by("media_id").aggregate([("end", "max")])
    return {row["media_id"]: row["end_max"] or 0 for row in found.to_pylist()}
