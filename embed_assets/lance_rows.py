"""Rows of a Lance dataset at places of its order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def rows_at(dataset: Any, places: Sequence[int] | np.ndarray, columns: Sequence[str]) -> "pa.Table":
    """Return the rows of a `lance.LanceDataset` at these places, from 0, in their order.

    Lance's `take` looks for each place among the rows that a fragment has lost: 500 of 100,000 rows of which 2,000 are
    deleted take it 2.6 s, by their row ids 0.02 s.
    """
    wanted = np.asarray(places, dtype=np.int64)
    if not any(fragment.num_deletions for fragment in dataset.get_fragments()):
        return dataset.take(wanted.tolist(), columns=list(columns))
    every = np.asarray(dataset.to_table(columns=[], with_row_id=True)["_rowid"])
    ids, back = np.unique(every[wanted], return_inverse=True)
    listed = ", ".join(map(str, ids.tolist()))
    scanner = dataset.scanner(
        columns=list(columns), filter=f"_rowid IN ({listed or 'NULL'})", with_row_id=True, blob_handling="all_binary"
    )
    found = scanner.to_table()
    order = np.argsort(np.asarray(found["_rowid"]), kind="stable")
    return found.drop_columns("_rowid").take(order[back])
