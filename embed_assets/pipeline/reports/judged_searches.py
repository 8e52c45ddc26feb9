"""Judged searches: the queries of an evaluation, answered by the searcher that serves, and exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets import progress
from embed_assets.media.files.regular_file import read_regular
from embed_assets.pipeline.context import RunContext
from embed_assets.quality.item_vectors import mean_vectors
from embed_assets.quality.labelled_retrieval import ranked_items
from embed_assets.quality.leaderboard.judgements import Judgements
from embed_assets.quality.queries.query_groups import QueryFilter
from embed_assets.search.encode_query import QueryEncoder
from embed_assets.search.filters import Condition
from embed_assets.search.query import QueryPart, query_of
from embed_assets.search.read_parts import QueryParts
from embed_assets.search.searcher import Searcher
from embed_assets.search.space_query import compiled_filters
from embed_assets.store.serving.releases import Release
from embed_assets.versions.query_input import query_payload

_ENCODED = 256  # queries in words that are encoded at once


@dataclass(frozen=True, kw_only=True)
class JudgedSearch:
    """A judged query as it is searched: in words, or by the vector of a file or of a stored item, which is `excluded`.

    `vector` is what each of them is in the space, float32 (dim,). `filter` holds for what may be found.
    """

    part: QueryPart
    vector: np.ndarray
    excluded: str | None = None  # an item that is a query is no answer to it
    filter: QueryFilter | None = None

    @property
    def words(self) -> str | None:
        """The words, where the query is in words."""
        return self.part.text

    def found(self, names: Sequence[str], k: int) -> list[str]:
        """Return the first k media ids that are an answer."""
        return [name for name in names if name != self.excluded][:k]


class JudgedSearches:
    """One release of a space, searched as it serves and exactly; a pointer that moves meanwhile changes nothing."""

    def __init__(self, context: RunContext, space: str, *, version: str | None = None, queries: int) -> None:
        """Open the live release, or the newest of an encoder version. Raises StoreError where there is none."""
        settings, store = context.settings, context.store
        pointers = {pointer.space: pointer for pointer in store.serving.pointers()}
        self._context = context
        self._version = version
        self._encoder = QueryEncoder(store, settings.compute, cached=queries)
        self._searcher = Searcher(
            store,
            compute=settings.compute,
            limits=settings.limits,
            encoder=self._encoder,
            reranker=settings.serve.reranker,
            pointers=lambda: pointers,
        )
        self.open_space = self._searcher.open_space(space, version=version)

    def searches(self, judged: Judgements) -> list[JudgedSearch]:
        """Return the queries with their vectors; each is encoded once, whatever searches with it.

        Raises SettingsError for a query that the encoder does not take, MediaError for a file that can't be decoded.
        """
        if judged.items:
            return self._by_items(judged.items)
        self._encode_words([query.query for query in judged.queries if query.file is None])
        return [
            self._search({"text": query.query} if query.file is None else {"file": self._bytes(query.file)})
            for query in judged.queries
        ]

    def exact(self, searches: Sequence[JudgedSearch], *, k: int) -> list[list[str]]:
        """Return the media ids of the k nearest items to each query, by exact search of what its filter keeps."""
        opened, found = self.open_space, dict[int, list[str]]()
        release = replace(opened.release, ann=False)
        for chosen in dict.fromkeys(each.filter for each in searches):
            places = [place for place, each in enumerate(searches) if each.filter == chosen]
            vectors = np.stack([searches[place].vector for place in places])
            ranked = ranked_items(opened.table, release, vectors, depth=k + 1, where=self._where(chosen))
            for place, names in zip(places, ranked, strict=True):
                found[place] = searches[place].found(names, k)
        return [found[place] for place in range(len(searches))]

    def served(self, searches: Sequence[JudgedSearch], *, k: int, name: str, **options: Any) -> list[list[str]]:
        """Return the media ids that a search for k items returns; `options` are those of a query: mode, rerank."""
        space, found = self.open_space.release.space, list[list[str]]()
        for place, each in enumerate(searches):
            progress.report("search", f"{space} ({name})", place, len(searches))
            where = Condition(each.filter.column, "eq", each.filter.value) if each.filter else None
            wanted = {"spaces": [space], "version": self._version, "k": k + (each.excluded is not None)}
            answer = self._searcher.search(query_of(parts=[each.part], where=where, spans=1, **wanted, **options))
            found.append(each.found([hit.media_id for hit in answer], k))
        return found

    def _by_items(self, items: Sequence[str]) -> list[JudgedSearch]:
        """Return queries that are items, each by the mean of its segments; read in one scan."""
        release = self.open_space.release
        names, vectors = mean_vectors(self.open_space.table, items, distance=release.distance)
        by_name = dict(zip(names, vectors, strict=True))
        return [
            JudgedSearch(part=_vector_part(by_name[name], release), vector=by_name[name], excluded=name)
            for name in items
        ]

    def _search(self, content: dict[str, Any]) -> JudgedSearch:
        [part] = query_of(parts=[content]).parts
        context, release = self._context, self.open_space.release
        parts = QueryParts([part], limits=context.limits, decoders=context.decoders)
        if refusal := parts.refusal(self.open_space, "vector", where=None):
            raise refusal
        vector = parts.vector(self.open_space, self._encoder, where=None)
        if part.file is not None:  # it is decoded once
            part = _vector_part(vector, release)
        return JudgedSearch(part=part, vector=vector)

    def _encode_words(self, texts: Sequence[str]) -> None:
        """Encode queries in words together: the searcher finds them in the cache."""
        record = self.open_space.record
        for start in range(0, len(texts), _ENCODED):
            inputs = [
                query_payload(text, record.spec, limits=self._context.limits, decoders=None)
                for text in texts[start : start + _ENCODED]
            ]
            self._encoder.encode(record, inputs)

    def _bytes(self, file: str) -> bytes:
        return read_regular(Path(file), self._context.limits.max_bytes)

    def _where(self, chosen: QueryFilter | None) -> str | None:
        tree = Condition(chosen.column, "eq", chosen.value) if chosen else None
        return compiled_filters([self.open_space], tree)[0]


def _vector_part(vector: np.ndarray, release: Release) -> QueryPart:
    return QueryPart(vector=vector.astype(float).tolist(), encoder_version=release.encoder_version)
