"""Cutting recipe of an encoder version, from its record: an active version goes on as it was made."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from embed_assets.media.limits import Limits
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import CuttingRecipe, Segmenting
from embed_assets.store.versions import VersionRecord


def recipe_of(record: VersionRecord, limits: Limits) -> CuttingRecipe:
    """Return how the version cuts media, whatever the settings are by now.

    `limits` are those of the settings, of which the version keeps what its vectors depend on.
    """
    parts = record.segmenting
    decode = _options(parts.get("decode"), Limits)
    decode = {name: tuple(value) if isinstance(value, list) else value for name, value in decode.items()}
    return CuttingRecipe(
        limits=replace(limits, **{"jpeg_side": None, **decode}),
        segmenting=Segmenting(**_options(parts.get("segment"), Segmenting)),
        sampling=Sampling(**_options(parts["sampling"], Sampling)) if parts.get("sampling") else None,
    )


def _options(part: Mapping[str, Any] | None, kind: Any) -> dict[str, Any]:
    """Return the options of a part of the identity, which also holds versions of libraries."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in (part or {}).items() if name in names}
