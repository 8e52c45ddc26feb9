"""What scaling.py assumes of tables and indices, against tables that are built here: bytes a row, CPU seconds.

    python benchmarks/scaling_measured.py                     # 10,000, 100,000 and 1,000,000 rows: minutes
    python benchmarks/scaling_measured.py --rows 10000 --dim 768 --dtype float32

Rows and writers are those of writers.py: ready vectors, short texts. The ANN index is built last, so that its seconds
are its own.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import scaling, writers
from embed_assets.settings import IndexSettings
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId

VERSION = VersionId(writers.ENCODER, writers.VERSION)
_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A table of `rows` x `dim` that was built: bytes a row, and CPU seconds of its ANN index."""

    rows: int
    dim: int
    dtype: str
    columns: float  # beside the vector
    ann: float
    text: float  # of the full-text index
    build: float

    @property
    def row(self) -> float:
        """Bytes of a row in the table."""
        return self.columns + self.dim * _BYTES[self.dtype]

    def predicted(self) -> dict[str, tuple[float, float]]:
        """Return what was measured and what scaling.py says of it, by name."""
        build = 3600 * scaling.build_hours(self.rows, self.dim, IndexSettings().rows_per_partition)
        return {
            "bytes a row": (self.row, scaling.row_bytes(self.dim, _BYTES[self.dtype])),
            "beside the vector": (self.columns, scaling.value("columns")),
            "of the 5-bit index": (self.ann, scaling.index_bytes(self.dim)),
            "of the full-text index": (self.text, scaling.value("full text")),
            "CPU seconds of the 5-bit index": (self.build, build),
        }


def measure(folder: str, rows: int, *, dim: int, dtype: str) -> Measured:
    """Fill a table in `folder`, index it, and measure both."""
    store = Store(folder)
    store.vectors(VERSION).create(vector_schema(VERSION, dim=dim, dtype=dtype, distance="cosine"))
    shards = scaling.shards(rows)
    writers.write(folder, range(shards), shards, rows, dim=dim, edition=0)
    table = Path(folder) / f"{VERSION.table}.lance"
    data = _bytes_of(table / "data") / rows
    for smallest in (rows + 1, 256):  # the rows from which on an ANN index is built
        started = time.process_time()
        settings = IndexSettings(min_rows=smallest)
        build_indices(store, VERSION.table, distance="cosine", settings=settings)
    built = time.process_time() - started
    indices = list((table / "_indices").iterdir())
    return Measured(
        rows=rows,
        dim=dim,
        dtype=dtype,
        columns=data - dim * _BYTES[dtype],
        ann=sum(_bytes_of(each) for each in indices if (each / "auxiliary.idx").exists()) / rows,
        text=sum(_bytes_of(each) for each in indices if (each / "metadata.lance").exists()) / rows,
        build=built,
    )


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Print a table: measured, predicted, by rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--dtype", choices=tuple(_BYTES), default="float16")
    chosen = parser.parse_args()
    found = []
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
            found.append(measure(folder, rows, dim=chosen.dim, dtype=chosen.dtype).predicted())
    print(f"| measured (predicted) | {' | '.join(f'{rows:,}' for rows in chosen.rows)} |")
    print("|---" * (len(chosen.rows) + 1) + "|")
    for name in found[0]:
        cells = " | ".join("{:,.3g} ({:,.3g})".format(*each[name]) for each in found)
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
