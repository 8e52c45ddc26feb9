"""Cell sizes: bytes that each cell of a column takes as a Python value, computed before the value is made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embed_assets.media.cells.arrow_cells import UnreadableCell, plainer, to_python

if TYPE_CHECKING:
    import pyarrow as pa

OBJECT = 64  # bytes of any Python value

_BATCH_BYTES = 32 * 2**20  # of rows that are converted at a time


def weights(array: "pa.Array") -> Any:
    """Return the bytes of each cell: int64, (len(array),). Categories and lists count with their values."""
    import numpy as np
    import pyarrow as pa

    array = plainer(array)
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        return _categories(array)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return _lengths(array)
    if types.is_map(kind):
        return _summed(weights(array.keys) + weights(array.items), array.offsets)
    if types.is_list(kind) or types.is_large_list(kind):
        return _lists(array)
    if types.is_struct(kind):
        return sum((weights(each) for each in array.flatten()), np.full(len(array), OBJECT, np.int64))
    if isinstance(kind, pa.BaseExtensionType):
        return weights(array.storage)
    return np.full(len(array), array.nbytes // max(1, len(array)) + OBJECT, np.int64)


def rows_of(
    batch: "pa.RecordBatch", caps: Mapping[str, int], *, places: Sequence[int] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch, or those at the places, as Python values, some megabytes at a time."""
    names = batch.schema.names
    cells = Cells(batch, [caps.get(name) for name in names], range(len(batch)) if places is None else places)
    while cells.places:
        for row in zip(*cells.take(_BATCH_BYTES), strict=True):
            yield dict(zip(names, row, strict=True))


class Cells:
    """Cells of some rows of a batch, converted a few at a time; one above its column's cap is `UnreadableCell`."""

    def __init__(self, batch: "pa.RecordBatch", caps: Sequence[int | None], places: Sequence[int]) -> None:
        self._batch = batch
        self._caps = caps
        self._heavy = [weights(column) for column in batch.columns]
        self.places = places  # of the rows that are left
        self.bytes = 0  # of all cells that were taken, without OBJECT for each

    def take(self, most: int) -> list[list[Any]]:
        """Return the next cells by column: of at most `most` bytes, or of one row; none without columns."""
        import numpy as np

        rows = np.fromiter(self.places, np.int64, len(self.places))
        capped = [np.minimum(each[rows], (cap or most) + OBJECT) for each, cap in self._columns()]
        count = rows_that_fit(sum(capped), most) if capped else len(rows)
        self.bytes += sum(_bytes_below_cap(each[rows[:count]], cap) for each, cap in self._columns())
        runs = list(_runs(rows[:count].tolist()))
        self.places = self.places[count:]
        columns = zip(self._batch.columns, self._heavy, self._caps, strict=True)
        return [[cell for run in runs for cell in _capped(array, run, each, cap)] for array, each, cap in columns]

    def _columns(self) -> Iterator[tuple[Any, int | None]]:
        return zip(self._heavy, self._caps, strict=True)


def _bytes_below_cap(heavy: Any, cap: int | None) -> int:
    sizes = heavy if cap is None else heavy[heavy <= cap + OBJECT]
    return int(sizes.sum()) - OBJECT * len(sizes)


def _runs(places: Sequence[int]) -> Iterator[slice]:
    """Yield runs of consecutive places: Arrow can't take single rows from columns of every type."""
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            yield slice(places[start], places[end - 1] + 1)
            start = end


def _capped(array: Any, run: slice, heavy: Any, cap: int | None) -> list[Any]:
    if cap is None or not (heavy[run] > cap + OBJECT).any():
        return to_python(array[run])
    over = heavy > cap + OBJECT
    places = range(run.start, run.stop)
    return [UnreadableCell("too many bytes") if over[n] else to_python(array.slice(n, 1))[0] for n in places]


def rows_that_fit(heavy: Any, most: int) -> int:
    """Return how many of the first rows fit into `most` bytes together; at least one."""
    import numpy as np

    return max(1, int(np.searchsorted(np.cumsum(heavy), most, side="right")))


def _lengths(array: Any) -> Any:
    import numpy as np
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.call_function("binary_length", [array]), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64) + OBJECT


def _categories(array: Any) -> Any:
    import numpy as np
    import pyarrow.compute as pc

    each = weights(array.dictionary)
    if not len(each):
        return np.full(len(array), OBJECT, np.int64)
    return each[pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)]


def _lists(array: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_primitive(array.type.value_type):  # alike, however many there are
        ends = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        return np.diff(ends) * (array.type.value_type.bit_width // 8 + OBJECT) + OBJECT
    return _summed(weights(array.values), array.offsets)


def _summed(parts: Any, offsets: Any) -> Any:
    import numpy as np

    ends = np.concatenate([[0], np.cumsum(parts)])
    return np.diff(ends[offsets.to_numpy(zero_copy_only=False)]) + OBJECT
