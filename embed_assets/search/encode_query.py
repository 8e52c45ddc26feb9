"""QueryEncoder: vectors of queries, by the encoder version that made the rows; repeated ones come from a cache."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.encoders.base import Encoder
from embed_assets.media.media_types import Modality
from embed_assets.settings import ComputeSettings
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.load_version import load_version

Input = tuple[Modality, Any]  # a modality and what `query_payload` made of the query
_CACHED = 256  # vectors of words


class QueryEncoder:
    """Encodes the inputs of a query with a version's encoder, one caller at a time for each version."""

    def __init__(self, store: Store, compute: ComputeSettings, *, cached: int = _CACHED) -> None:
        self._store = store
        self._cached = cached
        self._compute = compute
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._cache: OrderedDict[tuple[str, str, str], np.ndarray] = OrderedDict()

    def encode(self, record: VersionRecord, inputs: Sequence[Input]) -> np.ndarray:
        """Return vectors of inputs: float32, (len(inputs), dim)."""
        keys = [_cache_key(record, modality, payload) for modality, payload in inputs]
        with self._lock:
            vectors = {key: self._cache[key] for key in keys if key is not None and key in self._cache}
        missing = [place for place, key in enumerate(keys) if key is None or key not in vectors]
        if not missing:
            return np.stack([vectors[key] for key in keys if key is not None])
        made = dict(zip(missing, self.encode_new(record, [inputs[place] for place in missing]), strict=True))
        with self._lock:
            for place, vector in made.items():
                if (key := keys[place]) is not None:
                    self._cache[key] = vector
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        return np.stack([made[p] if p in made else vectors[key] for p, key in enumerate(keys)])  # pyright: ignore[reportArgumentType]

    def encode_new(self, record: VersionRecord, inputs: Sequence[Input]) -> np.ndarray:
        """Encode inputs that are not in the cache: float32, (len(inputs), dim)."""
        encoder = self.loaded(record, {modality for modality, _ in inputs})
        prepared = [encoder.prepare(modality, payload, query=True) for modality, payload in inputs]
        limits = BatchLimits.for_encoder(encoder)
        with self._lock_of(record):
            return encode(encoder, prepared, limits=limits)

    def loaded(self, record: VersionRecord, needed: Collection[Modality] | None = None) -> Encoder:
        """Return the loaded encoder of a version, for these modalities or all.

        Raises EncoderVersionError where its model is another by now.
        """
        return load_version(record, compute=self._compute, store=self._store, needed=needed)

    def _lock_of(self, record: VersionRecord) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault((record.encoder, record.version), threading.Lock())


def _cache_key(record: VersionRecord, modality: Modality, payload: Any) -> tuple[str, str, str] | None:
    """Return what a vector of words depends on; None for other inputs, which rarely repeat."""
    if not isinstance(payload, str):
        return None
    return record.encoder, record.version, hashlib.sha256(f"{modality}:{payload}".encode()).hexdigest()
