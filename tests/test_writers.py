"""benchmarks/writers.py notices rows that are lost, doubled or old, and finds none of them."""

import numpy as np
import pytest

from benchmarks.writers import ENCODER, VERSION, look, measured
from embed_assets.store.store import Store
from embed_assets.store.vectors import vector_schema
from embed_assets.store.versions import VersionId
from tests.support import vector_rows


@pytest.mark.slow
def test_two_processes_lose_and_double_nothing():
    full, again = measured(2, 4, 1200, dim=8)
    assert (full.commits, full.count, full.wrong) == (4, 1200, False)
    assert (again.commits, again.count, again.wrong) == (4, 1200, False)


def test_old_and_doubled_rows_are_counted(tmp_path):
    version = VersionId(ENCODER, VERSION)
    made = Store(str(tmp_path)).vectors(version)
    schema = vector_schema(version, dim=8, dtype="float16", distance="cosine")
    table = made.create(schema)
    keys = [f"rows.parquet#{number}" for number in (0, 1, 8)]  # the first of two shards, and one that is not again
    rows = vector_rows(schema, np.ones((3, 8)), key=keys, meta_hash=["1", "0", "0"])
    table.add(rows)
    assert look(str(tmp_path), edition=1, shards=2) == {"count": 3, "doubled": 0, "old": 1}
    table.add(rows)
    assert look(str(tmp_path), edition=1, shards=2) == {"count": 6, "doubled": 3, "old": 2}
