"""Runs of one changed item, again and again in one process: memory, threads, files and bytes as they go.

`python benchmarks/soak.py --runs 500` makes a store of fifty notes in a temporary folder and prints a line
every tenth of the runs, then what was there before and after.
"""

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

_NOTES = 50


def figures(root: Path) -> dict[str, float]:
    """Resident megabytes, threads, and files and megabytes of the store and of Dagster's folder."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    found: dict[str, float] = {"rss_mb": int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20}
    found["threads"] = sum(1 for _ in Path("/proc/self/task").iterdir())
    found["python_threads"] = threading.active_count()
    found["open_files"] = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for name in ("store", "dagster"):
        files = [file for file in (root / name).rglob("*") if file.is_file()]
        found[f"{name}_files"] = len(files)
        found[f"{name}_mb"] = sum(file.stat().st_size for file in files) / 2**20
    return found


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--model", default="embedded:minilm")
    arguments = parser.parse_args()
    from embed_assets.cli.shared.run_pipeline import run_pipeline
    from embed_assets.load_settings import make_settings

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "notes").mkdir()
        for number in range(_NOTES):
            (root / "notes" / f"note-{number}.txt").write_text(f"note {number} of the first day")
        settings = make_settings(
            {
                "store": str(root / "store"),
                "sources": {"notes": {"uri": str(root / "notes")}},
                "encoders": {"texts": {"model": arguments.model}},
                "compute": {"device": "cpu", "offline": True},
            }
        )
        run_pipeline(settings, quiet=True)
        first = None
        for number in range(1, arguments.runs + 1):
            file = root / "notes" / f"note-{number % _NOTES}.txt"
            file.write_text(f"note {number} of another day")
            os.utime(file, (time.time(), 10**9 + number))
            assert run_pipeline(settings, quiet=True)
            if number == 10:  # what libraries load lazily is there
                gc.collect()
                first = figures(root)
            if number % max(1, arguments.runs // 10) == 0:
                gc.collect()
                print(number, {name: round(value, 1) for name, value in figures(root).items()}, flush=True)
        last = figures(root)
        if first is not None:
            for name, before in first.items():
                after = last[name]
                each = (after - before) / max(1, arguments.runs - 10)
                print(f"{name}: {before:,.1f} after 10 runs, {after:,.1f} after {arguments.runs}: {each:+.3f} a run")


if __name__ == "__main__":
    main()
