"""Kinds of ANN index at dims that 8 does not divide, where RaBitQ codes can't be made: recall, size and time.

    python benchmarks/indices.py [--rows N] [--dims 3 12 100] [--json]

Vectors are made here: unit length, around 200 centres, float16; the queries are held out. Every kind is asked at
the cheapest effort that the pipeline tries, for 50 rows of which the first 10 count, as a search for 10 items does.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("LANCE_LOG", "error")

import numpy as np

from embed_assets.quality.recall.ann_recall import LADDER, measure
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.store import Store
from tests.support import vector_table

QUERIES, CELL = 100, 4096


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dims", type=int, nargs="+", default=[1, 2, 3, 7, 12, 50, 100, 300, 301, 384])
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found = [one for dim in options.dims for one in measured(dim, options.rows)]
    print(json.dumps(found, indent=2) if options.as_json else "\n".join(map(shown, found)))


def vectors(count: int, dim: int) -> np.ndarray:
    """float32 (count, dim), unit length."""
    draw = np.random.default_rng(0)
    found = draw.standard_normal((200, dim))[draw.integers(0, 200, count)] + 0.4 * draw.standard_normal((count, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def configs(dim: int, rows: int) -> dict[str, Any]:
    """Return the kinds that Lance has for IVF; product quantisation with a code for four numbers or fewer."""
    from lancedb.index import IvfFlat, IvfPq, IvfRq, IvfSq

    wanted: dict[str, Any] = {"distance_type": "cosine", "num_partitions": -(-rows // CELL)}
    codes = max(number for number in range(1, dim + 1) if dim % number == 0 and number <= max(1, dim // 4))
    return {
        "IVF_RQ": IvfRq(num_bits=5, **wanted),
        "IVF_SQ": IvfSq(**wanted),
        "IVF_FLAT": IvfFlat(**wanted),
        "IVF_PQ": IvfPq(num_sub_vectors=codes, **wanted),
    }


def measured(dim: int, rows: int) -> list[dict[str, Any]]:
    """Each kind of index on the same rows."""
    made = vectors(rows + QUERIES, dim)
    queries, found = made[:QUERIES], []
    for kind, config in configs(dim, rows).items():
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            table = vector_table(store, made[QUERIES:], dtype="float16").database.open("words__v1")
            before, started = size_of(folder), time.process_time()
            try:
                table.create_index("vector", config=config, name="vector_idx")
            except ValueError as error:
                found.append({"dim": dim, "kind": kind, "fails": str(error).splitlines()[0][:80]})
                continue
            seconds, size = time.process_time() - started, size_of(folder) - before
            effort = {"nprobes": LADDER[0][0], "refine_factor": LADDER[0][1]}
            truth = kth_distances(table, queries, k=10, distance="cosine")
            seen = measure(table, queries, truth, k=10, distance="cosine", rows=50, **effort)
            share = size / made[QUERIES:].astype(np.float16).nbytes
            found.append(
                {"dim": dim, "kind": kind, "recall_at_10": seen.mean, "cpu_seconds": seconds, "size_share": share}
            )
    return found


def size_of(folder: str) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def shown(one: dict[str, Any]) -> str:
    """Format a line."""
    head = f"dim {one['dim']:>4}  {one['kind']:<8}"
    if "fails" in one:
        return f"{head} fails: {one['fails']}"
    return (
        f"{head} recall@10 {one['recall_at_10']:.3f}  built in {one['cpu_seconds']:>6.2f} CPU s  "
        f"size {one['size_share']:.2f} of the vectors"
    )


if __name__ == "__main__":
    main()
