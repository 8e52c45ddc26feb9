"""SourceState: what the latest refresh of a source was made with, and what it could not reach."""

from dataclasses import asdict, dataclass

import pyarrow as pa

from embed_assets.store.open_database import Database
from embed_assets.store.upsert import KEY, add_missing_columns, quoted, read, upsert

TABLE = "source_state"

_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False, metadata=KEY),
        pa.field("decoders", pa.string(), nullable=False),
        pa.field("encoding", pa.string(), nullable=False),
        pa.field("unreachable", pa.string(), nullable=False),
        pa.field("unmatched", pa.string(), nullable=False),
        pa.field("columns", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceState:
    """State of a source beside its rows."""

    decoders: str = ""  # decoder plugins that its files were detected with
    encoding: str = ""  # setting by which its texts were read that are not UTF-8
    unreachable: str = ""  # items that could not be reached, as JSON
    unmatched: str = ""  # rows of the sidecar that name no item, as JSON
    columns: str = ""  # user columns: their values by kind, as JSON


def read_state(database: Database, source: str) -> SourceState | None:
    """Return the state of a source; None where none was written."""
    table = database.open_or_none(TABLE)
    if table is None:
        return None
    present = [name for name in table.schema.names if name in _SCHEMA.names]  # an older store has fewer
    rows = read(table, present, where=f"source = {quoted(source)}").to_pylist()
    return SourceState(**{name: value or "" for name, value in rows[0].items() if name != "source"}) if rows else None


def write_state(database: Database, source: str, state: SourceState) -> None:
    """Replace the state of a source; writes nothing where it is as it was, or is empty as that of a new source."""
    if state == (read_state(database, source) or SourceState()):
        return
    row = {"source": source, **asdict(state)}
    table = add_missing_columns(database, TABLE, _SCHEMA)
    upsert(table, pa.Table.from_pylist([row], schema=_SCHEMA), key="source")
