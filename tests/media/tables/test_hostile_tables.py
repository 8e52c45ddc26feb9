"""Tables that say more than memory holds: this process stays where it was, and every row has its reason."""

import ast
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.media import hostile_tables
from tests.media.hostile_tables import MAKERS

pytestmark = pytest.mark.slow  # up to 40 s a file

MEGABYTES = 300

FILES = {
    "one_category": "expands too much",
    "larger_category": "expands too much",
    "category_beside": "expands too much",
    "runs": "expands too much",
    "large_cells": "expands too much",
    "deep_schema": "broken parquet",
    "endless_field": "no table",
    "endless_record": "no table",
    "quoted_lines": "no table",
    "long_header": "header too long",
}
ROWS = {
    "large_cell": {"too many characters in column 'text'": 1, None: 1},
    "long_list": {"too many bytes in column 'c'": 1, None: 1},
    "many_columns": {None: 1},
    "many_fields": {"too many fields": 1, None: 1},
    "long_line": {"line too long": 1, None: 1},
    "wide_characters": {"line too long": 1, None: 1},
    "many_values": {"too many values": 1, None: 1},
    "many_keys": {"too many values": 1, None: 1},
    "keys_of_every_line": {None: 40_000},
    "brackets": {"nested too deep in column 'c'": 1, None: 1},
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_process_that_reads_stays_within_its_bounds(tmp_path: Path, name: str) -> None:
    maker = multiprocessing.get_context("spawn").Process(target=MAKERS[name], args=(tmp_path,))
    maker.start()
    maker.join()
    output = subprocess.run(
        [sys.executable, hostile_tables.__file__, str(tmp_path), name],
        check=True, capture_output=True, text=True, timeout=200, cwd=Path.cwd(),
    ).stdout  # fmt: skip
    megabytes, _, reasons = output.partition(" ")
    found: dict[str | None, Any] = ast.literal_eval(reasons)
    print(name, output)
    assert int(megabytes) < MEGABYTES
    if name in FILES:
        assert f"file: {FILES[name]}" in found
    else:
        assert found == ROWS[name]
