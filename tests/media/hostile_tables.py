"""Small tables that say more than memory holds, one function each; run as a program: how far reading one goes."""

import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed_assets.errors import MediaError
from embed_assets.media.files.source import open_source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.rows_as_items import Columns, Tables


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> str:
    table = pa.table(columns)
    pq.write_table(table, folder / "t.parquet", compression="zstd", store_schema=False, **options)
    return "t.parquet"


def category(value: Any, rows: int) -> pa.Array:
    """A column of one value, which stands once in the file."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def written(folder: Path, name: str, *parts: str) -> str:
    with (folder / name).open("w", encoding="utf-8") as file:
        file.writelines(parts)
    return name


def one_category(folder: Path) -> str:
    return parquet(folder, {"text": category("a" * 900_000, 2000)}, dictionary_pagesize_limit=2**31 - 1)


def larger_category(folder: Path) -> str:
    return parquet(folder, {"text": category("a" * 4_000_000, 1000)}, dictionary_pagesize_limit=2**31 - 1)


def category_beside(folder: Path) -> str:
    texts = [f"t{n}" for n in range(3000)]
    return parquet(folder, {"text": texts, "c": category("a" * 900_000, 3000)}, dictionary_pagesize_limit=2**31 - 1)


def runs(folder: Path) -> str:
    return parquet(folder, {"text": category("a", 3_000_000)}, row_group_size=3_000_000)


def large_cell(folder: Path) -> str:
    return parquet(folder, {"text": ["x" * 200_000_000, "b"]}, use_dictionary=False)


def large_cells(folder: Path) -> str:
    return parquet(folder, {"text": ["\N{GRINNING FACE}" * 9_900_000] * 6}, use_dictionary=False)


def long_list(folder: Path) -> str:
    many = pa.array(np.zeros(60_000_000, np.int8))
    lists = pa.ListArray.from_arrays(pa.array([0, len(many), len(many)], pa.int32()), many)
    return parquet(folder, {"text": ["a", "b"], "c": lists}, use_dictionary=False)


def many_columns(folder: Path) -> str:
    return parquet(folder, {"text": ["a"], "c": ["x"], **{f"c{n}": [n] for n in range(5000)}})


def deep_schema(folder: Path) -> str:
    deep: Any = pa.array(["a"])
    for _ in range(400):
        deep = pa.StructArray.from_arrays([deep], ["s"])
    return parquet(folder, {"text": ["a"], "c": deep})


def endless_field(folder: Path) -> str:
    return written(folder, "t.csv", 'text,c\n"', "word word\n" * 2_000_000)


def endless_record(folder: Path) -> str:
    return written(folder, "t.csv", 'text,c\n"', '\n","' * 3_000_000)


def long_header(folder: Path) -> str:
    return written(folder, "t.csv", "text", "a" * 12_000_000, "\n2,good\n")


def many_fields(folder: Path) -> str:
    return written(folder, "t.csv", "text,c\n", "," * 30_000_000, "\na,b\n")


def quoted_lines(folder: Path) -> str:
    return written(folder, "t.tsv", "text\tc\n", '"a\n' * 2_000_000)


def long_line(folder: Path) -> str:
    return written(folder, "t.jsonl", '{"text": "', "x" * 100_000_000, '"}\n{"text": "b"}\n')


def wide_characters(folder: Path) -> str:
    return written(folder, "t.jsonl", '{"text": "', "x" * 32_000_000, '\N{GRINNING FACE}"}\n{"text": "b"}\n')


def many_values(folder: Path) -> str:
    return written(folder, "t.jsonl", '{"text": "a", "c": [', "[]," * 12_000_000, '[]]}\n{"text": "b"}\n')


def many_keys(folder: Path) -> str:
    names = (f'"k{n}": {{}},' for n in range(900_000))
    return written(folder, "t.jsonl", '{"text": "a",', *names, '"c": 1}\n{"text": "b"}\n')


def keys_of_every_line(folder: Path) -> str:
    lines = (f'{{"text": "{n}", "{"k" * 2000}{n}": 1}}\n' for n in range(40_000))
    return written(folder, "t.jsonl", *lines)


def brackets(folder: Path) -> str:
    return written(folder, "t.jsonl", '{"text": "a", "c": "', "[" * 300_000, '"}\n{"text": "b", "c": "x"}\n')


MAKERS: dict[str, Callable[[Path], str]] = {
    each.__name__: each
    for each in (
        one_category,
        larger_category,
        category_beside,
        runs,
        large_cell,
        large_cells,
        long_list,
        many_columns,
        deep_schema,
        endless_field,
        endless_record,
        long_header,
        many_fields,
        quoted_lines,
        long_line,
        wide_characters,
        many_values,
        many_keys,
        keys_of_every_line,
        brackets,
    )
}
PLAIN = {"one_category", "larger_category", "runs", "large_cell", "large_cells"}  # have no other column


def read(folder: Path, key: str, columns: Columns) -> Counter[str | None]:
    """How many rows have which reason, and that of the file."""
    tables = Tables(source=open_source(str(folder)), columns=columns, limits=Limits())
    found: Counter[str | None] = Counter()
    try:
        for row in tables.rows(key):
            found[row.reason] += 1
    except MediaError as error:
        found[f"file: {error.reason}"] += 1
    return found


def peak() -> int:
    """Bytes that this program ever had. Linux counts into ru_maxrss what its parent had when it forked."""
    try:
        (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(folder: Path, name: str) -> None:
    (folder / "warm").mkdir()
    parquet(folder / "warm", {"text": ["a"]})
    written(folder / "warm", "t.csv", "text\na\n")
    for key in ("t.parquet", "t.csv"):
        read(folder / "warm", key, Columns(text="text"))
    key = next(each.name for each in folder.glob("t.*"))
    before = peak()
    beside = () if name in PLAIN else ("c",)
    found = read(folder, key, Columns(text="text", labels=beside))
    print((peak() - before) // 2**20, dict(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
