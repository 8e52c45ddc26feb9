"""WarmUp: load encoders and open tables before they are needed, at the start and behind every move of a pointer."""

import logging
import threading
from collections.abc import Callable

from embed_assets.encoders.canary_inputs import canary_payloads
from embed_assets.search.query import Query, QueryPart
from embed_assets.search.searcher import Searcher
from embed_assets.service.batching_encoder import BatchingEncoder
from embed_assets.service.metrics import Metrics
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.store import Store

_log = logging.getLogger(__name__)
_SECONDS = 0.5  # between two looks at the pointers


class WarmUp:
    """A thread that looks at the serving pointers, and readies what they name."""

    def __init__(self, store: Store, searcher: Searcher, encoder: BatchingEncoder, metrics: Metrics) -> None:
        self._store = store
        self._searcher = searcher
        self._encoder = encoder
        self._metrics = metrics
        self._warm: dict[str, str] = {}  # space → key of the release that is warm
        self._problem = "the service is starting"
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_move: Callable[[], None] = lambda: None

    @property
    def problem(self) -> str:
        """Why the service is not ready; "" where it is."""
        return self._problem

    def start(self) -> None:
        """Start looking."""
        self._thread = threading.Thread(target=self._run, name="warm up", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._ended.set()

    def look(self) -> None:
        """Ready everything that the pointers name now, and say whether that is so."""
        problems, pointers = [], self._store.serving.pointers()
        for pointer in pointers:
            if pointer.live is not None and self._warm.get(pointer.space) != pointer.live.key:
                problems += self._ready(pointer, pointer.live)
        if not any(pointer.live for pointer in pointers):
            problems.append("no space serves yet: run the pipeline first")
        self._metrics.serving(pointers)
        self._problem = "; ".join(problems)

    def _ready(self, pointer: Pointer, release: Release) -> list[str]:
        is_move = pointer.space in self._warm
        try:
            record = self._store.versions.get(release.version_id)
            if record is None:
                return [f"space {pointer.space!r} serves a version that the store does not have"]
            modality = record.spec.modalities[0]
            payload = canary_payloads(record.spec, modality)[0]
            vector = self._encoder.encode(record, [(modality, payload)])[0]
            if not is_move:
                self._search(pointer.space, record.version, vector.tolist())
        except Exception as error:  # another look may find it well: a server that was down, a file that was away
            _log.warning("space %s is not ready: %s", pointer.space, error)
            return [f"space {pointer.space!r} is not ready"]
        self._warm[pointer.space] = release.key
        if is_move:
            self.on_move()
        return []

    def _search(self, space: str, version: str, vector: list[float]) -> None:
        part = QueryPart(vector=vector, encoder_version=version)
        self._searcher.search(Query(parts=(part,), spaces=[space], k=1))

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.look()
            except Exception as error:  # the store is out of reach: the next look may find it
                _log.warning("the serving pointers can't be read: %s", error)
                self._problem = "the store can't be read"
            self._ended.wait(_SECONDS)
