"""Indices on a vector table: ANN where it pays, full-text and scalar; built or refreshed, then measured."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.settings import IndexSettings
from embed_assets.store.open_database import Database
from embed_assets.store.upsert import is_conflict, retried
from embed_assets.store.user_columns import MODIFIED, user_columns

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

ANN = "vector_idx"
MOST_SEGMENTS = 8  # of an index; with more it is folded into one
_TREE_LACKS = 0.1  # of the rows: a B-tree that lacks more is built again
_CODED = 8  # what divides the dim of vectors that RaBitQ encodes
# Of 100,000 rows a filtered search takes 6 to 8 ms of CPU with an index on the column and 9 without, the look-up of an
# item 2 instead of 6, and an index is built in 0.04 s; of 20,000 rows neither gains.
LARGE = 50_000
MOST_USER_INDICES = 32  # each is brought up to date by every run
_SAMPLED, _FEW, _LONG = 5000, 1000, 200  # rows, different values, characters on average
_SCALARS = {"source": "BITMAP", "shard": "BITMAP", "modality": "BITMAP", "labels": "LABEL_LIST"}


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """Rows, indices and size of a table after indexing."""

    rows: int
    table_version: int
    ann: bool
    ann_kind: str
    rows_not_indexed: int
    bytes: int


def build_indices(
    database: Database, name: str, *, distance: str, settings: IndexSettings, retrain: bool = False
) -> IndexReport:
    """Compact, then build the indices that are missing and bring the others up to date.

    Idempotent: a table whose rows are all indexed is left at its Lance version. `retrain` builds the ANN
    index again, for data that has moved away from what it was trained on.
    """
    table = database.open(name)
    rows = table.count_rows()
    present = {index.name: index for index in table.list_indices()}
    behind = _behind(table, present, rows)
    if (behind or not present) and _fragments(database, name) > 1:
        retried(lambda: database.dataset(name).optimize.compact_files())
        table = database.open(name)
    wants_ann = rows >= settings.min_rows
    for index in behind:
        retried(lambda index=index: refresh_index(database, name, index))
    if wants_ann and (ANN not in present or retrain):
        retried(
            lambda: _build_ann(database.open(name), rows, distance=distance, settings=settings),
            when=lambda error: is_conflict(error) or _is_failed_training(error),
        )
    if rows:
        retried(lambda: _build_scalars(database.open(name), rows))
    return report(database, name)


def _is_failed_training(error: Exception) -> bool:
    """Return whether Lance's k-means, which starts at random, left rows without a partition."""
    return "null partition" in str(error).lower()


def refresh_index(database: Database, name: str, index: str) -> None:
    """Bring rows that an index lacks into it: as a segment of their own, or where it has many, all folded into one.

    A segment costs as much as the new rows; folding a full-text index costs as much as the whole. A B-tree is built
    again by LanceDB (0.5 s of CPU for a million texts): segments of it that pylance 14 adds LanceDB 0.40 can't read.
    """
    table = database.open(name)
    found = next((each for each in table.list_indices() if each.name == index), None)
    if found is not None and _is_tree(found):
        from lancedb.index import BTree

        table.create_index(found.columns[0], config=BTree(), name=index, replace=True)
        return
    stats: Any = database.open(name).index_stats(index)
    segments = (stats.num_indices or 1) if stats else 1
    merged = segments if segments >= MOST_SEGMENTS else 0
    database.dataset(name).optimize.optimize_indices(index_names=[index], num_indices_to_merge=merged)


def report(database: Database, name: str) -> IndexReport:
    """Report rows, indices and bytes of a table."""
    table = database.open(name)
    table.checkout(table.version)  # others may write on
    rows = table.count_rows()
    present = {index.name: index for index in table.list_indices()}
    ann = ANN in present
    stats: Any = table.index_stats(ANN) if ann else None
    return IndexReport(
        rows=rows,
        table_version=table.version,
        ann=ann,
        ann_kind=str(present[ANN].index_type) if ann else "none",
        rows_not_indexed=stats.num_unindexed_rows if stats else 0,
        bytes=_size(database, name),
    )


def _build_ann(table: "Table", rows: int, *, distance: str, settings: IndexSettings) -> None:
    """Build IVF with RaBitQ codes where the dim allows them, else with a byte a number.

    Lance's codes want a dim that 8 divides. At the other dims scalar quantisation reached recall@10 1.000 in
    0.2 s where product quantisation took 125 s (benchmarks/indices.py).
    """
    from lancedb.index import IvfRq, IvfSq

    kind: Any = table.schema.field("vector").type
    options: dict[str, Any] = {
        "distance_type": distance,
        "num_partitions": max(1, math.ceil(rows / settings.rows_per_partition)),
    }
    coded = kind.list_size % _CODED == 0
    config = IvfRq(num_bits=settings.num_bits, **options) if coded else IvfSq(**options)
    table.create_index("vector", config=config, name=ANN, replace=True)


def _build_scalars(table: "Table", rows: int) -> None:
    from lancedb.index import FTS, Bitmap, BTree, LabelList

    present = {index.name for index in table.list_indices()}
    kinds = {"BITMAP": Bitmap, "BTREE": BTree, "LABEL_LIST": LabelList}
    wanted = _SCALARS | (_large_scalars(table, present) if rows >= LARGE else {})
    for column, kind in wanted.items():
        if f"{column}_idx" not in present:
            table.create_index(column, config=kinds[kind](), name=f"{column}_idx")
    if "text_idx" not in present and table.count_rows("text IS NOT NULL"):
        table.create_index("text", config=FTS(with_position=True), name="text_idx")


def _large_scalars(table: "Table", present: Collection[str]) -> dict[str, str]:
    """Return the indices of a large table: of an item's id, key and time, and of the columns of the user."""
    schema = table.schema
    kinds = {name: "BTREE" for name in ("media_id", "key", MODIFIED.name) if name in schema.names}
    own = [field for field in user_columns(schema).values() if f"{field.name}_idx" not in present]
    room = MOST_USER_INDICES + len(own) - len(user_columns(schema))
    for field in own[: max(0, room)]:
        if kind := _scalar_kind(table, field):
            kinds[field.name] = kind
    return kinds


def _scalar_kind(table: "Table", field: pa.Field) -> str | None:
    """Return the kind of index of a user's column; None for long texts, which are no values to filter by."""
    if not pa.types.is_string(field.type):
        return "BITMAP" if pa.types.is_boolean(field.type) else "BTREE"
    dataset: Any = table.to_lance()
    values = dataset.to_table(columns=[field.name], limit=_SAMPLED)[field.name].drop_null()
    if not len(values) or pc.mean(pc.utf8_length(values)).as_py() > _LONG:
        return None
    return "BITMAP" if pc.count_distinct(values).as_py() <= _FEW else "BTREE"


def _behind(table: "Table", present: dict[str, Any], rows: int) -> list[str]:
    """Return the indices that lack rows; of B-trees those that lack many, since the others' rows are scanned."""
    behind = []
    for name, index in present.items():
        lacking = getattr(table.index_stats(name), "num_unindexed_rows", 0) or 0
        if lacking > (_TREE_LACKS * rows if _is_tree(index) else 0):
            behind.append(name)
    return behind


def _is_tree(index: Any) -> bool:
    return str(index.index_type).upper() == "BTREE"


def _fragments(database: Database, name: str) -> int:
    return len(database.dataset(name).get_fragments())


def _size(database: Database, name: str) -> int:
    """Return the bytes of the data files of the current version."""
    return sum(
        file.file_size_bytes or 0
        for fragment in database.dataset(name).get_fragments()
        for file in fragment.data_files()
    )
