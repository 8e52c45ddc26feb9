"""Collapsed vectors: nearly one vector for all items, by the encoder's fault and not because the media are alike."""

from collections.abc import Iterable

import numpy as np

from embed_assets.errors import StoreError
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_scan import matrix, norms
from embed_assets.store.store import Store
from embed_assets.store.upsert import evenly_spread, one_of, read
from embed_assets.store.versions import VersionRecord

_ONE = 0.995  # mean cosine from which vectors are nearly one; of words that are all unknown it is 1.000
_SAME = 0.999  # of canary texts, which have little in common
_FEWEST = 3  # items: of two, live may only tell small letters from capitals
_SAMPLE = 500  # rows

_WAY_OUT = "Restore the model's weights and tokenizer, or set checks.max_mean_cosine to 1 to accept it"


def mean_cosine(vectors: np.ndarray) -> float:
    """Return the mean over all pairs of different rows of float (n, dim), n > 1; NaN if one of them is."""
    unit = vectors / np.maximum(norms(vectors), 1e-12)[:, None]
    total, count = unit.sum(axis=0, dtype=np.float64), len(unit)
    return float(np.minimum(1, (total @ total - count) / (count * (count - 1))))


def collapse_reason(store: Store, record: VersionRecord, release: Release, *, most: float) -> str:
    """Return why a release of nearly one vector must not go live; "" if it may, or if its vectors differ.

    It must not if live separates the same items, by at most `most`, the mean cosine that the settings allow;
    nor if the encoder has one vector for canary texts as well. Items of equal content do not count, and a version
    that was live before is not stopped: its media may have become alike.
    """
    own = _vectors_by_item(release, store)
    vectors = np.array(list(own.values()))
    if most >= 1 or len(own) < 2 or not mean_cosine(vectors) >= _ONE:
        return ""
    pointer = store.serving.pointer(release.space)
    if pointer.names(release.version_id):
        return ""
    finding = f"all items have nearly one vector (mean cosine {mean_cosine(vectors):.3f})"
    if pointer.live is not None and len(own) >= _FEWEST:
        live = _live_vectors(pointer.live, store, own)
        if len(live) >= _FEWEST and (mean := mean_cosine(live)) <= most:
            return f"{finding}, where {pointer.live.key}, which serves, separates them ({mean:.3f}). {_WAY_OUT}"
    return f"{finding}, and so have texts with nothing in common. {_WAY_OUT}" if _one_for_all(store, record) else ""


def _vectors_by_item(release: Release, store: Store) -> dict[str, np.ndarray]:
    """Return a vector by media id, of a sample of items of different content."""
    rows = evenly_spread(open_release(store, release), ["media_id", "media_hash", "vector"], _SAMPLE)
    vectors, contents = matrix(rows.column("vector").combine_chunks()), set[str]()
    by_item: dict[str, np.ndarray] = {}
    for media_id, content, vector in zip(
        *(rows[c].to_pylist() for c in ("media_id", "media_hash")), vectors, strict=True
    ):
        if content not in contents:
            contents.add(content)
            by_item[media_id] = vector
    return by_item


def _live_vectors(live: Release, store: Store, items: Iterable[str]) -> np.ndarray:
    """Return a vector of each item that live has: float32, (n, dim)."""
    try:
        rows = read(open_release(store, live), ["media_id", "vector"], where=one_of("media_id", list(items)))
    except StoreError:
        return np.empty((0, live.dim), np.float32)
    _, first = np.unique(np.asarray(rows["media_id"].to_pylist(), dtype=str), return_index=True)
    return matrix(rows["vector"].combine_chunks())[first]


def _one_for_all(store: Store, record: VersionRecord) -> bool:
    canaries = store.canaries.get(record.id)
    texts = canaries[0].get("text") if canaries and "text" in record.spec.media else None
    return texts is not None and len(texts) > 1 and mean_cosine(texts) >= _SAME
