"""Version encoding: how the items of an encoder version are read, cut and batched, and how its vectors are stored."""

from typing import Any

from embed_assets.embedding.loop import Encoding, Segmenter
from embed_assets.encoders.base import Encoder
from embed_assets.manifest.open_sources import segmenter
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.pipeline.context import RunContext
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.cutting_recipe import recipe_of


def segmenter_of(
    context: RunContext, record: VersionRecord, encoder: Encoder | None, decoders: Decoders | None
) -> Segmenter:
    """Return a function from a manifest row to its segments, cut as the version does.

    Without the encoder texts can't be cut: it is its tokens that they are measured in.
    """
    sources = context.settings.sources
    return segmenter(
        {name: sources[name] for name in context.settings.sources_of(record.encoder)},
        encoder,
        recipe_of(record, context.limits),
        decoders=decoders,
        store=context.store,
        cache=context.media_cache,
    )


def encoding_of(context: RunContext, record: VersionRecord, encoder: Encoder, decoders: Decoders | None) -> Encoding:
    """Return how items are read, cut as the version does, and batched; it may be made with other settings."""
    compute = context.settings.compute
    return Encoding(
        encoder=encoder,
        segmenter=segmenter_of(context, record, encoder, decoders),
        limits=context.batch_limits(encoder),
        readers=compute.readers,
        buffer_bytes=compute.buffer_mb * 1024 * 1024,
    )


def vector_schema_of(record: VersionRecord) -> Any:
    """Return the schema of a version's vector table, without user columns."""
    return vector_schema(record.id, dim=record.dim, dtype=record.vector_dtype, distance=record.spec.distance)
