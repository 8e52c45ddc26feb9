"""Canary vectors that the store keeps of each encoder version."""

from collections.abc import Mapping

import numpy as np

from embed_assets.store.open_database import Database
from embed_assets.store.records import Records
from embed_assets.store.versions import VersionId

TABLE = "canaries"


class CanaryVectors:
    """Vectors of fixed inputs, by encoder version and modality."""

    def __init__(self, database: Database) -> None:
        self._records = Records(database, TABLE)

    def put(self, version: VersionId, vectors: Mapping[str, np.ndarray], libraries: Mapping[str, str]) -> None:
        """Keep float32 (inputs, dim) by modality, and the libraries that they were made with."""
        rows = {modality: found.astype(float).tolist() for modality, found in vectors.items()}
        document = {"vectors": rows, "libraries": dict(libraries)}
        self._records.put(str(version), version.encoder, document)

    def get(self, version: VersionId) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Return vectors by modality, and the libraries that they were made with; None where there are none yet."""
        document = self._records.get(str(version))
        if document is None:
            return None
        vectors = {modality: np.asarray(rows, dtype=np.float32) for modality, rows in document["vectors"].items()}
        return vectors, document["libraries"]

    def remove(self, version: VersionId) -> None:
        """Delete a version's canary vectors."""
        self._records.remove(str(version))
