"""Space documents: what a space serves, how good it was found, what waits and what one may go back to; its map."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from embed_assets.pipeline.inspection.space_maps import SpaceMap
from embed_assets.pipeline.space_versions import space_versions
from embed_assets.pipeline.steps import Steps
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer


def space_document(
    steps: Steps, pointer: Pointer, *, stale: Mapping[str, int] | None, is_tenant: bool
) -> dict[str, Any]:
    """Describe a space. For a tenant nothing that counts others' items."""
    document: dict[str, Any] = {
        "space": pointer.space,
        "live": None if pointer.live is None else _live(steps, pointer.live),
    }
    if is_tenant:
        for name in ("rows", "checks"):
            document["live"].pop(name)
        return document
    versions = space_versions(steps, pointer.space)
    waiting = stale.get(pointer.space, 0) if stale is not None else None
    return document | {
        "moved_at": pointer.moved_at,
        "moved_by": pointer.moved_by,
        "stale": waiting,  # items that a run would encode; None: not counted yet
        "candidates": [asdict(each) for each in versions if each.state == "candidate"],
        "earlier": [asdict(each) for each in versions if each.state == "previous"],
        "versions": [asdict(each) for each in versions],
    }


def _live(steps: Steps, release: Release) -> dict[str, Any]:
    record = steps.store.versions.get(release.version_id)
    calibration = getattr(release, "calibration", None)
    return {
        "encoder": release.encoder,
        "encoder_version": release.encoder_version,
        "model": record.spec.model if record else "",
        "takes": list(record.spec.modalities) if record else [],
        "dim": release.dim,
        "distance": release.distance,
        "release": release.key,
        "rows": release.rows,
        "ann": release.ann,
        "calibration": asdict(calibration) if is_dataclass(calibration) else calibration,  # pyright: ignore[reportArgumentType]
        "checks": [asdict(check) for check in release.checks],
    }


def map_document(space: OpenSpace, found: SpaceMap) -> dict[str, Any]:
    """Describe a map: lists by item, and groups by their number, the largest first."""
    groups = Counter(found.groups).most_common()
    number = {name: place for place, (name, _) in enumerate(groups)}
    x, y = np.round(found.places.astype(float), 4).T.tolist()
    return {
        "space": space.release.space,
        "encoder": space.release.encoder,
        "encoder_version": space.release.encoder_version,
        "release": space.release.key,
        "method": found.method,
        "items": found.items,
        "grouped_by": found.grouped_by,
        "groups": [{"name": name, "items": count} for name, count in groups],
        "media_ids": [name.media_id for name in found.names],
        "names": found.short_names(),
        "texts": list(found.texts),
        "modalities": [name.modality for name in found.names],
        "group_of": [number[group] for group in found.groups],
        "x": x,
        "y": y,
    }
