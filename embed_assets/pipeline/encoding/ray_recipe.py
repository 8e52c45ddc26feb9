"""Ray recipe: what a worker of a Ray cluster makes its encoder and its segmenter of: settings and version record."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from embed_assets.embedding.loop import Segmenter
from embed_assets.embedding.ray_engine.workers import LoadedEncoding
from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.errors import MediaError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.encoding.version_encoding import encoding_of, segmenter_of, vector_schema_of
from embed_assets.settings import PipelineSettings
from embed_assets.store.vectors import unstorable
from embed_assets.store.versions import VersionRecord


@dataclass(frozen=True)
class PipelineRecipe:
    """The settings, secrets included, and an encoder version; store, media and models are reached from the worker."""

    settings: PipelineSettings
    record: VersionRecord

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        return self.record.encoder

    @property
    def version(self) -> str:
        """Version of the encoder."""
        return self.record.version

    @contextmanager
    def cutting(self) -> Iterator[Segmenter]:
        """Lend a function from manifest rows to segments, on CPUs; only of texts does it load the encoder."""
        compute = self.settings.compute.model_copy(update={"device": "cpu"})
        context = RunContext(self.settings.model_copy(update={"compute": compute}))
        encoder = context.encoder(self.record) if "text" in self.record.spec.media else None
        with context.running_decoders() as decoders:
            yield segmenter_of(context, self.record, encoder, decoders)

    @contextmanager
    def loading(self) -> Iterator[LoadedEncoding]:
        """Lend the loaded encoder, its canaries compared, and what goes with it."""
        context, record = RunContext(self.settings), self.record
        encoder = context.verified_encoder(record)
        kind = vector_schema_of(record).field("vector").type.value_type
        with context.running_decoders() as decoders:
            yield LoadedEncoding(
                encoding=encoding_of(context, record, encoder, decoders),
                known=EqualInputVectors(context.store.vectors(record.id)),
                refusal=partial(_refusal, kind),
            )


def _refusal(kind: pa.DataType, vectors: Sequence[np.ndarray]) -> MediaError | None:
    reason = unstorable(vectors, kind)
    return MediaError(reason) if reason else None
