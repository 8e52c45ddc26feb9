"""Known nearest: the exact nearest rows to held-out queries are kept; after an edit only its rows are scanned."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.lance_rows import rows_at
from embed_assets.store.open_database import Database
from embed_assets.store.serving.vector_scan import distances, kth_distances, matrix, nearest_places, rounded
from embed_assets.store.upsert import COMMITTED, read

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

FOLDER = "nearest"  # of the store: a file a table, replaced as a whole
FROM_ROWS = 50_000  # of a smaller table all rows are scanned in less time than a file is written
_KEPT = 32  # rows a query: as many may go, less k, before all rows are scanned again
_MOST_CHANGED = 0.2  # of the rows
_QUERY_SETS = 4  # of one table


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Nearest rows to some queries as of a table version: all of those rows that are nearer than `horizon`."""

    version: int
    distance: str
    ids: list[list[str]]
    distances: list[list[float]]
    horizon: list[float | None]  # by query; None: no row is left out


def exact_kth_distances(
    database: Database, table: "Table", queries: np.ndarray, *, k: int, distance: str, from_rows: int = FROM_ROWS
) -> np.ndarray:
    """Return as `kth_distances`. Of a large table what was found for the same queries before is brought up to date."""
    if table.count_rows() < from_rows or k > _KEPT // 2:
        return kth_distances(table, queries, k=k, distance=distance)
    kept, name = _read(database, table.name), _name(queries)
    known = kept.get(name)
    if known is not None and known.distance == distance and known.version <= table.version:
        known = _up_to_date(known, table, queries, k=k)
    else:
        known = None
    if known is None:
        known = _scanned(table, queries, distance)
    if kept.get(name) != known:
        _write(database, table.name, dict([*kept.items(), (name, known)][-_QUERY_SETS:]))
    nearest = [each[:k] for each in known.distances]
    return np.array([each[k - 1] if len(each) == k else np.inf for each in nearest], np.float32)


def nearest_file(table: str) -> str:
    """Return the path of a table's file below the store."""
    return f"{FOLDER}/{table}.json"


def forget_nearest(database: Database, table: str) -> None:
    """Remove what is kept of a table."""
    fs, folder = database.files()
    path = f"{folder.rstrip('/')}/{nearest_file(table)}"
    if fs.exists(path):
        fs.rm_file(path)


def _scanned(table: "Table", queries: np.ndarray, distance: str) -> _Known:
    """Scan all rows."""
    found, places = nearest_places(table, queries, k=_KEPT, distance=distance)
    dataset: Any = table.to_lance()
    different = np.unique(places[places >= 0])
    ids = rows_at(dataset, different, ["segment_id"])["segment_id"].to_pylist()
    names = dict(zip(different.tolist(), ids, strict=True))
    return _Known(
        version=table.version,
        distance=distance,
        ids=[[names[place] for place in row[row >= 0].tolist()] for row in places],
        distances=[row[own >= 0].tolist() for row, own in zip(found, places, strict=True)],
        horizon=[float(row[-1]) if np.isfinite(row[-1]) else None for row in found],
    )


def _up_to_date(known: _Known, table: "Table", queries: np.ndarray, *, k: int) -> _Known | None:
    """Return what is nearest in the table as it is now; None where all rows have to be scanned for it."""
    if known.version == table.version:
        return known
    changed = read(table, ["segment_id", "vector"], where=f"{COMMITTED} > {known.version}")
    if changed.num_rows > _MOST_CHANGED * table.count_rows():
        return None
    present = read(table, ["segment_id"])["segment_id"]
    wanted = pa.array(sorted({name for each in known.ids for name in each}), pa.string())
    there = wanted.filter(pc.is_in(wanted, value_set=present.combine_chunks()))
    is_changed = pc.is_in(there, value_set=changed["segment_id"].combine_chunks())
    unchanged = set(there.filter(pc.invert(is_changed)).to_pylist())
    names = changed["segment_id"].to_pylist()
    found = np.empty((len(queries), 0), np.float32)
    if names:
        found = distances(rounded(queries, table), matrix(changed["vector"].combine_chunks()), known.distance)
    ids, nearest = [], []
    for query, horizon in enumerate(known.horizon):
        pairs = [pair for pair in zip(known.distances[query], known.ids[query], strict=True) if pair[1] in unchanged]
        near = np.flatnonzero(found[query] < (np.inf if horizon is None else horizon))
        pairs += [(float(found[query, place]), names[place]) for place in near.tolist()]
        if len(pairs) < k and horizon is not None:
            return None
        pairs = sorted(pairs)[: 2 * _KEPT]
        ids.append([name for _, name in pairs])
        nearest.append([each for each, _ in pairs])
    horizons = [
        each[-1] if len(each) == 2 * _KEPT else before for each, before in zip(nearest, known.horizon, strict=True)
    ]
    return _Known(version=table.version, distance=known.distance, ids=ids, distances=nearest, horizon=horizons)


def _name(queries: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(queries, np.float32).tobytes()).hexdigest()[:16]


def _read(database: Database, table: str) -> dict[str, _Known]:
    fs, folder = database.files()
    path = f"{folder.rstrip('/')}/{nearest_file(table)}"
    try:
        return {name: _Known(**known) for name, known in json.loads(fs.cat_file(path)).items()}
    except (OSError, ValueError, TypeError):  # there is none, or it is another release's: all rows are scanned
        return {}


def _write(database: Database, table: str, kept: dict[str, _Known]) -> None:
    if database.writable:
        database.write_file(nearest_file(table), json.dumps({name: vars(known) for name, known in kept.items()}))
