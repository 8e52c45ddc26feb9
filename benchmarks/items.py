"""Searches for k items where documents are long: how many need a second fetch of rows, and what it costs.

    python benchmarks/items.py [--rows N] [--queries N] [--json]

Vectors are made here: documents around topics, chunks around documents, as many chunks as a lognormal draw says
(half of the documents have up to 3, one in a hundred more than 100). A query is near to a chunk. `short` is the
share of queries that one fetch of 5 k rows would leave with fewer than k items.
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

from embed_assets.settings import IndexSettings
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, nearest, nearest_items
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId
from tests.support import vector_rows

DIM, TOPICS = 384, 200
COLUMNS = ("segment_id", "media_id", "source", "key", "text", "labels")


class Counted:
    """A table that counts how often it is searched."""

    def __init__(self, table: Any) -> None:
        self._table, self.searches = table, 0

    def search(self, *arguments: Any, **options: Any) -> Any:
        """As the table's."""
        self.searches += 1
        return self._table.search(*arguments, **options)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measured(Path(folder), rows, options.queries, k) for rows in (10_000, options.rows) for k in (5, 10, 50)
        ]
    print(json.dumps(found, indent=2) if options.as_json else shown(found))


def corpus(rows: int) -> tuple[np.ndarray, list[str]]:
    """float32 (rows, DIM) of unit length, and the document of each."""
    draw = np.random.default_rng(0)
    lengths = np.ceil(draw.lognormal(np.log(3), 1.6, rows)).astype(int)
    lengths = lengths[: np.searchsorted(np.cumsum(lengths), rows) + 1]
    document = np.repeat(np.arange(len(lengths)), lengths)[:rows]
    centres = draw.standard_normal((TOPICS, DIM))[draw.integers(0, TOPICS, len(lengths))]
    centres += 0.7 * draw.standard_normal(centres.shape)
    vectors = centres[document] + 0.5 * draw.standard_normal((rows, DIM))
    return unit(vectors), [f"document{number:06d}" for number in document]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows at length one, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def measured(folder: Path, rows: int, queries: int, k: int) -> dict[str, Any]:
    """Time searches of one table for k items."""
    table, release = served(folder, rows)
    draw = np.random.default_rng(1)
    vectors, _ = corpus(rows)
    asked = unit(vectors[draw.integers(0, rows, queries)] + 0.02 * draw.standard_normal((queries, DIM)))
    short, fetches, once, again = 0, [], [], []
    for query in asked:
        first = nearest(table, query, release, k=k * SEGMENTS_PER_ITEM, columns=["media_id"])
        short += len(set(first["media_id"].to_pylist())) < k
        counted = Counted(table)
        started = time.perf_counter()
        items = nearest_items(counted, query, release, k=k, columns=COLUMNS)  # pyright: ignore[reportArgumentType]
        milliseconds = 1000 * (time.perf_counter() - started)
        assert len(items) == k
        fetches.append(counted.searches)
        (once if counted.searches == 1 else again).append(milliseconds)
    return {
        "rows": rows,
        "ann": release.ann,
        "k": k,
        "short": round(short / queries, 3),
        "most_fetches": max(fetches),
        "mean_fetches": round(float(np.mean(fetches)), 2),
        "once_ms": round(float(np.median(once)), 1) if once else None,
        "again_ms": round(float(np.median(again)), 1) if again else None,
        "again_p95_ms": round(float(np.percentile(again, 95)), 1) if again else None,
    }


def served(folder: Path, rows: int) -> tuple[Any, Release]:
    """Return the table of so many rows, made and indexed once."""
    store = Store(str(folder / str(rows)))
    made = store.vectors(VersionId("words", "v1"))
    if made.open() is None:
        vectors, documents = corpus(rows)
        schema = vector_schema(VersionId("words", "v1"), dim=DIM, dtype="float16", distance="cosine")
        told = {"segment_id": [f"{name}:{place}" for place, name in enumerate(documents)], "media_id": documents}
        made.create(schema)
        made.replace_items(
            vector_rows(schema, vectors, text=["Some words of a chunk. " * 30] * rows, **told), replaced=()
        )
    report = build_indices(store, made.name, distance="cosine", settings=IndexSettings())
    facts: dict[str, Any] = {
        "space": "words",
        "encoder": "words",
        "encoder_version": "v1",
        "table": made.name,
        "distance": "cosine",
    }
    return store.open(made.name), Release(
        **facts, table_version=report.table_version, dim=DIM, rows=rows, ann=report.ann
    )


def shown(found: list[dict[str, Any]]) -> str:
    """Print a table."""
    lines = [
        f"{'rows':>8} {'search':<6} {'k':>3} {'short':>6} {'fetches':>8} {'most':>5} {'one':>8} {'more':>9} {'p95':>9}"
    ]
    for one in found:
        more = f"{one['again_ms'] or 0:>6.1f} ms {one['again_p95_ms'] or 0:>6.1f} ms"
        lines.append(
            f"{one['rows']:>8,} {'ANN' if one['ann'] else 'exact':<6} {one['k']:>3} {one['short']:>6.1%} "
            f"{one['mean_fetches']:>8.2f} {one['most_fetches']:>5} {one['once_ms'] or 0:>5.1f} ms {more}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
