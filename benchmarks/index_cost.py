"""What building an ANN index costs by rows and IVF partitions: CPU seconds, of which k-means takes the most.

    python benchmarks/index_cost.py --rows 200000 --partitions 2 50 245 500 1000

Random vectors of 384 dims in float16, the 5-bit index of the pipeline.
"""

import argparse
import tempfile
import time

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import IvfRq

_DIM = 384


def main() -> None:
    """Print a line for each number of partitions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--partitions", type=int, nargs="+", default=[2, 50, 245, 500, 1000])
    chosen = parser.parse_args()
    vectors = np.random.default_rng(0).standard_normal((chosen.rows, _DIM)).astype(np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), _DIM)
    with tempfile.TemporaryDirectory() as folder:
        table = lancedb.connect(folder).create_table("vectors", pa.table({"vector": column}))
        for partitions in chosen.partitions:
            started, spent = time.perf_counter(), time.process_time()
            config = IvfRq(num_bits=5, distance_type="cosine", num_partitions=partitions)
            table.create_index("vector", config=config, replace=True)
            cpu, seconds = time.process_time() - spent, time.perf_counter() - started
            print(
                f"{chosen.rows:,} rows, {partitions:,} partitions: {cpu:.1f} CPU seconds, {seconds:.1f} s", flush=True
            )


if __name__ == "__main__":
    main()
