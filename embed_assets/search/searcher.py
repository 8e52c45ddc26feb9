"""Searcher: the items of a store that answer a query; encoder and table of a space come from one pointer."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow.compute

from embed_assets.errors import (
    EmbedAssetsError,
    EncoderOutputError,
    EncoderVersionError,
    MissingExtraError,
    NotFoundError,
    SettingsError,
    StoreError,
    WeightsError,
)
from embed_assets.manifest.open_sources import decoders_of, limits_of
from embed_assets.media.detect import look_at
from embed_assets.media.media_types import Modality
from embed_assets.search.answers import Answer, SearchedSpace
from embed_assets.search.compile_filter import UnknownColumnError, compile_filter
from embed_assets.search.encode_query import QueryEncoder
from embed_assets.search.facets import facets_of
from embed_assets.search.filters import FilterTree, both, parse_filter
from embed_assets.search.fuse_rankings import COMPARED, Fused, diversify, fold, fuse
from embed_assets.search.make_hits import make_hit
from embed_assets.search.open_spaces import OpenSpace, OpenSpaces
from embed_assets.search.query import MOST_RESULTS, Query, query_of
from embed_assets.search.read_parts import QueryParts
from embed_assets.search.rerank import Reranker
from embed_assets.search.space_query import SpaceQuery, compiled_filters, distances_within
from embed_assets.settings import ComputeSettings, LimitSettings
from embed_assets.store.serving.nearest_rows import without_items
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.store import Store
from embed_assets.store.upsert import quoted, read

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_FOLDED = 3  # times as many items are ranked where some are folded
_FUSED = 50  # items of each ranking at least, where several are fused: pages of the first fifty follow each other
_RERANKED = 50  # items at most

# Why a space of several can't answer now; the others do.
_BROKEN = (EncoderOutputError, EncoderVersionError, MissingExtraError, StoreError, WeightsError)


class Searcher:
    """Search over a store. Without `pointer_seconds` the serving pointers are read at every search."""

    def __init__(
        self,
        store: Store | str,
        *,
        storage_options: Mapping[str, Any] | None = None,
        compute: ComputeSettings | None = None,
        limits: LimitSettings | None = None,
        encoder: QueryEncoder | None = None,
        reranker: str | None = None,
        pointer_seconds: float = 0.0,
        pointers: Callable[[], Mapping[str, Pointer]] | None = None,
    ) -> None:
        """Take the `limits` of media: a query's file is as foreign, and is decoded in a process of its own.

        `reranker` is the hub id or folder of a cross-encoder. For `pointer_seconds` a serving pointer that was read is
        used again: a promotion takes effect so much later. `pointers` returns them by space instead.
        """
        self._store = store if isinstance(store, Store) else Store(store, storage_options)
        compute = compute or ComputeSettings()
        self._limits = limits_of(limits or LimitSettings())
        self._decoders = decoders_of(self._limits) if compute.isolate_decoders else None
        self._spaces = OpenSpaces(self._store, pointer_seconds=pointer_seconds, pointers=pointers)
        self._encoder = encoder or QueryEncoder(self._store, compute)
        self._reranker = Reranker(reranker, compute) if reranker else None

    def spaces(self) -> list[str]:
        """List the spaces with a live release."""
        return self._spaces.serving()

    def open_space(self, space: str, *, version: str | None = None) -> OpenSpace:
        """Return the live release of a space, or the newest of an encoder version. Raises StoreError."""
        return self._spaces.of_version(space, version) if version else self._spaces.live(space)

    def kind(self, query: str | bytes) -> Modality | None:
        """Return the kind of a query, words are text; None for a file that nothing decodes. Raises MediaError."""
        return "text" if isinstance(query, str) else look_at(query, self._decoders).modality

    def takes(self, space: str) -> tuple[Modality, ...]:
        """Return the kinds of queries that a space takes."""
        return self._spaces.live(space).record.spec.modalities

    def labels(self, space: str) -> Counter[str]:
        """Count the segments of each label of the space's items."""
        table = self._spaces.live(space).table
        return Counter(pc.list_flatten(read(table, ["labels"])["labels"]).to_pylist())

    def search(
        self,
        query: "Query | str | bytes | Image | np.ndarray",
        *,
        space: str | None = None,
        sources: Sequence[str] = (),
        label: str | None = None,
        encoder_version: str | None = None,
        must: FilterTree | None = None,
        **options: Any,
    ) -> Answer:
        """Return the items that answer a Query; or words, a file's bytes, a decoded picture, a vector, with `options`.

        Options are the fields of QueryOptions: k, offset, where, mode, … A vector needs the one `space` and the
        `encoder_version` that made it. `must` is a filter beside the query's own, of whoever asks for others. Raises
        EncoderVersionError if a vector is not of the live version, StoreError if a space has no live release,
        MediaError if a file can't be decoded, SettingsError for a query that is none, EncoderOutputError if its vector
        can't be compared.
        """
        whole = (
            query
            if isinstance(query, Query)
            else made_query(
                query, space=space, sources=sources, label=label, encoder_version=encoder_version, **options
            )
        )
        return self._as_it_is_now(lambda: self._answer(whole, must))

    def _answer(self, query: Query, must: FilterTree | None) -> Answer:
        parts = QueryParts(query.parts, limits=self._limits, decoders=self._decoders)
        started = time.perf_counter()
        space_queries, notes = self._space_queries(query, parts, must)
        encoded = time.perf_counter()
        depth = query.offset + query.k
        items = self._ranked(query, space_queries, kind=parts.kind, depth=depth)
        hits = tuple(
            make_hit(rank, item, kind=parts.kind, spans=query.spans)
            for rank, item in enumerate(items[query.offset : depth], query.offset + 1)
        )
        return Answer(
            hits=hits,
            spaces=tuple(_searched_space(each.space) for each in space_queries),
            mode=query.mode,
            reranker=self._reranker.version if query.rerank and self._reranker else None,
            encode_seconds=encoded - started,
            search_seconds=time.perf_counter() - encoded,
            notes=tuple(notes),
            decoders=self._decoders,
        )

    def facets(
        self,
        *,
        spaces: Sequence[str] = (),
        where: FilterTree | None = None,
        must: FilterTree | None = None,
        values: int = 20,
    ) -> dict[str, dict[str, Any]]:
        """Count items by source, modality, label and the user's columns, for a filter: column → values or range."""

        def counted() -> dict[str, dict[str, Any]]:
            opened, _ = self._opened(spaces or self.spaces(), all_needed=bool(spaces))
            filtered = compiled_filters(opened, both(where, must))
            return facets_of([(space, filtered[place]) for place, space in enumerate(opened)], values=values)

        return self._as_it_is_now(counted)

    def visible(self, media_id: str, must: FilterTree) -> bool:
        """Return whether a live row of the item fulfils a filter."""
        return self._as_it_is_now(lambda: self._has_row(media_id, must))

    def _has_row(self, media_id: str, must: FilterTree) -> bool:
        item = f"media_id = {quoted(media_id)}"
        for space in self._opened(self.spaces(), all_needed=False)[0]:
            try:
                where = compile_filter(must, space.schema)
            except UnknownColumnError:
                continue
            if space.table.count_rows(f"{item} AND {where}"):
                return True
        return False

    def _as_it_is_now(self, work: Callable[[], T]) -> T:
        """Return a result; where files of a release are gone, of the releases as they are now."""
        try:
            return work()
        except (OSError, RuntimeError, ValueError) as error:  # Lance raises any of them
            if "not found" not in str(error).lower():
                raise
        self._spaces.forget()
        return work()

    def _space_queries(
        self, query: Query, parts: QueryParts, must: FilterTree | None
    ) -> tuple[list[SpaceQuery], list[str]]:
        """Return the spaces that the query goes to, each with its vector and filter; and notes on the others."""
        names = query.spaces or self.spaces()
        if not names:
            raise NotFoundError("No space serves yet: run the pipeline first.")
        spaces, notes = self._opened(names, version=query.version, all_needed=bool(query.spaces))
        within_reach = compiled_filters(spaces, must)
        taking: list[tuple[OpenSpace, str | None]] = []
        for space, reach in zip(spaces, within_reach, strict=True):
            reason = parts.refusal(space, query.mode, where=reach) or _uncalibrated(query, space, parts.kind)
            if reason is None:
                taking.append((space, reach))
            elif query.spaces:
                raise reason
            else:
                notes.append(str(reason))
        if not taking:
            raise NotFoundError(
                f"No space takes this query ({', '.join(parts.kinds)}). {' '.join(notes)} See embed-assets status."
            )
        filters = compiled_filters([space for space, _ in taking], both(query.where, must))

        def space_query(place: int) -> SpaceQuery | EmbedAssetsError:
            space, reach = taking[place]
            try:
                vector = None if query.mode == "text" else parts.vector(space, self._encoder, where=reach)
            except _BROKEN as error:
                return error
            return SpaceQuery(
                space=space,
                vector=vector,
                where=without_items(parts.items(space, where=reach), filters[place]),
                within=distances_within(query, space, parts.kind),
            )

        made = _side_by_side(space_query, range(len(taking)))
        whole = [each for each in made if isinstance(each, SpaceQuery)]
        for (space, _), error in zip(taking, made, strict=True):
            if not isinstance(error, SpaceQuery):
                if query.spaces or not whole:
                    raise error
                notes.append(_left_out(space.release.space, error))
        return whole, notes

    def _opened(
        self, names: Iterable[str], *, version: str | None = None, all_needed: bool
    ) -> tuple[list[OpenSpace], list[str]]:
        """Open spaces, and return notes on those that can't be. Raises StoreError where none can, or `all_needed`."""
        spaces, notes, errors = list[OpenSpace](), list[str](), list[StoreError]()
        for name in dict.fromkeys(names):
            try:
                spaces.append(self.open_space(name, version=version))
            except StoreError as error:
                notes.append(_left_out(name, error))
                errors.append(error)
        if errors and (all_needed or not spaces):
            raise errors[0]
        return spaces, notes

    def _ranked(self, query: Query, space_queries: Sequence[SpaceQuery], *, kind: str, depth: int) -> list[Fused]:
        """Return items in the answer's order: `depth` of them, more, or all that there are."""
        compares = bool(query.diversity or query.fold_duplicates)
        ranked = _ranked_depth(query, depth, several=len(space_queries) > 1 or query.mode == "hybrid")
        while True:
            found = _side_by_side(
                partial(SpaceQuery.rankings, query=query, depth=ranked, vectors=compares), space_queries
            )
            rankings = [ranking for several in found for ranking in several]
            items = self._ordered(fuse(rankings, kind=kind), query, depth)
            if len(items) >= depth or ranked >= MOST_RESULTS or all(len(each.items) < ranked for each in rankings):
                return items
            ranked = min(4 * ranked, MOST_RESULTS)  # most were folded

    def _ordered(self, items: list[Fused], query: Query, depth: int) -> list[Fused]:
        if query.rerank:
            if self._reranker is None:
                raise SettingsError("rerank needs a cross-encoder: name one with --reranker, or serve.reranker.")
            if not query.words:
                raise SettingsError("rerank needs words: a cross-encoder reads them beside each text.")
            items = self._reranker.reordered(items, query.words, most=_RERANKED)
        if query.fold_duplicates:
            items = fold(items, wanted=max(depth, COMPARED) if query.diversity else depth)
        return diversify(items, diversity=query.diversity, wanted=depth)


def _ranked_depth(query: Query, depth: int, *, several: bool) -> int:
    """Return how many items of a ranking are ordered: as many for each of the first pages, so that these fit."""
    least = max(_FUSED if several else 0, COMPARED if query.diversity else 0, _RERANKED if query.rerank else 0)
    return max(depth, least) * (_FOLDED if query.fold_duplicates else 1)


def _left_out(space: str, error: Exception) -> str:
    return f"Space {space!r} is left out: {error}"


def _uncalibrated(query: Query, space: OpenSpace, kind: str) -> SettingsError | None:
    """Return why a space can't answer a query with a least percentile, or None."""
    if query.min_percentile is None or (query.mode != "text" and space.levels(kind)):
        return None
    reason = "words alone have none" if query.mode == "text" else f"none were measured for {kind} queries in it"
    return SettingsError(
        f"Space {space.release.space!r} has no percentiles for this query ({reason}): leave min_percentile out."
    )


def made_query(
    query: "str | bytes | Image | np.ndarray",
    *,
    space: str | None = None,
    sources: Sequence[str] = (),
    label: str | None = None,
    encoder_version: str | None = None,
    **options: Any,
) -> Query:
    """Return the Query of one part. Raises SettingsError that names the field."""
    conditions: dict[str, Any] = {}
    if sources:
        conditions["source"] = {"in": list(sources)}
    if label is not None:
        conditions["label"] = {"eq": label}
    if conditions:
        options["where"] = both(options.get("where"), parse_filter(conditions))
    if space is not None:
        options["spaces"] = [space]
    return query_of(parts=[_part(query, encoder_version)], **options)


def _part(query: Any, encoder_version: str | None) -> dict[str, Any]:
    if isinstance(query, str):
        return {"text": query}
    if isinstance(query, bytes):
        return {"file": query}
    if isinstance(query, np.ndarray):
        return {"vector": query.astype(float).ravel().tolist(), "encoder_version": encoder_version or "unknown"}
    return {"picture": query}


def _side_by_side(work: Any, each: Iterable[Any]) -> list[Any]:
    """Return the results of a function for several, in their order; more than one in threads of their own.

    What listens to the progress here listens there.
    """
    items = list(each)
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(8, len(items))) as pool:
        return list(pool.map(lambda item, context: context.run(work, item), items, [copy_context() for _ in items]))


def _searched_space(space: OpenSpace) -> SearchedSpace:
    release = space.release
    return SearchedSpace(
        space=release.space,
        encoder=release.encoder,
        encoder_version=release.encoder_version,
        release=release.key,
        live=space.live,
    )
