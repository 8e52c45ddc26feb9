"""Vector tables: one per encoder version; schema, names, whole-item writes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.store.open_database import Database
from embed_assets.store.upsert import KEY, Contention, one_of, read, retried, upsert
from embed_assets.store.user_columns import MODIFIED, user_columns
from embed_assets.store.versions import VersionId

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

# What each column holds, for whoever meets the table in a catalogue.
COLUMNS = {
    "segment_id": "Key of the row: media id, kind of segment and where it starts.",
    "media_id": "The item; stays when its file is renamed.",
    "source": "Source of the item.",
    "shard": "Stable bucket of the media id.",
    "modality": "text, image, audio or video.",
    "kind": "Kind of segment: chunk of a text, image, frame, window, clip.",
    "key": "Path of the file below its source.",
    "uri": "Address of the file.",
    "media_hash": "sha256 of the file's bytes when it was embedded.",
    "meta_hash": "Hash of address, caption, labels and user columns.",
    "content_hash": "sha256 of what went into the encoder; equal input, equal vector.",
    "segment_count": "How many segments the item has.",
    "start": "Where the segment starts: a text's character, a sound's or video's millisecond.",
    "end": "Where it ends: the character behind it, or the millisecond.",
    "text": "The chunk, or the caption; full-text searched.",
    "labels": "Class names, from a sidecar or the folder.",
    "modified": "When the file was last modified, as of its latest change; of a table's row the table.",
    "embedded_at": "When the row was written.",
    "encoder_version": "Identity of the encoder that made the vector.",
    "vector": "The vector.",
}

# Reasons why an encoder's vector can't be stored and its item is quarantined.
NOT_FINITE = "vector not finite"
BEYOND_FLOAT16 = "vector beyond float16: set index.vector_dtype to float32"
_MOST_LOST = 0.01  # of a vector's length; rounding to float16 costs some 3e-4

_DELETE_CHUNK = 2000  # ids in one filter: the expression stays small
_SCHEMAS = 5  # that a table may have while rows are written to it


def vector_schema(version: VersionId, *, dim: int, dtype: str, distance: str) -> pa.Schema:
    """Return the schema of a vector table; `dtype` is float16 or float32. The metadata names the version."""
    number = pa.float16() if dtype == "float16" else pa.float32()
    metadata = {
        "embed_assets/encoder": version.encoder,
        "embed_assets/encoder_version": version.version,
        "embed_assets/dim": str(dim),
        "embed_assets/distance": distance,
        "embed_assets/span_unit": "characters of texts, milliseconds of sounds and videos",
    }
    return pa.schema(
        [
            pa.field("segment_id", pa.string(), nullable=False, metadata=KEY),
            pa.field("media_id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("shard", pa.string(), nullable=False),
            pa.field("modality", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("media_hash", pa.string(), nullable=False),
            pa.field("meta_hash", pa.string(), nullable=False),
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("segment_count", pa.int32(), nullable=False),
            pa.field("start", pa.int64()),
            pa.field("end", pa.int64()),
            pa.field("text", pa.string()),
            pa.field("labels", pa.list_(pa.string())),
            MODIFIED,
            pa.field("embedded_at", pa.timestamp("us", tz="UTC")),
            pa.field("encoder_version", pa.string(), nullable=False),
            pa.field("vector", pa.list_(number, dim), nullable=False),
        ],
        metadata=metadata,
    )


def described_columns(schema: pa.Schema) -> dict[str, str]:
    """Return what each column of a vector table holds, the user's included."""
    own = {
        field.name: f"User column {name}, from the sidecar or table." for name, field in user_columns(schema).items()
    }
    return COLUMNS | own


def unstorable(vectors: Sequence[np.ndarray], kind: pa.DataType) -> str:
    """Return the reason why vectors, (dim,) each, can't be stored as numbers of this kind; "" where they can.

    float16 ends at 65,504, and what is below 3e-8 is zero in it. Encoders whose vectors have no unit length give such.
    """
    stacked = np.stack(vectors) if len(vectors) else np.zeros((0, 1), np.float32)
    if not np.isfinite(stacked).all():
        return NOT_FINITE
    if kind != pa.float16():
        return ""
    with np.errstate(over="ignore"):
        rounded = stacked.astype(np.float16).astype(stacked.dtype)
    if not np.isfinite(rounded).all():
        return BEYOND_FLOAT16
    exact = stacked.astype(np.float64)  # the square of a small number is none in float32
    lost = np.linalg.norm(rounded - exact, axis=1) > _MOST_LOST * np.linalg.norm(exact, axis=1)
    return BEYOND_FLOAT16 if lost.any() else ""


class VectorTable:
    """The vectors of one encoder version, as they are or as they were `at` a Lance version of the table."""

    def __init__(self, database: Database, version: VersionId, *, at: int | None = None) -> None:
        self.database = database
        self.name = version.table
        self._at = at

    def create(self, schema: pa.Schema) -> "Table":
        """Open the table, created where there is none."""
        return self.database.open_or_create(self.name, schema)

    def open(self) -> "Table | None":
        """Open the table; None before the first write."""
        return self.database.open_or_none(self.name) if self._at is None else self.database.open_at(self.name, self._at)

    def read(self, columns: Sequence[str], *, where: str | None = None) -> pa.Table | None:
        """Read columns of all rows that match; None where there is no table."""
        table = self.open()
        return None if table is None else read(table, columns, where=where)

    def write_as_it_is(self, write: Callable[[pa.Schema], object]) -> None:
        """Call `write` with the table's schema; again where it is another one by then.

        Another run may add the columns of a user meanwhile, or change their types: rows that were written without
        them would stay without.
        """
        for attempt in range(_SCHEMAS):
            schema = self.database.open(self.name).schema
            try:
                write(schema)
            except (OSError, RuntimeError, ValueError):
                if attempt == _SCHEMAS - 1 or self.database.open(self.name).schema.equals(schema):
                    raise
            else:
                if self.database.open(self.name).schema.equals(schema):
                    return

    def replace_items(self, rows: pa.Table, *, replaced: Sequence[str]) -> Contention:
        """Write all segments of some items in one commit.

        `replaced` are the media ids that may have older rows: those of them not in `rows` go with the
        same commit, so that an item is never half old and half new.
        """
        table = self.database.open(self.name)
        chunks = [replaced[i : i + _DELETE_CHUNK] for i in range(0, len(replaced), _DELETE_CHUNK)]
        where = " OR ".join(one_of("media_id", chunk) for chunk in chunks) or None
        if where is not None:
            older = read(table, ["segment_id"], where=where)["segment_id"]
            replaced_rows = pc.is_in(older, value_set=rows["segment_id"].combine_chunks())
            if not len(older) or pc.all(replaced_rows).as_py():
                where = None  # every older row is replaced: to look for rows to remove, Lance would read all columns
        return upsert(table, rows, key="segment_id", delete_where=where)

    def delete_items(self, media_ids: Sequence[str]) -> int:
        """Remove all rows of items; returns how many rows went."""
        if not media_ids:
            return 0
        table = self.database.open(self.name)
        before = table.count_rows()
        for i in range(0, len(media_ids), _DELETE_CHUNK):
            where = one_of("media_id", media_ids[i : i + _DELETE_CHUNK])
            retried(lambda where=where: table.delete(where))
        return before - table.count_rows()
