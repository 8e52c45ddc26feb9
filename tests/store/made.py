"""What the tests of the store share: releases of tables of three rows, registered versions, a late reader."""

from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.quality.checks import REQUIRED
from embed_assets.settings import MaintenanceSettings
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.serving.serving_pointer import Pointer, Serving
from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId, VersionRecord
from tests.support import vector_rows

PASSED = tuple(CheckVerdict(name=name, passed=True, blocking=True, summary="fine") for name in sorted(REQUIRED))


def release(store: Store, version: str = "v1", *, rows: int = 3, **changes: Any) -> Release:
    """A release of a version's table as it is after `rows` more rows were written."""
    vectors = store.vectors(VersionId("words", version))
    ids = [f"{vectors.open() is None}-{rows}-{number}" for number in range(rows)]
    schema = vector_schema(VersionId("words", version), dim=8, dtype="float32", distance="cosine")
    vectors.create(schema)
    vectors.replace_items(vector_rows(schema, np.eye(rows, 8), media_id=ids), replaced=())
    table = store.open(vectors.name)
    table.checkout(table.version)  # others may write on
    facts = {"encoder": "words", "encoder_version": version, "table": vectors.name, "table_version": table.version}
    facts |= {"space": "words", "dim": 8, "distance": "cosine", "rows": table.count_rows(), "ann": False}
    return Release(**{**facts, "checks": PASSED, **changes})


def promote(store: Store, candidate: Release, *, keep: int = 1) -> Pointer:
    return store.serving.promote(candidate, required=REQUIRED, by="test", keep=keep)


def upkeep(**changes: Any) -> MaintenanceSettings:
    """Maintenance settings; `changes` replace the defaults."""
    return MaintenanceSettings(**changes)


def versions(pointer: Pointer) -> list[str]:
    """Of the live release and those to go back to."""
    return [one.encoder_version for one in pointer.releases]


def files(store: Store) -> dict[str, bytes]:
    """Every file of the store: path → content."""
    root = Path(store.uri)
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def register(store: Store, version: str, *, encoder: str = "words") -> VersionRecord:
    """A version of an encoder, in the store's register."""
    spec = EncoderSpec(
        name=encoder,
        family="tests.support:WordEncoder",
        model="words",
        modalities=("text",),
        media=("text",),
        space="words",
    )
    facts: dict[str, Any] = {"spec": spec, "dim": 8, "parts": {}, "segmenting": {}, "revision": None, "libraries": {}}
    record = VersionRecord(encoder=encoder, version=version, dtype="float32", vector_dtype="float32", **facts)
    store.versions.add(record)
    return record


class Late(Serving):
    """Read the pointer before somebody else moved it."""

    seen: Pointer | None = None

    def pointer(self, space: str) -> Pointer:
        seen, self.seen = self.seen, None
        return seen or super().pointer(space)
