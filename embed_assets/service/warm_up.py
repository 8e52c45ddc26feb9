"""WarmUp: encoders and tables are ready before a query needs them, at the start and behind every move of a pointer."""

import logging
import threading
from collections.abc import Mapping

from embed_assets.encoders.canary_inputs import canary_payloads
from embed_assets.errors import StoreError
from embed_assets.search.query import Query, QueryPart
from embed_assets.search.searcher import Searcher
from embed_assets.service.batching_encoder import BatchingEncoder
from embed_assets.service.metrics import Metrics
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionId

_log = logging.getLogger(__name__)
_SECONDS = 0.5  # between two looks at the pointers
_LATER_SECONDS = 5.0  # after one that found a version which can't be readied


class WarmUp:
    """A thread that looks at the serving pointers, and lets searches follow a move once its encoder is loaded."""

    def __init__(self, store: Store, encoder: BatchingEncoder, metrics: Metrics) -> None:
        self._store = store
        self._encoder = encoder
        self._metrics = metrics
        self._followed: dict[str, Pointer] | None = None  # by space, what searches go by
        self._warm: dict[str, VersionId] = {}  # by space, the encoder version that was readied
        self._problem = "the service is starting"
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str:
        """Why the service is not ready; "" where it is."""
        return self._problem

    def pointers(self) -> Mapping[str, Pointer]:
        """Return the pointers that searches go by: those of the latest look, or where nobody looks the store's."""
        if self._followed is None or self._thread is None or not self._thread.is_alive():
            return {pointer.space: pointer for pointer in self._store.serving.pointers()}
        return self._followed

    def start(self, searcher: Searcher) -> None:
        """Start looking; what serves at the start is searched once, so that its table is open."""
        self._thread = threading.Thread(target=self._run, args=(searcher,), name="warm up", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._ended.set()

    def look(self, searcher: Searcher) -> bool:
        """Ready what the pointers name now, and follow those that are ready; return whether all are."""
        found = {pointer.space: pointer for pointer in self._store.serving.pointers()}
        before = self._followed or {}
        problems = [] if any(pointer.live for pointer in found.values()) else ["no space serves yet: run the pipeline"]
        followed, all_ready = dict(found), not problems
        for space, pointer in found.items():
            old = before.get(space)
            if pointer.live is None or self._warm.get(space) == pointer.live.version_id:
                continue
            if self._ready(searcher, space, pointer.live, is_start=space not in self._warm):
                self._warm[space] = pointer.live.version_id
                continue
            all_ready = False
            if old is not None and space in self._warm:
                followed[space] = old  # it goes on serving until the new one can
            else:
                problems.append(f"space {space!r} is not ready")
        self._followed = followed
        self._metrics.serving(followed.values())
        self._problem = "; ".join(problems)
        return all_ready

    def _ready(self, searcher: Searcher, space: str, release: Release, *, is_start: bool) -> bool:
        try:
            record = self._store.versions.get(release.version_id)
            if record is None:
                raise StoreError(f"encoder version {release.version_id} is not registered")
            modality = record.spec.modalities[0]
            payload = canary_payloads(record.spec, modality)[0]
            vector = self._encoder.encode(record, [(modality, payload)])[0]
            if is_start:
                part = QueryPart(vector=vector.tolist(), encoder_version=record.version)
                searcher.search(Query(parts=(part,), spaces=[space], version=record.version, k=1))
        except Exception as error:  # a server that is down, a file that is away: another look may find it well
            _log.warning("space %s can't follow its pointer to %s yet: %s", space, release.key, error)
            return False
        return True

    def _run(self, searcher: Searcher) -> None:
        while not self._ended.is_set():
            waits = _SECONDS
            try:
                waits = _SECONDS if self.look(searcher) else _LATER_SECONDS
            except Exception as error:  # the store is out of reach: what was followed goes on
                _log.warning("the serving pointers can't be read: %s", error)
                self._problem = "the store can't be read"
            self._ended.wait(waits)
