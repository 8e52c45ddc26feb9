"""On paper: what ten million, a hundred million and a billion items take, from a table of assumptions.

    python benchmarks/scaling.py                            # print the tables
    python benchmarks/scaling.py --write docs/scaling.md    # put them between the page's markers

Nothing of that size was run. Each assumption has a value, a unit and where it is from; tests/test_scaling.py holds
those that can be measured here against a table of 10,000 rows, a listing and commits on an S3 server.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- benchmarks/scaling.py -->", "<!-- end of benchmarks/scaling.py -->"
SIZES = {"10 million": 10**7, "100 million": 10**8, "1 billion": 10**9}
DIMS = (384, 768, 2048)
MOST_SHARDS, SHARD_ROWS, FLUSH_ROWS = 5000, 50_000, 20_000  # the setting's bound, what a shard holds, the default
_VERSIONS = 2  # that are kept: live and previous


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A figure that the tables rest on."""

    name: str
    value: float
    unit: str
    source: str


_MEASURED = "tests/test_scaling.py"
_ENCODERS = "benchmarks/README.md, encoders.py"
_INDICES = "benchmarks/index_cost.py: 200,000 and 400,000 rows, 2 to 1,000 partitions, 1 December 2026"
_ITERATIONS, _PLAIN = 50, 256  # of Lance's k-means; partitions up to which it is not hierarchical
ASSUMPTIONS = {
    each.name: each
    for each in (
        Assumption(name="columns", value=148, unit="bytes a row beside the vector, short texts", source=_MEASURED),
        Assumption(name="code", value=0.625, unit="bytes a row and dim of the 5-bit index", source=_MEASURED),
        Assumption(name="code head", value=23, unit="bytes a row of the 5-bit index", source=_MEASURED),
        Assumption(
            name="full text", value=51, unit="bytes a row of the full-text index, short texts", source=_MEASURED
        ),
        Assumption(name="keys of a listing", value=1000, unit="keys a request", source=_MEASURED),
        Assumption(name="commit writes", value=17, unit="PUT and LIST requests a commit", source=_MEASURED),
        Assumption(
            name="merge",
            value=0.2,
            unit="CPU seconds a commit and million rows of the table, whose keys are joined",
            source="benchmarks/merge_cost.py: 10,000 to 400,000 rows, two busy cores, 30 November 2026",
        ),
        Assumption(
            name="encode rows",
            value=1.8e-7,
            unit="CPU seconds a row and dim of the 5-bit index",
            source=_INDICES,
        ),
        Assumption(
            name="assign",
            value=8.3e-10,
            unit="CPU seconds a row, dim and IVF partition that it is compared with",
            source=_INDICES,
        ),
        Assumption(
            name="plain k-means",
            value=2.7e-10,
            unit="CPU seconds a vector, dim, partition and iteration, up to 256 partitions",
            source=_INDICES,
        ),
        Assumption(
            name="k-means",
            value=2.9e-4,
            unit="CPU seconds an IVF partition and dim, above 256 partitions",
            source=_INDICES,
        ),
        Assumption(
            name="training",
            value=256,
            unit="vectors an IVF partition that k-means sees",
            source="public: Lance's default",
        ),
        Assumption(name="put price", value=0.005, unit="USD a thousand PUT or LIST", source="public: S3 Standard"),
        Assumption(name="get price", value=0.0004, unit="USD a thousand GET", source="public: S3 Standard"),
        Assumption(name="month price", value=0.023, unit="USD a GB and month", source="estimate: S3 Standard"),
        Assumption(name="text", value=5.9, unit="GFLOPs a segment, MiniLM", source=_ENCODERS),
        Assumption(name="image", value=8.8, unit="GFLOPs a picture, CLIP ViT-B/32", source=_ENCODERS),
        Assumption(name="audio", value=87.4, unit="GFLOPs a window, Whisper base", source=_ENCODERS),
        Assumption(name="video", value=360.7, unit="GFLOPs a clip, VideoMAE", source=_ENCODERS),
        Assumption(
            name="gpu",
            value=13_200,
            unit="GFLOPs a second",
            source="public: clip-retrieval's 1,500 pictures a second on an RTX 3080, times the GFLOPs above",
        ),
    )
}


def value(name: str) -> float:
    """Return an assumption's value."""
    return ASSUMPTIONS[name].value


def row_bytes(dim: int, number_bytes: int) -> float:
    """Return the bytes of a row in the table."""
    return dim * number_bytes + value("columns")


def index_bytes(dim: int) -> float:
    """Return the bytes of a row in the 5-bit index."""
    return value("code") * dim + value("code head")


def commits(rows: int, flush_rows: int) -> int:
    """Return the commits of a first run of one writer."""
    return math.ceil(rows / flush_rows)


def merge_hours(rows: int, flush_rows: int) -> float:
    """Return the CPU hours of all merges of a first run: each joins with all keys that are there."""
    return commits(rows, flush_rows) * value("merge") * rows / 2 / 1e6 / 3600


def gets(rows: int, flush_rows: int) -> float:
    """Return the GET requests of a first run's merges: one a fragment that is there, and nothing compacts meanwhile."""
    return commits(rows, flush_rows) ** 2 / 2


def build_hours(rows: int, dim: int, rows_per_partition: int) -> float:
    """Return the CPU hours that building the 5-bit index takes: k-means, each row's partition, its code.

    Plain k-means compares each vector that it is trained on with all partitions; above 256 Lance's is hierarchical.
    """
    partitions = math.ceil(rows / rows_per_partition)
    plain = _ITERATIONS * value("training") * partitions**2 * value("plain k-means")
    training = plain if partitions <= _PLAIN else partitions * value("k-means")
    each = value("encode rows") + partitions * value("assign")
    return dim * (training + rows * each) / 3600


def training_gb(rows: int, dim: int, rows_per_partition: int) -> float:
    """Return the gigabytes of float32 vectors that k-means is trained on."""
    return rows / rows_per_partition * value("training") * dim * 4 / 1e9


def shards(rows: int) -> int:
    """Return the shards for so many rows."""
    return min(MOST_SHARDS, math.ceil(rows / SHARD_ROWS))


def flush_for(rows: int) -> int:
    """Return rows of a commit with which a first run makes no more than a thousand of them."""
    return max(FLUSH_ROWS, rows // 1000)


def _usd(puts: float, read: float) -> float:
    return puts / 1000 * value("put price") + read / 1000 * value("get price")


def _size(count: float) -> str:
    for unit, of in (("TB", 1e12), ("GB", 1e9)):
        if count >= of:
            return f"{count / of:.1f} {unit}"
    return f"{count / 1e6:.0f} MB"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _requests(rows: int, flush_rows: int) -> str:
    """Requests of a first run's commits, and their price."""
    puts, read = commits(rows, flush_rows) * value("commit writes"), gets(rows, flush_rows)
    return f"{puts:,.0f} + {read:,.0f}: {_usd(puts, read):,.2f} USD"


def tables() -> str:
    """Return all tables as Markdown."""
    rows: list[tuple[str, Callable[[int], str]]] = [
        ("shards of 50,000 items, at most 5,000", lambda n: f"{shards(n):,}"),
        ("partitions with two versions", lambda n: f"{shards(n) * _VERSIONS:,}"),
        ("commits of a first run, 20,000 rows each (default)", lambda n: f"{commits(n, FLUSH_ROWS):,}"),
        ("CPU hours of their merges", lambda n: _hours(merge_hours(n, FLUSH_ROWS))),
        ("PUT and LIST + GET of these commits", lambda n: _requests(n, FLUSH_ROWS)),
        ("`compute.flush_rows` for a thousand commits", lambda n: f"{flush_for(n):,}"),
        ("CPU hours of their merges, then", lambda n: _hours(merge_hours(n, flush_for(n)))),
        ("PUT and LIST + GET, then", lambda n: _requests(n, flush_for(n))),
        ("CPU seconds of one commit into the full table", lambda n: f"{value('merge') * n / 1e6:,.0f}"),
        ("commits of a run a shard that touches all", lambda n: f"{shards(n):,}"),
        ("LIST of all objects, once", lambda n: f"{n / value('keys of a listing'):,.0f}: {_list_price(n):,.2f} USD"),
        ("GET of each object, once", lambda n: f"{_usd(0, n):,.0f} USD"),
        *((f"GPU hours, {kind}", _gpu_hours(kind)) for kind in ("text", "image", "audio", "video")),
    ]
    parts = [_table("", rows)]
    for dim in DIMS:
        parts.append(_table(f"{dim} dims", _sizes_of(dim)))
    lines = ["| assumption | value | unit | source |", "|---|---|---|---|"]
    lines += [f"| {each.name} | {each.value:g} | {each.unit} | {each.source} |" for each in ASSUMPTIONS.values()]
    return "\n\n".join([*parts, "\n".join(lines)])


def _list_price(items: int) -> float:
    return _usd(items / value("keys of a listing"), 0)


def _gpu_hours(kind: str) -> Callable[[int], str]:
    return lambda n: _hours(n * value(kind) / value("gpu") / 3600)


def _sizes_of(dim: int) -> list[tuple[str, Callable[[int], str]]]:
    index = index_bytes(dim) + value("full text")
    return [
        ("table, float32", lambda n: _size(n * row_bytes(dim, 4))),
        ("table, float16", lambda n: _size(n * row_bytes(dim, 2))),
        ("5-bit index", lambda n: _size(n * index_bytes(dim))),
        ("peak disk, float16: 3 x (table and indices)", lambda n: _size(3 * n * (row_bytes(dim, 2) + index))),
        ("S3 a month, float16 and indices, two versions", lambda n: f"{_month(n, row_bytes(dim, 2) + index):,.0f} USD"),
        *(
            line
            for count in (4096, 65_536)
            for line in (
                (f"CPU hours of the index, {count:,} rows a partition", _build(dim, count)),
                (f"memory of its k-means, {count:,} rows a partition", _training(dim, count)),
            )
        ),
    ]


def _month(rows: int, each: float) -> float:
    return _VERSIONS * rows * each / 1e9 * value("month price")


def _build(dim: int, rows_per_partition: int) -> Callable[[int], str]:
    return lambda n: _hours(build_hours(n, dim, rows_per_partition))


def _training(dim: int, rows_per_partition: int) -> Callable[[int], str]:
    return lambda n: _size(training_gb(n, dim, rows_per_partition) * 1e9)


def _table(title: str, rows: Sequence[tuple[str, Callable[[int], str]]]) -> str:
    lines = [f"| {title} | {' | '.join(SIZES)} |", "|---" * (len(SIZES) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(made(size) for size in SIZES.values())} |" for name, made in rows]
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the page with the tables of now between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"The page lacks the markers {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main() -> int:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    chosen = parser.parse_args()
    if chosen.write:
        chosen.write.write_text(written(chosen.write.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
