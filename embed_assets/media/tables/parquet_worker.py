"""Parquet worker: reads a Parquet file in a process of its own, one bounded answer after another."""

import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.media.cells.cell_sizes import Cells
from embed_assets.media.cells.column_names import missing_column, twice
from embed_assets.media.files.source import Source

_ANSWER = 8 * 2**20  # bytes of cells
_BATCH = 32 * 2**20  # bytes of a batch, by the file's metadata
_ANY = 2**27  # bytes of a cell that has no cap
_SPARING = 16  # rows of a batch where memory is scarce
_COUNTED = 65_536  # rows of an answer that has no cells
_NAME, _NAMES = 200, 50_000  # characters of a column's name, and columns, in an answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Some rows: their places from 0, their cells by column, and the next place to read, None at the end."""

    places: list[int]
    cells: dict[str, list[Any]]
    next: int | None
    bytes: int  # of all cells, without OBJECT for each
    size: int  # of the file


def names(_: bytes, *, source: Source, key: str) -> list[str]:
    """Return the names of a file's columns."""
    with _explained(), ExitStack() as stack:
        return [name[:_NAME] for name in _opened(source, key, stack, ())[0].schema_arrow.names[:_NAMES]]


def answer(
    _: bytes, *, read: str, at: int, only: Sequence[int] | None, until: int | None = None, **options: Any
) -> Answer:
    """Return the rows from `at` on, or those of them at the places `only`.

    `read` identifies the reading, which stays open until the row `until`, or the end of the file.
    """
    with _explained():
        reader = _open_readers.pop(read, None)
        if reader is None or reader.at > at:
            _close_all()
            reader = _Reader(**options)
        try:
            part = reader.answer(at, only)
        except MemoryError:
            reader.close()
            reader = _Reader(**options, sparing=True)
            part = reader.answer(at, only)
    if part.next is None or (until is not None and part.next >= until):
        reader.close()
    else:
        _open_readers[read] = reader
    return part


_open_readers: "dict[str, _Reader]" = {}  # at most one


def _close_all() -> None:
    while _open_readers:
        _open_readers.popitem()[1].close()


class _Reader:
    """An open file, and its current batch."""

    def __init__(
        self,
        *,
        source: Source,
        key: str,
        columns: Sequence[str],
        required: Sequence[str],
        caps: Mapping[str, int],
        rows: int,
        sparing: bool = False,
    ) -> None:
        """Open the file; `sparing` saves memory at the price of time: categories stay categories, batches small."""
        self._stack = ExitStack()
        with self._guarded():
            self._file, self._size = _opened(source, key, self._stack, columns if sparing else ())
            names = self._file.schema_arrow.names
            self._columns = [name for name in columns if name in names]
            problem = missing_column(required or ([] if self._columns else columns), names)
            if problem := problem or twice(columns, names):
                raise MediaError(problem)
        self._has_columns = bool(columns)
        self._caps = caps
        self._rows = min(rows, _SPARING) if sparing else rows
        groups = (self._file.metadata.row_group(place) for place in range(self._file.metadata.num_row_groups))
        self._starts = [0]
        for group in groups:
            self._starts.append(self._starts[-1] + group.num_rows)
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self.at = 0  # the first row of the batch
        self._jump(0)

    def answer(self, at: int, only: Sequence[int] | None) -> Answer:
        """Return as many rows from `at` on as an answer holds."""
        with self._guarded():
            if not self._has_columns:
                return self._counted(at, only)
            if not self._load_batch(at):
                return Answer(places=[], cells={}, next=None, bytes=0, size=self._size)
            end = self.at + len(self._batch)
            places = range(at, end) if only is None else only[: bisect.bisect_left(only, end)]
            return self._answer(places, end)

    def _counted(self, at: int, only: Sequence[int] | None) -> Answer:
        """Return rows without cells."""
        end = min(self._starts[-1], at + _COUNTED)
        places = list(range(at, end)) if only is None else [place for place in only if place < end]
        return Answer(places=places, cells={}, next=end if end < self._starts[-1] else None, bytes=0, size=self._size)

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _answer(self, places: Sequence[int], end: int) -> Answer:
        caps = [self._caps.get(name, _ANY) for name in self._columns]
        cells = Cells(self._batch, caps, [place - self.at for place in places])
        values = dict(zip(self._columns, cells.take(_ANSWER), strict=True))
        after = self.at + cells.places[0] if cells.places else end
        count = len(places) - len(cells.places)
        return Answer(places=list(places[:count]), cells=values, next=after, bytes=cells.bytes, size=self._size)

    def _load_batch(self, at: int) -> bool:
        """Load the batch of a row, and return whether the row exists."""
        group = bisect.bisect_right(self._starts, at) - 1
        if self._batch is None or at >= self.at + len(self._batch):
            if group < len(self._starts) - 1 and self._starts[group] > self._ahead():
                self._jump(group)
            while self._batch is None or at >= self._ahead():
                self.at = self._ahead()
                self._batch = next(self._batches, None)
                if self._batch is None:
                    return False
        return True

    def _ahead(self) -> int:
        return self.at + (0 if self._batch is None else len(self._batch))

    def _jump(self, group: int) -> None:
        """Read on from the beginning of a row group."""
        self._batch, self.at = None, self._starts[group]
        self._batches = self._file.iter_batches(
            batch_size=self._batch_rows(),
            row_groups=range(group, self._file.metadata.num_row_groups),
            columns=self._columns,
            use_threads=False,
        )

    def _batch_rows(self) -> int:
        """Return the rows of a batch, fewer where the metadata says that rows are large."""
        meta = self._file.metadata
        size = sum(meta.row_group(place).total_byte_size for place in range(meta.num_row_groups))
        return max(1, min(self._rows, _BATCH * meta.num_rows // max(1, size)))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Pass Arrow's errors through the stream, which replaces them by the source's own."""
        try:
            yield
        except Exception as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise


def _opened(source: Source, key: str, stack: ExitStack, columns: Sequence[str]) -> tuple[Any, int]:
    """Return the file, with categories of these columns as categories, and its size."""
    import pyarrow.parquet as pq

    stream = stack.enter_context(source.stream(key))
    size = stream.seek(0, 2)
    stream.seek(0)
    # Without a buffer a column's chunk is read as a whole, which may be all of the file.
    options: dict[str, Any] = {"buffer_size": 2**20, "pre_buffer": False}
    file = pq.ParquetFile(stream, **options)
    if categories := _categories(file, columns):
        file = pq.ParquetFile(stream, metadata=file.metadata, read_dictionary=categories, **options)
    return file, size


def _categories(file: Any, columns: Sequence[str]) -> list[str]:
    """Return the paths of columns that are stored as categories: one value may be in millions of rows."""
    meta = file.metadata
    if not meta.num_row_groups:
        return []
    chunks = (meta.row_group(0).column(place) for place in range(meta.num_columns))
    return [
        chunk.path_in_schema
        for place, chunk in enumerate(chunks)
        if chunk.physical_type == "BYTE_ARRAY"
        and file.schema.column(place).logical_type.type in ("NONE", "STRING")
        and chunk.path_in_schema.partition(".")[0] in columns
    ]


@contextmanager
def _explained() -> Iterator[None]:
    """Turn Arrow's errors on a broken file into a MediaError."""
    try:
        yield
    except (EmbedAssetsError, MemoryError):
        raise
    except Exception as error:
        if "bad_alloc" in str(error):
            raise MemoryError(str(error)) from error
        raise MediaError("broken parquet", str(error)[:1000]) from error
