"""ManifestRow: one media item of a source, deleted ones included."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

import pyarrow as pa

from embed_assets.media.media_types import Modality
from embed_assets.store.upsert import KEY

SCHEMA = pa.schema(
    [
        pa.field("media_id", pa.string(), nullable=False, metadata=KEY),
        pa.field("source", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("mtime", pa.float64()),
        pa.field("etag", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("meta_hash", pa.string()),
        pa.field("mime", pa.string()),
        pa.field("modality", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("extra", pa.string()),
        pa.field("updated_at", pa.timestamp("us", tz="UTC")),
        pa.field("table_key", pa.string()),
        pa.field("row_id", pa.string()),
        pa.field("row_stamp", pa.string()),
        pa.field("table_kind", pa.string()),
        pa.field("decoder", pa.string()),
        pa.field("charset", pa.string()),
    ]
)

# What each column holds, for whoever meets the table in a catalogue.
COLUMNS = {
    "media_id": "The item; stays when its file is renamed.",
    "source": "Source of the item.",
    "key": "Unique in its source: path of the file, of a table's row the table's key and the row's id.",
    "uri": "Address of the file, or of what the row names.",
    "shard": "Stable bucket of the media id; a partition in Dagster.",
    "size": "Bytes of the file.",
    "mtime": "When the file was last modified, in seconds since the epoch.",
    "etag": "The file's or the table's; of a row with a column `updated` that value.",
    "content_hash": "sha256 of the bytes.",
    "meta_hash": "Hash of address, caption, labels and user columns.",
    "mime": "Kind of the file, as detected by its bytes.",
    "modality": "text, image, audio or video; empty where it is not known.",
    "status": "ok, quarantined or deleted.",
    "reason": "Why the item is quarantined.",
    "caption": "Caption, from a sidecar or a table.",
    "labels": "Class names, from a sidecar, a table or the folder.",
    "extra": "User columns as JSON.",
    "updated_at": "When the row was written.",
    "table_key": "Key of the table that the item is a row of; empty for a file.",
    "row_id": "The row's id in that table, or in the table that names the file.",
    "row_stamp": "Hash of the settings and the sidecar that the row was read with.",
    "table_kind": "csv, tsv, jsonl, parquet, lance or delta; empty for a file.",
    "decoder": "Name and version of the plugin's decoder that reads the item.",
    "charset": "Encoding of a text, where the source's `encoding` decides.",
}


class ManifestRow(TypedDict):
    """A row of the manifest. A dict rather than an object: Arrow makes a million of them in one call."""

    media_id: str
    source: str
    key: str  # unique in its source; of a table's row the table's key and the row's id
    uri: str
    shard: str
    size: int | None
    mtime: float | None
    etag: str | None  # the file's or the table's; of a row with a column `updated` that value
    content_hash: str
    meta_hash: str
    mime: str | None
    modality: Modality | None
    status: str  # ok, quarantined, deleted
    reason: str | None
    caption: str | None
    labels: list[str] | None
    extra: str | None  # user columns as JSON
    updated_at: datetime
    table_key: str | None  # key of the table that the item is a row of; None for a file
    row_id: str | None  # its id in that table, or in the table that names the file
    row_stamp: str | None  # hash of the settings and sidecar that the row was read with, where it has `updated`
    table_kind: str | None  # csv, tsv, jsonl, parquet, lance, delta
    decoder: str | None  # name and version of the plugin's decoder
    charset: str | None  # of a text, where the source's `encoding` decides


def owner(row: Mapping[str, Any]) -> str:
    """Return the key of the file that a row is, or is in."""
    return row["table_key"] or row["key"]


def read_as(row: ManifestRow) -> str:
    """Return the decoder or encoding that an item is read with, as its content hash counts it; "" for none."""
    return row["decoder"] or row["charset"] or ""
