"""Weights: how many bytes each cell of a column takes once it is a value of its own, told before it is made."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embed_assets.media.told import Untold, plainer, told

if TYPE_CHECKING:
    import pyarrow as pa

OBJECT = 64  # bytes of a value of Python, whatever it is

_TOLD = 32 * 2**20  # bytes of rows that are told at a time


def weights(array: "pa.Array") -> Any:
    """int64, (len(array),). A category weighs what it stands for, a list what is in it."""
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
        return _summed(weights(array.values), array.offsets)
    if types.is_struct(kind):
        return sum((weights(each) for each in array.flatten()), np.full(len(array), OBJECT, np.int64))
    if isinstance(kind, pa.BaseExtensionType):
        return weights(array.storage)
    return np.full(len(array), array.nbytes // max(1, len(array)) + OBJECT, np.int64)


def rows_of(batch: "pa.RecordBatch", caps: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The rows of a batch as Python has them, not many megabytes of them at a time; by `capped`."""
    names = batch.schema.names
    heavy = [weights(column) for column in batch.columns]
    start = 0
    while start < len(batch):
        count = fitting(sum(each[start:] for each in heavy), _TOLD)
        chosen = slice(start, start + count)
        columns = zip(names, batch.columns, heavy, strict=True)
        cells = [capped(column.slice(start, count), each[chosen], caps.get(name)) for name, column, each in columns]
        for row in zip(*cells, strict=True):
            yield dict(zip(names, row, strict=True))
        start += count


def capped(array: "pa.Array", heavy: Any, cap: int | None) -> list[Any]:
    """The cells, told; those that weigh more than the cap are `Untold`."""
    if cap is None or not (heavy > cap + OBJECT).any():
        return told(array)
    over = (heavy > cap + OBJECT).tolist()
    return [Untold("too many bytes") if over[n] else told(array.slice(n, 1))[0] for n in range(len(array))]


def fitting(heavy: Any, most: int) -> int:
    """How many of the first rows weigh at most `most` bytes together; one is always taken."""
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


def _summed(parts: Any, offsets: Any) -> Any:
    import numpy as np

    ends = np.concatenate([[0], np.cumsum(parts)])
    return np.diff(ends[offsets.to_numpy(zero_copy_only=False)]) + OBJECT
