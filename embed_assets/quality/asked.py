"""Asked: the queries that a version is measured with, encoded once: judged ones, and held-out ones."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from embed_assets.embedding.batching import Budget, encode
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import EmbedAssetsError
from embed_assets.media.image import decode_image
from embed_assets.media.limits import Limits
from embed_assets.media.source import open_source
from embed_assets.quality.heldout import crop_of, evenly, span_of
from embed_assets.quality.queryset import Judged, load_queries
from embed_assets.settings import PipelineSettings
from embed_assets.store.connection import Store
from embed_assets.store.queries import QueryVectors
from embed_assets.store.rows import read
from embed_assets.store.versions import VersionRecord

_JUDGED, _HELD_OUT = "judged", "held out"


class Asked:
    """Query vectors of a pipeline's encoder versions. `load` gives a version's encoder, when it is needed."""

    def __init__(
        self,
        settings: PipelineSettings,
        store: Store,
        *,
        limits: Limits,
        load: Callable[[VersionRecord], Encoder],
        budget: Callable[[Encoder], Budget],
    ) -> None:
        self._settings = settings
        self._store = store
        self._limits = limits
        self._load = load
        self._budget = budget

    def judged(self, space: str) -> list[Judged]:
        """The query set of a space; empty where it has none."""
        settings = self._settings.spaces.get(space)
        return load_queries(settings.queries) if settings and settings.queries else []

    def vectors(self, record: VersionRecord, texts: Sequence[str]) -> np.ndarray:
        """Vectors of queries in words, float32 (len(texts), dim); encoded once per version, then kept."""
        kept = self._kept(record)
        ids = {text: _query_id(text) for text in texts}
        known = kept.get(_JUDGED)
        missing = [text for text in ids if ids[text] not in known]
        if missing:
            encoder = self._load(record)
            prepared = [encoder.prepare("text", text, query=True) for text in missing]
            found = encode(encoder, prepared, budget=self._budget(encoder))
            kept.put(_JUDGED, "text", [ids[text] for text in missing], found)
            known |= {ids[text]: ("text", vector) for text, vector in zip(missing, found, strict=True)}
        return np.stack([known[ids[text]][1] for text in texts])

    def held_out(self, record: VersionRecord, table: Any) -> dict[str, np.ndarray]:
        """Queries that are not rows, by modality: the judged ones, then spans or crops up to the wanted number."""
        wanted = self._settings.checks.recall_queries
        found: dict[str, list[np.ndarray]] = {}
        if judged := self.judged(record.spec.space):
            found["text"] = list(self.vectors(record, [query.query for query in judged])[:wanted])
        kept = self._kept(record)
        derived = kept.get(_HELD_OUT)
        if len(derived) < min(wanted, table.count_rows()):
            self._derive(record, table, kept, wanted)
            derived = kept.get(_HELD_OUT)
        for modality, vector in derived.values():
            group = found.setdefault(modality, [])
            if len(group) < wanted:
                group.append(vector)
        return {modality: np.stack(vectors) for modality, vectors in found.items() if vectors}

    def _kept(self, record: VersionRecord) -> QueryVectors:
        return QueryVectors(self._store, record.table, dim=record.dim)

    def _derive(self, record: VersionRecord, table: Any, kept: QueryVectors, count: int) -> None:
        """Make held-out queries from rows: a span of a chunk's words, a crop of a picture."""
        encoder = self._load(record)
        rows = read(table, ["segment_id", "source", "key", "kind", "text"]).to_pylist()
        for kind, modality in (("chunk", "text"), ("image", "image")):
            chosen = evenly([row for row in rows if row["kind"] == kind], count)
            made = [(row["segment_id"], prepared) for row in chosen if (prepared := self._query(encoder, row))]
            if made:
                vectors = encode(encoder, [prepared for _, prepared in made], budget=self._budget(encoder))
                kept.put(_HELD_OUT, modality, [f"{_HELD_OUT}:{name}" for name, _ in made], vectors)

    def _query(self, encoder: Encoder, row: dict[str, Any]) -> Prepared | None:
        """The held-out query of one row, prepared; None where the row is too small to leave something out."""
        seed = int(hashlib.sha256(row["segment_id"].encode()).hexdigest()[:8], 16)
        if row["kind"] == "chunk":
            span = span_of(row["text"] or "", seed=seed)
            return encoder.prepare("text", span, query=True) if span else None
        settings = self._settings.sources[row["source"]]
        try:
            data = open_source(settings.uri, settings.storage_options).read(row["key"], self._limits.max_bytes)
            return encoder.prepare("image", crop_of(decode_image(data, limits=self._limits), seed=seed), query=True)
        except EmbedAssetsError:  # gone or broken since it was embedded: the next refresh settles it
            return None


def _query_id(text: str) -> str:
    return f"{_JUDGED}:{hashlib.sha256(text.encode()).hexdigest()[:24]}"
