"""Cutting recipe: how an encoder version cuts media, from its record: a kept version goes on as it was made."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from embed_assets.media.limits import Limits
from embed_assets.media.sampling import Sampling
from embed_assets.media.segments import Segmenting
from embed_assets.store.versions import VersionRecord


def segmenting_as(record: VersionRecord) -> Segmenting:
    """How the version cuts texts, whatever the settings say by now."""
    return Segmenting(**_known(record.segmenting.get("segment"), Segmenting))


def sampling_as(record: VersionRecord) -> Sampling | None:
    """How the version cuts sounds and videos; None for one that is fed neither."""
    cut = record.segmenting.get("sampling")
    return Sampling(**_known(cut, Sampling)) if cut else None


def limits_as(record: VersionRecord, limits: Limits) -> Limits:
    """The bounds of now, with what of them the version's vectors hang on."""
    cut = _known(record.segmenting.get("decode"), Limits)
    return replace(limits, **{name: tuple(value) for name, value in cut.items()})


def _known(cut: Mapping[str, Any] | None, kind: Any) -> dict[str, Any]:
    """Without the versions of libraries, which are part of the identity and no option."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in (cut or {}).items() if name in names}
