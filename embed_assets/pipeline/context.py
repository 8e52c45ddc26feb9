"""RunContext: what all steps of a pipeline share: settings, store, manifest, caches, worker processes, encoders."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from tempfile import TemporaryDirectory

from embed_assets.embedding.batching import BatchLimits
from embed_assets.encoders.base import Encoder
from embed_assets.errors import EncoderVersionError
from embed_assets.manifest.open_sources import decoders_of, limits_of
from embed_assets.media.files.download_cache import MediaCache, cache_folder, shared_cache
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.quality.candidate_measurements import CandidateMeasurements
from embed_assets.quality.queries.evaluation_queries import EvaluationQueries
from embed_assets.run_cache import shared
from embed_assets.settings import PipelineSettings
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionId, VersionRecord
from embed_assets.versions.canary_check import check_canaries
from embed_assets.versions.load_version import installed_libraries, keep_to_torch, load_version


class RunContext:
    """The settings of a pipeline, and what is opened or loaded for them once."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.settings = settings
        self.store = Store(settings.store, settings.storage_options)
        self.limits = limits_of(settings.limits)
        self.manifest = self.store.manifest
        self._verified = set[VersionId]()

    @cached_property
    def media_cache(self) -> MediaCache | None:
        """Local copies of media of object stores: fetched once for all encoders."""
        megabytes = self.settings.compute.cache_mb
        return shared_cache(cache_folder(), max_bytes=megabytes * 2**20) if megabytes else None

    @cached_property
    def decoders(self) -> Decoders | None:
        """Worker processes that start with the first item; None where the settings trust the media.

        All steps of a run share them.
        """
        if not self.settings.compute.isolate_decoders:
            return None
        key = ("decoders", self.limits.decode_seconds, self.limits.decode_megabytes)
        return shared(key, partial(decoders_of, self.limits)) or decoders_of(self.limits)

    @cached_property
    def queries(self) -> EvaluationQueries:
        """Query vectors that versions are measured with."""
        return EvaluationQueries(
            self.settings,
            self.store,
            limits=self.limits,
            decoders=self.decoders,
            load=self.encoder,
            batch_limits=self.batch_limits,
        )

    @cached_property
    def measurements(self) -> CandidateMeasurements:
        """Measurements and checks of candidates."""
        return CandidateMeasurements(self.settings, self.store, self.queries)

    def encoder(self, record: VersionRecord) -> Encoder:
        """Return the loaded encoder of a version; it stays loaded in this process."""
        return load_version(record, compute=self.settings.compute, store=self.store)

    def verified_encoder(self, record: VersionRecord) -> Encoder:
        """Return the encoder of a version, its canaries compared. Raises EncoderVersionError where they moved."""
        encoder = self.encoder(record)
        if record.id in self._verified:
            return encoder
        try:
            self._check_canaries(record, encoder)
        except EncoderVersionError as error:
            if encoder.runtime != "openvino":
                raise
            by_torch = self.settings.compute.model_copy(update={"runtime": "torch"})
            self._check_canaries(record, load_version(record, compute=by_torch, store=self.store))
            keep_to_torch(encoder, f"its canary vectors by OpenVINO moved, and those by torch did not: {error}")
            encoder = self.encoder(record)
        self._verified.add(record.id)
        return encoder

    def _check_canaries(self, record: VersionRecord, encoder: Encoder) -> None:
        check_canaries(record, encoder, self.store.canaries, libraries=dict(installed_libraries()))

    def batch_limits(self, encoder: Encoder) -> BatchLimits:
        """Return the limits of a batch, by the settings or what suits the encoder."""
        compute = self.settings.compute
        return BatchLimits.for_encoder(encoder, tokens=compute.batch_tokens, pixels=compute.batch_pixels)

    @contextmanager
    def running_decoders(self) -> Iterator[Decoders | None]:
        """Lend the worker processes. Those that hold much memory end with the block."""
        try:
            yield self.decoders
        finally:
            if self.decoders is not None:
                self.decoders.release_memory()

    @contextmanager
    def scratch_manifest(self) -> Iterator[None]:
        """Refresh a copy of the manifest inside the block where the store can't be written: for a plan."""
        if self.store.writable:
            yield
            return
        original = self.manifest
        with TemporaryDirectory() as folder:
            self.manifest = original.copied(Store(folder), self.settings.sources)
            try:
                yield
            finally:
                self.manifest = original
