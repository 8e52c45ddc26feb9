"""Parquet: a folder of parts by shard, of which an export rewrites those with changes; its manifest names them."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.settings import SinkSettings
from embed_assets.sinks.export_folder import ExportFolder
from embed_assets.sinks.sink import Export, Sink

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_PARTS = 64  # at most: shards beyond share one; all may be open at once
_GROUP_BYTES = 4 * 2**20  # of rows that wait for a row group of one part


class ParquetFolder(Sink):
    """A folder that anything reads as one table: pandas, DuckDB, Spark."""

    KIND = "parquet"

    def __init__(self, name: str, settings: SinkSettings) -> None:
        super().__init__(name, settings)
        self._folder = ExportFolder(name, settings)

    def held(self) -> str | None:
        """See Sink."""
        return self._folder.held()

    def begin(self, export: Export, *, whole: bool) -> None:
        """See Sink."""
        self._folder.begin()
        self._export = export
        self._files: dict[str, dict[str, Any]] = {} if whole else self._folder.manifest()["files"]
        self._parts: dict[int, _Part] = {}

    def delete(self, rows: pa.Table) -> None:
        """See Sink."""
        for number, found in _by_part(rows):
            self._part(number).replaced.append(found["segment_id"])

    def write(self, rows: pa.Table) -> None:
        """See Sink."""
        for number, found in _by_part(rows):
            part = self._part(number)
            part.replaced.append(found["segment_id"])
            part.add(found.drop_columns(["shard"]))

    def finish(self) -> None:
        """See Sink."""
        old = {facts["part"]: name for name, facts in self._files.items()}
        for number, part in self._parts.items():
            if number in old:
                self._carry_over(old[number], part)
                del self._files[old[number]]
        if not self._files and not any(part.rows for part in self._parts.values()):
            self._part(0).add(self._export.schema.empty_table(), alone=True)  # readers find the columns
        for part in self._parts.values():
            if part.close():
                self._files[part.name] = {"part": part.number, "rows": part.rows}
        facts = self._export.facts | {"export": self._export.id, "dim": self._export.dim, "rows": self._export.rows}
        self._folder.finish(facts, self._files)

    def _carry_over(self, name: str, part: "_Part") -> None:
        """Copy the rows of an older part that are neither gone nor replaced."""
        import pyarrow.parquet as pq

        gone = pa.concat_arrays([chunk for each in part.replaced for chunk in each.chunks])
        with self._folder.open(name) as file:
            for batch in pq.ParquetFile(file).iter_batches():
                kept = batch.filter(pc.invert(pc.is_in(batch["segment_id"], value_set=gone)))
                part.add(pa.Table.from_batches([kept]).cast(self._export.schema))

    def _part(self, number: int) -> "_Part":
        if number not in self._parts:
            self._parts[number] = _Part(self._folder, number, self._export)
        return self._parts[number]


class _Part:
    """A new file, which is made with its first rows."""

    def __init__(self, folder: ExportFolder, number: int, export: Export) -> None:
        self.number, self.name, self.rows = number, f"part-{number:02d}-{export.id}.parquet", 0
        self.replaced: list[pa.ChunkedArray] = []  # segment ids that the older part has no more
        self._folder, self._schema = folder, export.schema
        self._waiting: list[pa.Table] = []
        self._open: tuple[Any, Any] | None = None  # the file, and its writer

    def add(self, rows: pa.Table, *, alone: bool = False) -> None:
        """Add rows; `alone`: though there are none."""
        self.rows += rows.num_rows
        if rows.num_rows or alone:
            self._waiting.append(rows)
        if alone or sum(each.nbytes for each in self._waiting) > _GROUP_BYTES:
            self._write()

    def close(self) -> bool:
        """Write what waits; return whether there is a file."""
        if self._waiting:
            self._write()
        if self._open is None:
            return False
        file, writer = self._open
        writer.close()
        file.__exit__(None, None, None)
        return True

    def _write(self) -> None:
        import pyarrow.parquet as pq

        if self._open is None:
            file = self._folder.create(self.name)
            self._open = file, pq.ParquetWriter(file.__enter__(), self._schema, compression="zstd")
        self._open[1].write_table(pa.concat_tables(self._waiting).cast(self._schema))
        self._waiting = []


def _by_part(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each part: by the number of their shard, s07."""
    numbers = {shard: int(shard.lstrip("s")) % _PARTS for shard in rows["shard"].unique().to_pylist()}
    for number in sorted(set(numbers.values())):
        shards = [shard for shard, own in numbers.items() if own == number]
        yield number, rows.filter(pc.is_in(rows["shard"], value_set=pa.array(shards)))


SINK = ParquetFolder
