"""Several writers of one vector table: commits, conflicts, rows lost or doubled; then 1 % of every shard written again.

    python benchmarks/writers.py [--rows N] [--shards N] [--processes N ...] [--dim D] [--json]

Each process writes its shards one after another, each by a writer of its own, as runs of one shard do: rows with
ready vectors through `embedding/commit_writer.py` into the table, so that commits are measured and not an encoder. All
begin at once, after their imports; seconds are from then to the end of the last. Every row is then looked at: its id,
its edition. Exit status 1 where one is lost, doubled or old.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENCODER, VERSION = "ready", "v1"
EDITED = 100  # one row of so many is written again
_VECTORS = 4096  # random vectors that the rows share in turn: to draw a million takes longer than to write them


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One pass of all processes over all shards."""

    what: str
    processes: int
    rows: int
    seconds: float
    commits: int  # versions that the table grew by
    conflicts: int  # merges that Lance did again, because another's commit came first
    repeats: int  # merges that Lance gave up after its half minute, and the store began again
    waited: float  # seconds in writing, of all processes
    count: int
    doubled: int
    old: int  # rows that are not of the edition that was written last

    @property
    def wrong(self) -> bool:
        """Whether a row is lost, doubled or old."""
        return bool(self.doubled or self.old or self.count != self.rows)


def items(shard: int, shards: int, rows: int, *, dim: int, edition: int) -> Iterator[Any]:
    """Yield the items of a shard: all of them in edition 0, one of a hundred in a later one."""
    import numpy as np

    from embed_assets.embedding.commit_writer import EncodedItem
    from embed_assets.media.media_types import Segment
    from embed_assets.store.manifest_row import SCHEMA

    vectors = np.random.default_rng(shard).standard_normal((_VECTORS, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    blank = dict.fromkeys(SCHEMA.names)
    for number in range(shard, rows, shards):
        if edition and number // shards % EDITED:
            continue
        name = hashlib.sha256(str(number).encode()).hexdigest()
        text = f"Row {number}, edition {edition}."
        content = hashlib.sha256(text.encode()).hexdigest()
        row: Any = blank | {"media_id": name[:32], "source": "rows", "shard": f"s{shard:02d}", "modality": "text"}
        row |= {"key": f"rows.parquet#{number}", "uri": f"rows.parquet#{number}", "content_hash": content}
        row |= {"meta_hash": str(edition), "labels": []}
        segment = Segment(kind="chunk", start=0, end=len(text), text=text, content_hash=content, payload=None)
        yield EncodedItem(row, [segment], [vectors[number // shards % _VECTORS]])


def writer_on(table: Any, *, edition: int, replaced: frozenset[str]) -> Any:
    """Return a writer with the default settings; in a later edition than 0 rows of items are replaced."""
    from embed_assets.embedding.commit_writer import Writer
    from embed_assets.settings import ComputeSettings

    compute, opened = ComputeSettings(), table.open()
    assert opened is not None
    return Writer(
        table,
        opened.schema,
        version=VERSION,
        replaced=replaced if edition else frozenset(),
        flush_rows=compute.flush_rows,
        flush_seconds=compute.flush_seconds,
    )


def write(store: str, own: Sequence[int], shards: int, rows: int, *, dim: int, edition: int) -> dict[str, Any]:
    """Write some shards, each by a writer of its own; return commits, conflicts, repeats and seconds."""
    from embed_assets.store.store import Store
    from embed_assets.store.versions import VersionId

    table = Store(store).vectors(VersionId(ENCODER, VERSION))
    done = {"commits": 0, "conflicts": 0, "repeats": 0, "waited": 0.0}
    for shard in own:
        found = list(items(shard, shards, rows, dim=dim, edition=edition))
        writer = writer_on(table, edition=edition, replaced=frozenset(item.row["media_id"] for item in found))
        for item in found:
            writer.put(item)
        writer.close()
        done["commits"] += writer.commits
        done["conflicts"] += writer.conflicts
        done["repeats"] += writer.repeats
        done["waited"] += writer.seconds
    return done


def act(arguments: Sequence[str]) -> None:
    """Be one of the processes: import, say so, wait for all others, write."""
    store, number, processes, shards, rows, dim, edition = arguments[0], *map(int, arguments[1:])
    import lance  # noqa: F401 (imports are not what is measured)
    import lancedb  # noqa: F401

    print("ready", flush=True)
    sys.stdin.readline()
    own = range(number, shards, processes)
    print(json.dumps(write(store, own, shards, rows, dim=dim, edition=edition)), flush=True)


def at_once(store: str, processes: int, shards: int, rows: int, *, dim: int, edition: int) -> list[dict[str, Any]]:
    """Run the processes; return what each of them did, and how long all took."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--act", store, *map(str, (number, processes, shards, rows, dim, edition))],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("a writer did not start")
    started = time.monotonic()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in running]
    seconds = time.monotonic() - started
    if any(process.returncode for process in running):
        raise SystemExit("a writer failed")
    return [json.loads(line) | {"seconds": seconds} for line in said]


def look(store: str, *, edition: int, shards: int) -> dict[str, int]:
    """Count the rows of the table, those that are there twice, and those of another edition than the last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from embed_assets.store.store import Store
    from embed_assets.store.versions import VersionId

    rows = Store(store).vectors(VersionId(ENCODER, VERSION)).read(["segment_id", "key", "meta_hash"])
    assert rows is not None
    compute: Any = pc  # its functions are made as it is imported: no checker sees them
    distinct = compute.count_distinct(rows["segment_id"]).as_py()
    numbers = compute.cast(compute.utf8_slice_codeunits(rows["key"], len("rows.parquet#")), pa.int64())
    places = compute.divide(numbers, shards)
    again = compute.equal(compute.multiply(compute.divide(places, EDITED), EDITED), places)
    expected = compute.if_else(again, str(edition), "0")
    old = compute.sum(compute.not_equal(rows["meta_hash"], expected)).as_py()
    return {"count": rows.num_rows, "doubled": rows.num_rows - distinct, "old": old or 0}


def measured(processes: int, shards: int, rows: int, *, dim: int) -> list[Measured]:
    """Write all rows into a new table, then one of a hundred again."""
    from embed_assets.store.store import Store
    from embed_assets.store.vectors import vector_schema
    from embed_assets.store.versions import VersionId

    found = []
    with tempfile.TemporaryDirectory() as folder:
        store, version = Store(folder), VersionId(ENCODER, VERSION)
        store.vectors(version).create(vector_schema(version, dim=dim, dtype="float16", distance="cosine"))
        for edition, what in enumerate(("all rows", "1 % of every shard")):
            before = store.open(version.table).version
            said = at_once(folder, processes, shards, rows, dim=dim, edition=edition)
            sums = {name: sum(each[name] for each in said) for name in ("conflicts", "repeats", "waited")}
            found.append(
                Measured(
                    what=what,
                    processes=processes,
                    rows=rows,
                    seconds=round(said[0]["seconds"], 1),
                    commits=store.open(version.table).version - before,
                    **sums,
                    **look(folder, edition=edition, shards=shards),
                )
            )
            print(found[-1], file=sys.stderr, flush=True)
    return found


def shown(found: Sequence[Measured]) -> str:
    """Return the table."""
    lines = ["| rows | writers | written | seconds | commits | conflicts | given up | rows found | doubled | old |"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|"]
    for each in found:
        lines.append(
            f"| {each.rows:,} | {each.processes} | {each.what} | {each.seconds:.1f} | {each.commits} "
            f"| {each.conflicts} | {each.repeats} | {each.count:,} | {each.doubled} | {each.old} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and print; exit status 1 where a row is lost, doubled or old."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--act", nargs=7, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.act:
        act(chosen.act)
        return 0
    found = [
        each
        for processes in chosen.processes
        for each in measured(processes, chosen.shards, chosen.rows, dim=chosen.dim)
    ]
    print(json.dumps([asdict(each) for each in found], indent=2) if chosen.json else shown(found))
    return 1 if any(each.wrong for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
