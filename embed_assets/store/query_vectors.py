"""Query vectors: encoded once per encoder version, kept beside its vectors, never searched among them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from embed_assets.store.open_database import Database
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.upsert import KEY, quoted, read, upsert


def queries_table(vectors: str) -> str:
    """Return the name of the table of queries beside a vector table."""
    return f"{vectors}__queries"


class QueryVectors:
    """Vectors of the queries that checks ask one encoder version with."""

    def __init__(self, database: Database, vectors: str, *, dim: int) -> None:
        self._database = database
        self._name = queries_table(vectors)
        self._schema = pa.schema(
            [
                pa.field("query_id", pa.string(), nullable=False, metadata=KEY),
                pa.field("kind", pa.string(), nullable=False),  # judged, or held out
                pa.field("modality", pa.string(), nullable=False),
                pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            ]
        )

    def get(self, kind: str) -> dict[str, tuple[str, np.ndarray]]:
        """Map query ids to (modality, vector), of one kind."""
        table = self._database.open_or_none(self._name)
        if table is None:
            return {}
        rows = read(table, self._schema.names, where=f"kind = {quoted(kind)}")
        names, modalities = (rows[name].to_pylist() for name in ("query_id", "modality"))
        vectors = matrix(rows["vector"].combine_chunks())
        return dict(zip(names, zip(modalities, vectors, strict=True), strict=True))

    def put(self, kind: str, modality: str, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Insert or replace."""
        rows = [
            {"query_id": query, "kind": kind, "modality": modality, "vector": vector}
            for query, vector in dict(zip(ids, vectors, strict=True)).items()
        ]
        if rows:
            table = self._database.open_or_create(self._name, self._schema)
            upsert(table, pa.Table.from_pylist(rows, schema=self._schema), key="query_id")
