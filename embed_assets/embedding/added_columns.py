"""Added columns: bring a vector table's user columns up to date from the manifest, without encoding."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from embed_assets.media.cells.value_kinds import Kind
from embed_assets.store.manifest import Manifest
from embed_assets.store.upsert import retried
from embed_assets.store.user_columns import MODIFIED, ItemFacts, column_values, pending_fields, user_columns
from embed_assets.store.vectors import VectorTable

_ATTEMPTS = 20  # a run of another shard commits every few seconds


def add_columns(
    vectors: VectorTable, manifest: Manifest, *, sources: Sequence[str], kinds: Mapping[str, Kind]
) -> list[str]:
    """Add the user columns that a vector table lacks, and replace those whose type changed; return their names.

    Writes the files of these columns alone, joined by media id: row ids, vectors and the indices of other columns stay.
    `kinds` are those of the columns by the user's name. Where nothing is pending only the schema is read.
    """
    return _AddedColumns(vectors, manifest, sources, kinds).add()


class _AddedColumns:
    """Columns to add to one table, with their values as of one version of the manifest."""

    def __init__(
        self, vectors: VectorTable, manifest: Manifest, sources: Sequence[str], kinds: Mapping[str, Kind]
    ) -> None:
        self._vectors = vectors
        self._manifest = manifest
        self._sources = sources
        self._kinds = kinds
        self._values: tuple[int, list[pa.Field], pa.Table] | None = None

    def add(self) -> list[str]:
        """Add what is pending; again on top of other commits, which may have added some of it."""
        return retried(self._add, attempts=_ATTEMPTS)

    def _add(self) -> list[str]:
        fields = pending_fields(self._vectors.database.open(self._vectors.name).schema, self._kinds)
        if not fields:
            return []
        rows = self._rows(fields)  # before the dataset is opened: commits from then on conflict with this one
        dataset = self._vectors.database.dataset(self._vectors.name)
        replaced = [field.name for field in fields if field.name in dataset.schema.names]
        if replaced:
            dataset.drop_columns(replaced)
            dataset = self._vectors.database.dataset(self._vectors.name)
        if rows.num_rows and dataset.count_rows():
            dataset.merge(rows, left_on="media_id")
        else:  # Lance joins no empty tables
            dataset.add_columns(pa.schema(fields))
        return [field.name for field in fields]

    def _rows(self, fields: list[pa.Field]) -> pa.Table:
        """Return the media id and the new columns of every item."""
        version = self._manifest.version
        if self._values is None or self._values[:2] != (version, fields):
            self._values = version, fields, self._computed(fields)
        return self._values[2]

    def _computed(self, fields: list[pa.Field]) -> pa.Table:
        items = self._manifest.table(self._sources, columns=["media_id", "mtime", "extra"])
        own = user_columns(pa.schema(fields))
        with_time = any(field.name == MODIFIED.name for field in fields)
        values: dict[str, list[Any]] = {field.name: [] for field in fields}
        for mtime, extra in zip(items["mtime"].to_pylist(), items["extra"].to_pylist(), strict=True):
            found = column_values(own, ItemFacts(extra, mtime if with_time else None))
            for name, column in values.items():
                column.append(found[name])
        columns = {field.name: pa.array(values[field.name], field.type) for field in fields}
        schema = pa.schema([pa.field("media_id", pa.string(), nullable=False), *fields])
        return pa.Table.from_arrays([items["media_id"].combine_chunks(), *columns.values()], schema=schema)
