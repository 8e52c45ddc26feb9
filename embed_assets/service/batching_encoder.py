"""BatchingEncoder: queries of many requests encoded together: what waits when the encoder is free, without a timer."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import OverloadedError
from embed_assets.search.encode_query import Input, QueryEncoder
from embed_assets.settings import ComputeSettings
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionId, VersionRecord

_BATCH = 64  # inputs that are taken at once; within it the padded tokens or pixels of a batch are bounded
_IDLE_SECONDS = 60.0  # after which a version's thread ends, and the version may leave memory

Observe = Callable[[str, int, float], None]  # encoder, inputs of a batch, seconds


@dataclass(frozen=True, eq=False)
class _Waiting:
    """One input that waits for its vector, (dim,)."""

    prepared: Prepared
    text: str | None  # equal texts are encoded once
    vector: "Future[np.ndarray]" = field(default_factory=Future)


class BatchingEncoder(QueryEncoder):
    """Encodes queries of any number of threads. One thread for each version takes what waits when it is free.

    Callers prepare their inputs themselves. After a promotion what waits for the older version is still encoded by it;
    then its thread ends.
    """

    def __init__(
        self, store: Store, compute: ComputeSettings, *, most_waiting: int = 512, observe: Observe | None = None
    ) -> None:
        """Take how many inputs may wait for one version; OverloadedError is raised beyond."""
        super().__init__(store, compute)
        self._most_waiting = most_waiting
        self._observe = observe or (lambda encoder, count, seconds: None)
        self._lanes: dict[VersionId, _Lane] = {}
        self._lanes_lock = threading.Lock()

    def encode_new(self, record: VersionRecord, inputs: Sequence[Input]) -> np.ndarray:
        """Encode inputs beside those of other callers: float32, (len(inputs), dim). Raises OverloadedError."""
        lane = self._lane(record)
        waiting = []
        for modality, payload in inputs:
            prepared = lane.encoder.prepare(modality, payload, query=True)
            waiting.append(_Waiting(prepared, payload if isinstance(payload, str) else None))
        while not lane.put(waiting):  # its thread has just ended
            lane = self._lane(record)
        return np.stack([each.vector.result() for each in waiting])

    def waiting(self) -> int:
        """Return how many inputs wait for an encoder."""
        with self._lanes_lock:
            return sum(len(lane.queue) for lane in self._lanes.values())

    def _lane(self, record: VersionRecord) -> "_Lane":
        with self._lanes_lock:
            lane = self._lanes.get(record.id)
            if lane is not None and not lane.ended:
                return lane
        encoder = self.loaded(record)  # may take seconds: other versions go on
        with self._lanes_lock:
            lane = self._lanes.get(record.id)
            if lane is None or lane.ended:
                lane = self._lanes[record.id] = _Lane(encoder, self._most_waiting, self._observe)
            return lane


class _Lane:
    """The queue of one version, and the thread that encodes it."""

    def __init__(self, encoder: Encoder, most: int, observe: Observe) -> None:
        self.encoder = encoder
        self.queue: deque[_Waiting] = deque()
        self.ended = False
        self._most = most
        self._observe = observe
        self._limits = BatchLimits.for_encoder(encoder)
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=f"encode {encoder.spec.name}", daemon=True).start()

    def put(self, waiting: Sequence[_Waiting]) -> bool:
        """Let inputs wait; False where the thread has ended. Raises OverloadedError where too many wait."""
        with self._changed:
            if self.ended:
                return False
            if self.queue and len(self.queue) + len(waiting) > self._most:
                raise OverloadedError
            self.queue.extend(waiting)
            self._changed.notify()
            return True

    def _run(self) -> None:
        while batch := self._take():
            self._encode(batch)

    def _take(self) -> list[_Waiting]:
        """Return what waits, or nothing once nothing has come for a while: then the thread ends."""
        with self._changed:
            if not self.queue:
                self._changed.wait_for(lambda: self.queue, _IDLE_SECONDS)
            batch = [self.queue.popleft() for _ in range(min(len(self.queue), _BATCH))]
            self.ended = not batch
            return batch

    def _encode(self, batch: Sequence[_Waiting]) -> None:
        distinct: dict[object, list[_Waiting]] = {}
        for each in batch:
            distinct.setdefault(each if each.text is None else each.text, []).append(each)
        groups = list(distinct.values())
        began = time.perf_counter()
        try:
            vectors = encode(self.encoder, [group[0].prepared for group in groups], limits=self._limits)
        except Exception as error:
            self._fail(batch, error)
            return
        self._observe(self.encoder.spec.name, len(batch), time.perf_counter() - began)
        for group, vector in zip(groups, vectors, strict=True):
            for each in group:
                each.vector.set_result(vector)

    def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Encode each input alone, so that one that can't be encoded costs no other; a single one gets the error."""
        if len(batch) == 1:
            batch[0].vector.set_exception(error)
            return
        for each in batch:
            self._encode([each])
