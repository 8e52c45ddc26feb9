"""What a run costs as the work grows: seconds, CPU, memory, bytes and commits at several sizes of one table.

    python benchmarks/growth.py [--rows N ...] [--steps NAME ...] [--work FOLDER] [--json]

Rows of a folder of Parquet files (id, text, topic, price) are embedded by the n-grams encoder of
examples/third_party_encoder: first run, nothing changed, 1 % edited, plan, each in a process of its own, whose peak
memory is that of its largest process. A growth exponent is the slope of log seconds over log rows, start-up taken
off: 1 is linear. Start-up is what a run with nothing changed takes over `_SMALL` rows.

Bounds: every step grows at most linearly; nothing changed takes 0.1 s per 10,000 rows and writes nothing; 1 % edited
encodes 1 % and takes 15 s beyond encoding at a million rows; no step takes more than 1.5 GB.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "third_party_encoder"
STEPS = ("first run", "nothing changed", "1 % edited", "plan")
MOST_UNCHANGED = 0.1  # seconds of a run with nothing changed, for 10,000 rows
MOST_EDITED = 15.0  # seconds beyond encoding of a run with 1 % edited, for a million rows
MOST_MEGABYTES = 1536
MOST_EXPONENT = 1.1  # linear, but for the noise of one run
EDITED = 0.01
_SMALL = 100  # rows of the store that start-up is measured on
_FILES = 4  # of the folder
_BATCH = 50_000  # rows written at a time
_WORDS = """
harbour copper winter signal garden lattice orbit thunder meadow engine violet marble compass river candle glacier
window timber falcon anchor cotton mirror desert bridge saffron pebble lantern harvest barley canyon ember fjord
"""
_ENTRY_POINTS = "[embed_assets.encoders]\nngrams = embed_assets_ngrams:encoders\n"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One step at one size. Seconds include the start of its process."""

    step: str
    rows: int
    encoded: int
    seconds: float
    cpu_seconds: float
    megabytes: int  # resident at the peak, of the largest process
    bytes_written: int  # in files of the store that are new or grew
    commits: int
    parts: dict[str, float] = field(default_factory=dict)  # seconds by part, as the store's history tells


def write_table(folder: Path, rows: int, *, edition: int = 0) -> None:
    """Write the table as a few files; each edition but 0 has other texts in one of a hundred rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    changed = set(random.Random(edition).sample(range(rows), max(1, int(rows * EDITED)))) if edition else set[int]()
    topics = _WORDS.split()
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("topic", pa.string()), ("price", pa.float64())])
    for part in range(_FILES):
        start, end = rows * part // _FILES, rows * (part + 1) // _FILES
        file = folder / f"part-{part}.parquet"
        with pq.ParquetWriter(file, schema) as writer:
            for first in range(start, end, _BATCH):
                numbers = range(first, min(end, first + _BATCH))
                columns = {
                    "id": [f"row-{number:08d}" for number in numbers],
                    "text": [text_of(number, edition if number in changed else 0) for number in numbers],
                    "topic": [topics[number % len(topics)] for number in numbers],
                    "price": [number % 1000 / 10 for number in numbers],
                }
                writer.write_table(pa.table(columns, schema=schema))


def text_of(number: int, edition: int) -> str:
    """Return a sentence of its own for every number and edition."""
    return f"Entry {number}-{edition}: {' '.join(random.Random(number * 7 + edition).choices(_WORDS.split(), k=6))}."


def settings_of(work: Path) -> Any:
    """One source, one encoder without a model."""
    from embed_assets.load_settings import make_settings

    columns = {"text": "text", "id": "id", "labels": ["topic"], "extra": ["price"]}
    return make_settings(
        {
            "store": str(work / "store"),
            "sources": {"rows": {"uri": str(work / "rows"), "table": columns}},
            "encoders": {"ngrams": {"model": "ngrams"}},
            "compute": {"device": "cpu", "offline": True},
        }
    )


def act(step: str, work: Path, rows: int) -> None:
    """Do one step, in the process that is measured."""
    if step == "write":
        return write_table(work / "rows", rows)
    if step == "edit":
        return write_table(work / "rows", rows, edition=1 + len(list(work.glob("edition-*"))))
    settings = settings_of(work)
    if step == "plan":
        from embed_assets.pipeline.plan_report import plan_pipeline
        from embed_assets.pipeline.steps import Steps

        plan_pipeline(Steps(settings))
        return None
    from embed_assets.cli.shared.run_pipeline import run_pipeline

    run_pipeline(settings, quiet=True)
    return None


def in_own_process(step: str, work: Path, rows: int) -> tuple[float, float, int]:
    """Run a step in a process of its own: seconds, CPU seconds, megabytes at the peak."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, EXAMPLE, work.parent / "site")))}
    environ["DAGSTER_HOME"] = str(work / "dagster")
    command = [sys.executable, __file__, "--act", step, str(work), str(rows)]
    started = time.perf_counter()
    with subprocess.Popen(command, env=environ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{step} of {rows:,} rows failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def measure(step: str, work: Path, rows: int) -> Measured:
    """Measure one step, and what it left in the store."""
    if step == "1 % edited":
        in_own_process("edit", work, rows)
        (work / f"edition-{len(list(work.glob('edition-*')))}").touch()
    before, state = _files(work / "store"), _state(work)
    seconds, cpu, megabytes = in_own_process(step, work, rows)
    after, now = _files(work / "store"), _state(work)
    events = now["events"][len(state["events"]) :]
    done = Measured(
        step=step,
        rows=rows,
        encoded=sum(event.get("segments_encoded", 0) for event in events),
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu, 2),
        megabytes=megabytes,
        bytes_written=sum(size for name, size in after.items() if before.get(name) != size),
        commits=sum(version - state["versions"].get(name, 0) for name, version in now["versions"].items()),
        parts=_parts(events),
    )
    print(f"{rows:,} rows, {step}: {seconds:.1f} s, {cpu:.1f} CPU s, {megabytes} MB", file=sys.stderr, flush=True)
    return done


def _parts(events: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return seconds by part, as far as the events of a run have them."""
    parts: dict[str, float] = {}
    for event in events:
        for name, seconds in event.items():
            if name == "seconds" or name.endswith("_seconds"):
                label = event["kind"] if name == "seconds" else f"{event['kind']}: {name.removesuffix('_seconds')}"
                parts[label] = round(parts.get(label, 0.0) + seconds, 2)
    return parts


def _state(work: Path) -> dict[str, Any]:
    """Return the events and the table versions of the store."""
    from embed_assets.store.store import Store

    if not (work / "store").exists():
        return {"events": [], "versions": {}}
    store = Store(str(work / "store"))
    versions = {name: store.open(name).version for name in store.table_names()}
    return {"events": store.history.events(), "versions": versions}


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def measured(work: Path, sizes: Sequence[int], steps: Sequence[str]) -> tuple[float, list[Measured]]:
    """Return the seconds of start-up, and every step at every size."""
    info = work / "site" / "embed_assets_ngrams-0.1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: embed-assets-ngrams\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    small, found = work / "small", list[Measured]()
    _begin(small, _SMALL)
    measure("first run", small, _SMALL)
    start = min(measure("nothing changed", small, _SMALL).seconds for _ in range(2))
    for rows in sizes:
        folder = work / str(rows)
        if "first run" in steps:
            _begin(folder, rows)
        found += [measure(step, folder, rows) for step in STEPS if step in steps]
    return start, found


def _begin(folder: Path, rows: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "dagster").mkdir(parents=True)
    in_own_process("write", folder, rows)


def exponents(found: Sequence[Measured], start: float) -> dict[str, list[float]]:
    """Return by step the growth exponents between one size and the next."""
    slopes: dict[str, list[float]] = {}
    for step in STEPS:
        own = [each for each in found if each.step == step]
        slopes[step] = [
            round(
                math.log(max(0.01, large.seconds - start) / max(0.01, small.seconds - start))
                / math.log(large.rows / small.rows),
                2,
            )
            for small, large in pairwise(own)
        ]
    return slopes


def missed(found: Sequence[Measured], start: float) -> list[str]:
    """Bounds that do not hold."""
    rules: dict[str, bool] = {}
    for each in found:
        rules[f"{each.step} of {each.rows:,} rows takes {each.megabytes} MB"] = each.megabytes <= MOST_MEGABYTES
        if each.step == "nothing changed":
            per_10k = (each.seconds - start) / each.rows * 10_000
            name = f"nothing changed takes {per_10k:.2f} s per 10,000 of {each.rows:,} rows"
            if each.rows >= 100_000:  # of fewer, the start-up's own variation is more
                rules[name] = per_10k <= MOST_UNCHANGED
            rules["nothing changed encodes and writes nothing"] = each.encoded == each.commits == 0
        if each.step == "1 % edited":
            beyond = each.seconds - each.parts.get("embed: encode", 0.0)
            rules[f"1 % edited encodes {each.encoded} of {each.rows:,}"] = each.encoded == max(1, each.rows // 100)
            if each.rows >= 1_000_000:
                rules[f"1 % edited takes {beyond:.1f} s beyond encoding"] = beyond <= MOST_EDITED * each.rows / 1e6
    for step, slopes in exponents(found, start).items():
        if slopes:  # of the largest sizes: what is fixed weighs less
            rules[f"{step} grows with exponent {slopes[-1]}"] = slopes[-1] <= MOST_EXPONENT
    return [rule for rule, holds in rules.items() if not holds]


def shown(found: Sequence[Measured], start: float) -> str:
    """Return the tables."""
    lines = [f"Start-up: {start:.2f} s.", ""]
    lines += ["| step | rows | encoded | seconds | CPU seconds | peak MB | bytes written | commits |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for each in found:
        lines.append(
            f"| {each.step} | {each.rows:,} | {each.encoded:,} | {each.seconds:.1f} | {each.cpu_seconds:.1f} "
            f"| {each.megabytes:,} | {each.bytes_written:,} | {each.commits} |"
        )
    lines += ["", "| step | growth exponent |", "|---|---|"]
    lines += [
        f"| {step} | {', '.join(map(str, slopes))} |" for step, slopes in exponents(found, start).items() if slopes
    ]
    lines += ["", "| step | rows | seconds by part |", "|---|---|---|"]
    for each in found:
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in each.parts.items() if seconds >= 0.05)
        if parts:
            lines.append(f"| {each.step} | {each.rows:,} | {parts} |")
    full = {each.rows: each for each in found if each.step == "first run"}
    for each in found:
        if each.step == "1 % edited" and each.rows in full:
            whole, encode = full[each.rows].seconds - start, full[each.rows].parts.get("embed: encode", 0.0)
            edited = (each.seconds - start) / whole
            shares = f"{edited:.1%} of the first run, of which encoding is {encode / whole:.0%}"
            lines.append(f"\n1 % of {each.rows:,} rows edited: {shares}, both without start-up.")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and say which bounds do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--work", type=Path, help="folder that stays; without `first run` goes on with it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--act", nargs=3, metavar=("STEP", "WORK", "ROWS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.act:
        act(chosen.act[0], Path(chosen.act[1]), int(chosen.act[2]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        start, found = measured((chosen.work or Path(folder)).absolute(), chosen.rows, chosen.steps)
    print(json.dumps([asdict(each) for each in found], indent=2) if chosen.json else shown(found, start))
    bounds = missed(found, start)
    for bound in bounds:
        print(f"missed: {bound}", file=sys.stderr)
    return 1 if bounds else 0


if __name__ == "__main__":
    sys.exit(main())
