"""Service: what routes and MCP tools share: the searcher, media, uploads, and what exists for whom."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import numpy as np

from embed_assets.errors import NotFoundError, OverloadedError, SettingsError, UnknownNameError
from embed_assets.media.media_types import Modality
from embed_assets.pipeline.inspection.space_maps import SpaceMaps
from embed_assets.pipeline.item_details import find_item, item_details
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.queries.judged_queries import judge
from embed_assets.search.answers import Answer
from embed_assets.search.filters import FilterTree
from embed_assets.search.query import Query, QueryPart
from embed_assets.search.searcher import Searcher
from embed_assets.service.access.api_keys import ApiKeys, Caller
from embed_assets.service.batching_encoder import BatchingEncoder
from embed_assets.service.documents import EncodeRequest, JudgementRequest
from embed_assets.service.errors_as_json import without_paths
from embed_assets.service.freshness import Freshness
from embed_assets.service.media_files import MediaFiles
from embed_assets.service.metrics import Metrics
from embed_assets.service.space_documents import map_document, space_document
from embed_assets.service.thumbnails import Thumbnails
from embed_assets.service.uploads import Uploads
from embed_assets.service.warm_up import WarmUp
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.versions.cutting_recipe import recipe_of
from embed_assets.versions.query_input import query_payload

T = TypeVar("T")

_THREADS = max(32, 4 * (os.cpu_count() or 1))


class Service:
    """The service on one store. Its methods block, and may be called from several threads; `run` calls them in one."""

    def __init__(self, steps: Steps, keys: ApiKeys) -> None:
        settings = steps.settings
        self.steps, self.settings, self.keys = steps, settings.serve, keys
        self.metrics = Metrics()
        self.encoder = BatchingEncoder(
            steps.store, settings.compute, most_waiting=2 * self.settings.queue, observe=self._observe
        )
        self.warm_up = WarmUp(steps.store, self.encoder, self.metrics)
        self.searcher = Searcher(
            steps.store,
            compute=settings.compute,
            limits=settings.limits,
            encoder=self.encoder,
            reranker=self.settings.reranker,
            pointers=self.warm_up.pointers,
        )
        self.media = MediaFiles(steps)
        self.thumbnails = Thumbnails(steps, self.media)
        self.uploads = Uploads(self.settings.uploads_mb * 2**20)
        self.freshness = Freshness(steps)
        self.maps = SpaceMaps(steps.store)
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._in_work = 0

    async def run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a method in a thread. Raises OverloadedError where as many requests as may are in work or waiting."""
        if self._in_work >= self.settings.queue:
            self.metrics.rejected.labels("queue").inc()
            raise OverloadedError
        self._in_work += 1
        self.metrics.in_work.set(self._in_work)
        try:
            return await anyio.to_thread.run_sync(partial(function, *arguments, **options), limiter=self._limiter)
        finally:
            self._in_work -= 1
            self.metrics.in_work.set(self._in_work)

    def search(self, caller: Caller, query: Query, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
        """Answer a query; its parts may name `files` of the same request, or earlier uploads."""
        self._check(query)
        self._require_spaces(query.spaces)
        parts = tuple(self._resolved(caller, part, files or {}) for part in query.parts)
        answer = self.searcher.search(query.model_copy(update={"parts": parts}), must=caller.must)
        for space in answer.spaces:
            self.metrics.search_seconds.labels(space.space, answer.mode).observe(answer.search_seconds)
        return self._document(answer)

    def encode(self, request: EncodeRequest, files: Sequence[bytes]) -> dict[str, Any]:
        """Encode texts and files with what serves a space, or with another version of it."""
        self._require_spaces([request.space])
        if not request.texts and not files:
            raise SettingsError("There is nothing to encode: send texts or uploads.")
        if any(len(text) > self.settings.max_query_characters or not text.strip() for text in request.texts):
            most = self.settings.max_query_characters
            raise SettingsError(f"A text has 1 to {most:,} characters, not only blanks (serve.max_query_characters).")
        record = self._record(request.space, request.version)
        limits = recipe_of(record, self.steps.limits).limits
        decoders = self.steps.context.decoders
        inputs: list[tuple[Modality, Any]] = [
            query_payload(each, record.spec, limits=limits, decoders=decoders) for each in (*request.texts, *files)
        ]
        vectors = self.encoder.encode(record, inputs)
        return {
            "space": request.space,
            "encoder": record.encoder,
            "encoder_version": record.version,
            "dim": record.dim,
            "vectors": np.asarray(vectors, np.float32).tolist(),
        }

    def facets(
        self, caller: Caller, *, spaces: Sequence[str] = (), where: FilterTree | None = None, values: int = 20
    ) -> dict[str, Any]:
        """Count the values of columns under a filter."""
        self._require_spaces(spaces)
        counted = self.searcher.facets(spaces=tuple(spaces), where=where, must=caller.must, values=values)
        return {"facets": counted}

    def map(self, caller: Caller, space: str) -> dict[str, Any]:
        """Place the items of a space that exist for the caller."""
        self._require_spaces([space])
        opened = self.searcher.open_space(space)
        return map_document(opened, self.maps.of(opened, caller.must))

    def spaces(self, caller: Caller) -> dict[str, Any]:
        """Describe the spaces, and what may be requested."""
        stale = self.freshness.stale() if caller.must is None else None
        pointers = self.steps.store.serving.pointers()
        return {
            "spaces": [
                space_document(self.steps, pointer, stale=stale, is_tenant=caller.must is not None)
                for pointer in pointers
                if pointer.live is not None or caller.must is None
            ],
            "limits": {
                "k": self.settings.max_k,
                "characters": self.settings.max_query_characters,
                "upload_bytes": self.settings.max_upload_mb * 2**20,
            },
            "reranker": self.settings.reranker,
            "may_judge": self.settings.judgements and caller.write,
        }

    def row(self, caller: Caller, name: str) -> ManifestRow:
        """Return the row of an item by its id or name. Raises UnknownNameError where there is none for the caller."""
        try:
            row = find_item(self.steps, name, suggests=False)
        except UnknownNameError:
            if caller.must is None:
                raise
            raise UnknownNameError("item", name) from None  # without the names of others' sources
        if caller.must is not None and not self.searcher.visible(row["media_id"], caller.must):
            raise UnknownNameError("item", name)
        return row

    def item(self, caller: Caller, name: str, *, neighbours: int = 0) -> dict[str, Any]:
        """Describe an item, with so many of the nearest items."""
        row = self.row(caller, name)
        document: dict[str, Any] = item_details(self.steps, row).document()
        document |= {"neighbours": self._neighbours(caller, row, neighbours)}
        if caller.must is not None:  # who promoted what is not a tenant's business
            document["history"] = [each for each in document["history"] if each["event"] in ("read", "embedded")]
        for part in (document, *document["versions"]) if self.keys else ():
            part["detail"] = without_paths(part["detail"])
        return document | {"uri": self._shown(document["uri"])}

    def _neighbours(self, caller: Caller, row: ManifestRow, count: int) -> list[dict[str, Any]]:
        if not count:
            return []
        query = Query(parts=(QueryPart(item=row["media_id"]),), k=count)
        try:
            return self._document(self.searcher.search(query, must=caller.must))["hits"]
        except NotFoundError:  # it has no vectors
            return []

    def thumbnail(self, caller: Caller, name: str, *, side: int, milliseconds: int = 0) -> tuple[ManifestRow, bytes]:
        """Return an item's row and its thumbnail."""
        row = self.row(caller, name)
        return row, self.thumbnails.of(row, side=side, milliseconds=milliseconds)

    def judge(self, caller: Caller, request: JudgementRequest) -> dict[str, Any]:
        """Keep a mark on a result."""
        if (request.text is None) == (request.upload is None):
            raise SettingsError("A judgement is of one query: send text or upload.")
        self._require_spaces([request.space])
        row = self.row(caller, request.item)
        query = request.text if request.text is not None else self.uploads.get(caller.name, request.upload or "")
        key = f"{row['source']}/{row['key']}"
        line = judge(self.steps.store, request.space, query=query, key=key, good=request.good)
        if caller.must is None:
            return line
        # Others' marks of the same query name their items.
        return {name: [key] if isinstance(value, list) else value for name, value in line.items() if _names(value, key)}

    def _check(self, query: Query) -> None:
        if query.k + query.offset > self.settings.max_k:
            raise SettingsError(
                f"k and offset together are {query.k + query.offset:,}; at most {self.settings.max_k:,} (serve.max_k)."
            )
        characters = sum(len(part.text) for part in query.parts if part.text is not None)
        if characters > self.settings.max_query_characters:
            raise SettingsError(
                f"The query has {characters:,} characters; at most {self.settings.max_query_characters:,} "
                "(serve.max_query_characters)."
            )

    def _resolved(self, caller: Caller, part: QueryPart, files: Mapping[str, bytes]) -> QueryPart:
        """Return a part with the bytes of its upload, or the id of its item, if that exists for the caller."""
        if part.item is not None:
            return part.model_copy(update={"item": self.row(caller, part.item)["media_id"]})
        if part.upload is None:
            return part
        data = files[part.upload] if part.upload in files else self.uploads.get(caller.name, part.upload)
        return part.model_copy(update={"upload": None, "file": data})

    def _require_spaces(self, spaces: Sequence[str]) -> None:
        """Raise UnknownNameError for a space that serves nothing."""
        if not spaces:
            return
        known = self.searcher.spaces()
        for space in spaces:
            if space not in known:
                raise UnknownNameError("space", space, known, hint=f"Spaces that serve: {', '.join(known) or 'none'}.")

    def _record(self, space: str, version: str | None) -> Any:
        pointer = self.steps.store.serving.pointer(space)
        records = [
            record
            for encoder in self.steps.store.versions.encoders()
            for record in self.steps.store.versions.of(encoder)
            if record.spec.space == space
        ]
        wanted = version or (pointer.live.encoder_version if pointer.live else "")
        found = [record for record in records if record.version == wanted]
        if not found:
            raise UnknownNameError("encoder version", wanted, [record.version for record in records])
        return found[-1]

    def _document(self, answer: Answer) -> dict[str, Any]:
        document = answer.document()
        for hit in document["hits"]:
            hit["uri"] = self._shown(hit["uri"])
        document["notes"] = [without_paths(note) for note in document["notes"]]
        return document

    def _shown(self, uri: str) -> str:
        """Return an address as the caller may see it: with keys, paths of this machine and buckets stay here."""
        return uri if not self.keys or uri.startswith(("http://", "https://")) else ""

    def _observe(self, encoder: str, count: int, seconds: float) -> None:
        self.metrics.batch_size.labels(encoder).observe(count)
        self.metrics.encode_seconds.labels(encoder).observe(seconds)


def _names(value: str | list[str], key: str) -> bool:
    return isinstance(value, str) or key in value
