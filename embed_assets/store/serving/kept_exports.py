"""Kept exports: which rows a sink holds, a Parquet file of each export beside the tables.

The sink names the export that it holds, and the file of that id says what is in it. So a file is written before its
export is finished, and older ones are removed after.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from embed_assets.store.open_database import Database

FOLDER = "exports"  # of the store: a folder a sink, in it a file an export
_FACTS = b"embed_assets/export"


@dataclass(frozen=True, kw_only=True)
class KeptExport:
    """What was exported."""

    id: str
    definition: str  # hash of what the rows' columns and the sink's form depend on
    release: str
    content: str  # hash of the rows
    rows: pa.Table = field(compare=False)  # segment_id, shard, fingerprint


def exports_kept(database: Database, sink: str) -> list[str]:
    """Return the ids of the exports that are kept of a sink; more than one where an export was killed."""
    fs, folder = _place(database, sink)
    fs.invalidate_cache()
    try:
        names = [name.rpartition("/")[2] for name in fs.ls(folder, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))


def read_export(database: Database, sink: str, export: str, *, rows: bool = True) -> KeptExport | None:
    """Return what is kept of an export, without its rows where they are not wanted; None where that can't be read."""
    import pyarrow.parquet as pq

    fs, folder = _place(database, sink)
    try:
        with fs.open(f"{folder}/{export}.parquet", "rb") as file:
            found = pq.ParquetFile(file)
            facts = json.loads((found.schema_arrow.metadata or {})[_FACTS])
            return KeptExport(**facts, rows=found.read() if rows else found.schema_arrow.empty_table())
    except (OSError, ValueError, TypeError, KeyError):  # then the sink is written as a whole
        return None


def keep_export(database: Database, sink: str, kept: KeptExport) -> None:
    """Keep what an export is about to leave in the sink."""
    import pyarrow.parquet as pq

    fs, folder = _place(database, sink)
    facts: dict[str, Any] = {name: value for name, value in vars(kept).items() if name != "rows"}
    fs.makedirs(folder, exist_ok=True)
    with fs.open(f"{folder}/{kept.id}.parquet", "wb") as file:
        described = kept.rows.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        pq.write_table(described, file, compression="zstd")


def forget_exports(database: Database, sink: str, *, but: str) -> None:
    """Remove what is kept of other exports."""
    fs, folder = _place(database, sink)
    for export in exports_kept(database, sink):
        if export != but:
            fs.rm_file(f"{folder}/{export}.parquet")


def _place(database: Database, sink: str) -> tuple[Any, str]:
    fs, folder = database.files()
    return fs, f"{folder.rstrip('/')}/{FOLDER}/{sink}"
