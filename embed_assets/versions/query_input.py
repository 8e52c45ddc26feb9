"""Query input: what a query is, in words or as a file, and what its encoder is given of it."""

from typing import Any

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import MediaError, SettingsError
from embed_assets.manifest.open_sources import sampling_of
from embed_assets.media.detect import look_at
from embed_assets.media.hashing import content_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import MediaItem, Modality, Sniffed
from embed_assets.media.segments import CuttingRecipe, each_segment

_CHARACTERS = 100_000  # ten million of them keep a tokenizer busy for twenty seconds


def query_payload(query: Any, spec: EncoderSpec, *, limits: Limits, decoders: Decoders | None) -> tuple[Modality, Any]:
    """Return modality and payload of a query: a str, a file's bytes, or a decoded picture.

    Of a sound or video longer than the encoder's window the first segment is the query, of a text file its first
    100,000 characters: no encoder's window has more. A file is decoded as media is: in a process of its own
    where there are `decoders`, and within the limits. Raises SettingsError where the encoder does not take that
    kind, MediaError where the file can't be decoded.
    """
    if isinstance(query, str):
        return _require_modality("text", spec), query
    if not isinstance(query, bytes):
        return _require_modality("image", spec), query
    if len(query) > limits.max_bytes:
        raise MediaError("too large", f"{len(query):,} bytes; the limit max_bytes is {limits.max_bytes:,}")
    sniffed = look_at(query, decoders)
    modality = _query_modality(sniffed, spec)
    item = MediaItem(modality=modality, media_hash=content_hash(query), mime=sniffed.mime, decoder=sniffed.decoder)
    recipe = CuttingRecipe(limits=limits, sampling=sampling_of(spec, by_scene=False))
    segments = each_segment(query, item, recipe, decoders=decoders)
    payload = next(segments).payload
    return modality, payload[:_CHARACTERS] if isinstance(payload, str) else payload


def _query_modality(sniffed: Sniffed, spec: EncoderSpec) -> Modality:
    """Return a query file's modality: its own, or audio for a video where only sounds are encoded."""
    if sniffed.modality is None:
        raise SettingsError(f"The query file is {sniffed.mime}, which no encoder takes.")
    if sniffed.modality == "video" and "video" not in spec.modalities:
        return _require_modality("audio", spec)
    return _require_modality(sniffed.modality, spec)


def _require_modality(modality: Modality, spec: EncoderSpec) -> Modality:
    if modality not in spec.modalities:
        raise SettingsError(
            f"Space {spec.space!r} can't be searched with {modality}: its encoder {spec.name!r} takes "
            f"{', '.join(spec.modalities)}."
        )
    return modality
