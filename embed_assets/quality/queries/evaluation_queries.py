"""EvaluationQueries: the queries that a version is measured with, labelled and held out, encoded once."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.embedding.run_budget import current_budget
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.manifest.open_sources import media_reader
from embed_assets.media.detect import look_at
from embed_assets.media.files.regular_file import read_regular
from embed_assets.media.files.source import open_source
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import MediaItem, Modality
from embed_assets.media.segments import CuttingRecipe, each_segment
from embed_assets.quality.queries.held_out_queries import even_places, part_of, span_of
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.queries.query_sets import load_queries
from embed_assets.quality.queries.unrelated_texts import unrelated_texts
from embed_assets.settings import PipelineSettings
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.query_vectors import QueryVectors
from embed_assets.store.store import Store
from embed_assets.store.upsert import one_of, read
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.cutting_recipe import recipe_of
from embed_assets.versions.query_input import query_payload

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_QUERIED = ("segment_id", "source", "modality", "key", "kind", "start", "text")  # of a row that a query is made of
_LABELLED, _HELD_OUT, _UNRELATED = "judged", "held out", "unrelated"  # kinds, as stores name them
_UNRELATED_TEXTS = 64


class EvaluationQueries:
    """Query vectors of a pipeline's encoder versions; `load` loads a version's encoder when it is needed."""

    def __init__(
        self,
        settings: PipelineSettings,
        store: Store,
        *,
        limits: Limits,
        decoders: Decoders | None,
        load: Callable[[VersionRecord], Encoder],
        batch_limits: Callable[[Encoder], BatchLimits],
    ) -> None:
        self._settings = settings
        self._store = store
        self._limits = limits
        self._decoders = decoders
        self._load = load
        self._batch_limits = batch_limits
        self._readers: dict[str, Callable[[ManifestRow], bytes]] = {}  # of sources that are tables
        self._derived_from: dict[str, int] = {}  # by table of vectors, its version that held-out queries were made of

    def labelled(self, space: str) -> list[LabelledQuery]:
        """Read the query set of a space; empty if it has none."""
        settings = self._settings.spaces.get(space)
        if settings is None or not settings.queries:
            return []
        return load_queries(settings.queries, files_in=settings.query_files)

    def vectors(self, record: VersionRecord, queries: Sequence[LabelledQuery]) -> np.ndarray:
        """Return vectors of labelled queries, float32 (len(queries), dim); encoded once per version and stored."""
        stored = self._query_vectors(record)
        limits = recipe_of(record, self._limits).limits
        ids = [_query_id(query, limits) for query in queries]
        by_id = stored.get(_LABELLED)
        missing = {name: query for name, query in zip(ids, queries, strict=True) if name not in by_id}
        if missing:
            kinds, vectors = self.encoded(record, list(missing.values()))
            for modality in dict.fromkeys(kinds):
                rows = [row for row, kind in enumerate(kinds) if kind == modality]
                stored.put(_LABELLED, modality, [list(missing)[row] for row in rows], vectors[rows])
            by_id |= {name: (kind, v) for name, kind, v in zip(missing, kinds, vectors, strict=True)}
        return np.stack([by_id[name][1] for name in ids])

    def encoded(self, record: VersionRecord, queries: Sequence[LabelledQuery]) -> tuple[list[Modality], np.ndarray]:
        """Return modalities and vectors of labelled queries, float32 (len(queries), dim); nothing is stored."""
        encoder = self._load(record)
        inputs = [self._query_input(query, record) for query in queries]
        prepared = [encoder.prepare(modality, payload, query=True) for modality, payload in inputs]
        return [modality for modality, _ in inputs], self._encoded(encoder, prepared)

    def held_out(self, record: VersionRecord, table: Any) -> dict[str, np.ndarray]:
        """Return queries that are not rows, by modality: labelled ones, then spans or crops up to `recall_queries`."""
        count = self._settings.checks.recall_queries
        by_modality: dict[str, list[np.ndarray]] = {}
        if labelled := self.labelled(record.spec.space):
            self.vectors(record, labelled)
            for modality, vector in list(self._query_vectors(record).get(_LABELLED).values())[:count]:
                by_modality.setdefault(modality, []).append(vector)
        for modality, vector in self._derived(record, table).values():
            group = by_modality.setdefault(modality, [])
            if len(group) < count:
                group.append(vector)
        return {modality: np.stack(vectors) for modality, vectors in by_modality.items() if vectors}

    def held_out_by_id(self, record: VersionRecord, table: Any) -> dict[str, np.ndarray]:
        """Return derived queries by the segment that they are a part of: versions that cut alike have the same ones."""
        return {name: vector for name, (_, vector) in self._derived(record, table).items()}

    def unrelated_texts(self, record: VersionRecord, table: Any) -> dict[str, np.ndarray]:
        """Return vectors of up to 64 queries in words, float32 (dim,), by the segment that each is made of.

        They measure how similar random pairs are: words of chunks, else captions, else labels, else phrases of this
        package. Empty where the encoder takes no words. Encoded once per version and stored.
        """
        if "text" not in record.spec.modalities:
            return {}
        stored = self._query_vectors(record)
        known = stored.get(_UNRELATED)
        if not known:
            texts = unrelated_texts(table, _UNRELATED_TEXTS)
            encoder = self._load(record)
            prepared = [encoder.prepare("text", text, query=True) for text in texts.values()]
            stored.put(_UNRELATED, "text", list(texts), self._encoded(encoder, prepared))
            known = stored.get(_UNRELATED)
        return {name: vector for name, (_, vector) in known.items()}

    def _derived(self, record: VersionRecord, table: Any) -> dict[str, tuple[str, np.ndarray]]:
        count, stored = self._settings.checks.recall_queries, self._query_vectors(record)
        derived = stored.get(_HELD_OUT)
        # Rows too small to leave something out give none, so that there may never be enough.
        tried = self._derived_from.get(record.table) == table.version
        if len(derived) < min(count, table.count_rows()) and not tried:
            self._derive(record, table, stored, count, known=derived)
            self._derived_from[record.table] = table.version
            derived = stored.get(_HELD_OUT)
        return derived

    def _query_input(self, query: LabelledQuery, record: VersionRecord) -> tuple[Modality, Any]:
        limits = recipe_of(record, self._limits).limits
        return query_payload(_query_content(query, limits), record.spec, limits=limits, decoders=self._decoders)

    def _query_vectors(self, record: VersionRecord) -> QueryVectors:
        return QueryVectors(self._store, record.table, dim=record.dim)

    def _derive(
        self, record: VersionRecord, table: Any, stored: QueryVectors, count: int, *, known: Collection[str]
    ) -> None:
        """Make held-out queries from rows: some words of a chunk, a part of a picture, sound or clip.

        `known` are ids of those that are stored.
        """
        encoder = self._load(record)
        for rows in _spread_by_kind(table, count):
            chosen = {f"{_HELD_OUT}:{row['segment_id']}": row for row in rows}
            queries = {
                name: query
                for name, row in chosen.items()
                if name not in known and (query := self._query(record, encoder, row))
            }
            if queries:
                vectors = self._encoded(encoder, list(queries.values()))
                modality = next(iter(queries.values())).modality
                stored.put(_HELD_OUT, modality, list(queries), vectors)

    def _encoded(self, encoder: Encoder, prepared: Sequence[Prepared]) -> np.ndarray:
        """Encode queries: float32 (len(prepared), dim). Their cost counts against the run's budget."""
        started, billed = time.monotonic(), getattr(encoder, "billed_tokens", 0)
        vectors = encode(encoder, prepared, limits=self._batch_limits(encoder))
        if budget := current_budget():
            cost = Counter[Modality]()
            for item in prepared:
                cost[item.modality] += item.cost
            seconds, billed = time.monotonic() - started, getattr(encoder, "billed_tokens", 0) - billed
            for modality, own in cost.items():
                share = own / cost.total() if cost.total() else 0.0
                budget.spend(encoder.spec, modality, own, billed=billed * share or None, seconds=seconds * share)
        return vectors

    def _read(self, source: str, key: str) -> bytes:
        """Read the bytes of an item. A table is read once for all of its rows."""
        settings = self._settings.sources[source]
        if settings.kind == "files":
            options, links = settings.storage_options, settings.follow_links
            return open_source(settings.uri or "", options, follow_links=links).read(key, self._limits.max_bytes)
        if source not in self._readers:
            self._readers[source] = media_reader(
                source, settings, limits=self._limits, store=self._store, decoders=self._decoders
            )
        row = self._store.manifest.media(source, key)
        if row is None:
            raise MediaError("vanished", f"{source}/{key} is in no manifest any more")
        return self._readers[source](row)

    def _query(self, record: VersionRecord, encoder: Encoder, row: dict[str, Any]) -> Prepared | None:
        """Prepare the held-out query of one row; None if the row is too small to leave something out."""
        seed = int(hashlib.sha256(row["segment_id"].encode()).hexdigest()[:8], 16)
        if row["kind"] == "chunk":
            span = span_of(row["text"] or "", seed=seed)
            return encoder.prepare("text", span, query=True) if span else None
        try:
            data = self._read(row["source"], row["key"])
            found = look_at(data, self._decoders)
            item = MediaItem(modality=row["modality"], media_hash="", mime=found.mime, decoder=found.decoder)
            recipe = CuttingRecipe(limits=self._limits, sampling=recipe_of(record, self._limits).sampling)
            segments = each_segment(data, item, recipe, decoders=self._decoders)
            payload = next(segment.payload for segment in segments if segment.start == row["start"])
            return encoder.prepare(*part_of(payload, seed=seed), query=True)
        except (EmbedAssetsError, StopIteration):  # deleted or changed since it was embedded: a refresh finds it
            return None


def _spread_by_kind(table: Any, count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield up to `count` rows of each kind of segment, by `evenly`; the others never become objects."""
    ids = read(table, ["segment_id", "kind"])
    for kind in pc.unique(ids["kind"]).to_pylist():
        own = ids["segment_id"].filter(pc.equal(ids["kind"], kind)).combine_chunks()
        names = own.take(pc.array_sort_indices(own).take(pa.array(even_places(len(own), count)))).to_pylist()
        rows = read(table, _QUERIED, where=one_of("segment_id", names)).to_pylist()
        yield sorted(rows, key=lambda row: row["segment_id"])


def _query_content(query: LabelledQuery, limits: Limits) -> str | bytes:
    return query.query if query.file is None else read_regular(Path(query.file), limits.max_bytes)


def _query_id(query: LabelledQuery, limits: Limits) -> str:
    content = _query_content(query, limits)
    data = content.encode() if isinstance(content, str) else content
    return f"{_LABELLED}:{hashlib.sha256(data).hexdigest()[:24]}"
