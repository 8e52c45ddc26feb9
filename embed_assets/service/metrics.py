"""Metrics of the service for Prometheus. No label holds what was searched for."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from embed_assets.store.serving.serving_pointer import Pointer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters, histograms and gauges of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("embed_assets_requests", "Requests.", labels, registry=self._registry)
        self.request_seconds = Histogram(
            "embed_assets_request_seconds", "Time of requests.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self.search_seconds = Histogram(
            "embed_assets_search_seconds",
            "Time of searches by space and mode, without encoding.",
            ("space", "mode"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.encode_seconds = Histogram(
            "embed_assets_encode_seconds",
            "Time of a batch of queries in the encoder.",
            ("encoder",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.batch_size = Histogram(
            "embed_assets_encode_batch_size",
            "Inputs of a batch of queries.",
            ("encoder",),
            buckets=_BATCH,
            registry=self._registry,
        )
        self.rejected = Counter(
            "embed_assets_rejected", "Requests that were refused, by reason.", ("reason",), registry=self._registry
        )
        self.in_work = Gauge("embed_assets_requests_in_work", "Requests in work or waiting.", registry=self._registry)
        self._encoder = Gauge(
            "embed_assets_encoder_info",
            "1 for the encoder version that serves a space.",
            ("space", "encoder", "version"),
            registry=self._registry,
        )
        self._rows = Gauge("embed_assets_live_rows", "Rows of what serves.", ("space",), registry=self._registry)
        self._promoted = Gauge(
            "embed_assets_pointer_moved_timestamp_seconds",
            "When a space's serving pointer was last moved.",
            ("space",),
            registry=self._registry,
        )
        self.stale = Gauge(
            "embed_assets_stale_items", "Items that a run would encode.", ("space",), registry=self._registry
        )

    def serving(self, pointers: Iterable[Pointer]) -> None:
        """Take what serves now."""
        from datetime import datetime

        self._encoder.clear()
        for pointer in pointers:
            if pointer.live is None:
                continue
            self._encoder.labels(pointer.space, pointer.live.encoder, pointer.live.encoder_version).set(1)
            self._rows.labels(pointer.space).set(pointer.live.rows)
            if pointer.moved_at:
                self._promoted.labels(pointer.space).set(datetime.fromisoformat(pointer.moved_at).timestamp())

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
