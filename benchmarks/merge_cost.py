"""What a commit of 1,000 rows costs as the table grows: CPU seconds, and their slope over a million rows.

python benchmarks/merge_cost.py
"""

import argparse
import hashlib
import tempfile
import time

import numpy as np

from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId
from tests.support import vector_rows

VERSION = VersionId("ready", "v1")
_DIM, _WRITTEN, _ROUNDS, _ADDED = 8, 1000, 3, 50_000


def _ids(first: int, count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(first, first + count)]


def measured(sizes: list[int]) -> dict[int, float]:
    """Return the least CPU seconds of a commit by rows of the table."""
    found, rows = dict[int, float](), 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        vectors = store.vectors(VERSION)
        schema = vector_schema(VERSION, dim=_DIM, dtype="float16", distance="cosine")
        vectors.create(schema)
        for size in sizes:
            while rows < size:
                count = min(_ADDED, size - rows)
                new = vector_rows(schema, np.ones((count, _DIM), np.float32), media_id=_ids(rows, count))
                store.open(vectors.name).add(new)
                rows += count
            taken = []
            for _ in range(_ROUNDS):
                new = vector_rows(schema, np.ones((_WRITTEN, _DIM), np.float32), media_id=_ids(rows, _WRITTEN))
                started = time.process_time()
                vectors.replace_items(new, replaced=())
                taken.append(time.process_time() - started)
                rows += _WRITTEN
            found[size] = min(taken)
    return found


def main() -> None:
    """Print a line a size, and the slope."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 200_000, 400_000])
    found = measured(parser.parse_args().rows)
    for rows, seconds in found.items():
        print(f"{rows:,} rows: {seconds:.3f} CPU seconds a commit")
    slope = np.polyfit(list(found), list(found.values()), 1)[0] * 1e6
    print(f"{slope:.2f} CPU seconds a commit and million rows")


if __name__ == "__main__":
    main()
