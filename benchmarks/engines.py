"""What leaving the machine costs on one machine: Ray against the local engine, a bucket against a folder.

    python benchmarks/engines.py ray [--items N] [--kill] [--work FOLDER]
    python benchmarks/engines.py s3 [--items N] [--work FOLDER]

Texts of some thirty words, a file each, are embedded by MiniLM (extra demo). `ray`: the same texts by both engines,
each run in a process of its own; `--kill` ends an encoding actor by SIGKILL in the middle. Rows have to be equal. `s3`:
media and store in a folder, and in a bucket of moto's server on this machine, whose log counts the requests: a first
run, and one with nothing changed. moto is one Python process: what it takes is not what S3 takes; the requests are.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from growth import text_of  # noqa: E402

from examples.scaling.local_ray import local_ray  # noqa: E402
from tests.kills import kill_encoding_actor  # noqa: E402
from tests.s3_server import S3Server, s3_server  # noqa: E402


def pipeline(work: Path, name: str, **changes: Any) -> dict[str, Any]:
    """Return settings of a pipeline with a store of its own."""
    return {
        "store": str(work / f"store-{name}"),
        "sources": {"texts": {"uri": str(work / "texts")}},
        "encoders": {"minilm": {"model": "embedded:minilm", "space": "text"}},
        "compute": {"device": "cpu", "offline": True},
        **changes,
    }


def write_texts(folder: Path, items: int) -> None:
    """Write the texts, a file each."""
    folder.mkdir(parents=True)
    for number in range(items):
        (folder / f"{number:06d}.txt").write_text(text_of(number, 0))


def act(settings: dict[str, Any]) -> None:
    """Refresh, resolve, embed and index; print what the run says of itself."""
    from embed_assets.load_settings import make_settings
    from embed_assets.pipeline.steps import Steps
    from embed_assets.run_cache import run_cache

    steps, started = Steps(make_settings(settings, origin="the benchmark")), time.monotonic()
    with run_cache():
        steps.refresh("texts")
        record = steps.resolve("minilm").record
        listed = time.monotonic()
        report = steps.embed(record)
    seconds = time.monotonic() - listed
    print(json.dumps({"listing": listed - started, "embedding": seconds, "encoding": report.encode_seconds}))


def in_own_process(settings: dict[str, Any], *, on_ray: bool = False, kill: bool = False) -> dict[str, float]:
    """Run `act` in a process; return its figures, with the CPU seconds of it and its children that ended."""
    command = [sys.executable, __file__, "act", json.dumps(settings), *(["--on-ray"] if on_ray else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        if kill:
            threading.Thread(target=kill_encoding_actor, kwargs={"after": 8.0}, daemon=True).start()
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("A run failed.")
    return json.loads(printed.splitlines()[-1]) | {"CPU": usage.ru_utime + usage.ru_stime}


def rows_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the vectors of a store by key and place."""
    from embed_assets.store.store import Store

    store = Store(settings["store"])
    (name,) = (each for each in store.table_names() if each.startswith("minilm__") and not each.endswith("__queries"))
    rows = store.open(name).to_arrow().select(["key", "start", "vector"]).to_pylist()
    found = {f"{row['key']}:{row['start']}": row["vector"] for row in rows}
    assert len(found) == len(rows), "rows are doubled"
    return found


def compare_engines(work: Path, items: int, *, kill: bool) -> None:
    """Print what both engines take, and how far their rows are apart."""
    import numpy as np

    write_texts(work / "texts", items)
    index = {"vector_dtype": "float32"}
    local = pipeline(work, "local", index=index)
    compute = {**local["compute"], "engine": "ray", "ray": {"encoders": 1, "cpus": 1}}
    remote = pipeline(work, "ray", index=index, compute=compute)
    killed = pipeline(work, "killed", index=index, compute=compute)
    runs = [("local", local, {}), ("ray", remote, {"on_ray": True})]
    runs += [("ray, an actor killed", killed, {"on_ray": True, "kill": True})] if kill else []
    print(f"{items:,} texts\n")
    print("| engine | embedding, s | of it encoding | rows | largest difference |\n|---|---|---|---|---|")
    ours: dict[str, Any] = {}
    for name, settings, how in runs:
        each, theirs = in_own_process(settings, **how), rows_of(settings)
        ours = ours or theirs
        assert ours.keys() == theirs.keys(), f"{name} has other rows"
        apart = max(float(np.abs(np.subtract(ours[key], theirs[key])).max()) for key in ours)
        print(f"| {name} | {each['embedding']:.1f} | {each['encoding']:.1f} | {len(theirs):,} | {apart:.1e} |")


def compare_places(work: Path, items: int) -> None:
    """Print what a first run and one with nothing changed take in a folder and in a bucket."""
    write_texts(work / "texts", items)
    lines = [
        "| media and store | run | listing, s | embedding, s | of it encoding | requests |",
        "|---|---|---|---|---|---|",
    ]
    folder = pipeline(work, "folder")
    for run in ("first", "nothing changed"):
        lines.append(_line("folder", run, in_own_process(folder), None))
    with s3_server(work / "requests.log") as server:
        upload(server, work / "texts")
        options = server.storage_options
        bucket = pipeline(
            work,
            "bucket",
            store="s3://bench/store",
            storage_options=options,
            sources={"texts": {"uri": "s3://bench/texts", "storage_options": options}},
        )
        for run in ("first", "nothing changed"):
            before = len(server.requests())
            figures = in_own_process(bucket)
            lines.append(_line("bucket", run, figures, len(server.requests()) - before))
    print(f"{items:,} files\n\n" + "\n".join(lines))


def _line(place: str, run: str, each: dict[str, float], requests: int | None) -> str:
    counted = "" if requests is None else f"{requests:,}"
    return f"| {place} | {run} | {each['listing']:.1f} | {each['embedding']:.1f} | {each['encoding']:.1f} | {counted} |"


def upload(server: S3Server, folder: Path) -> None:
    """Put the files into the bucket."""
    client = server.client()
    client.create_bucket(Bucket="bench")
    for file in folder.iterdir():
        client.put_object(Bucket="bench", Key=f"texts/{file.name}", Body=file.read_bytes())


def main() -> None:
    """Run one comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ray", "s3", "act"))
    parser.add_argument("settings", nargs="?")
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--on-ray", action="store_true")
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "act":
        if not chosen.on_ray:
            return act(json.loads(chosen.settings))
        with local_ray(num_cpus=3, object_store_memory=200 * 2**20):
            return act(json.loads(chosen.settings))
    random.seed(0)
    work = chosen.work or Path(tempfile.mkdtemp(prefix="engines-"))
    try:
        if chosen.what == "ray":
            compare_engines(work, chosen.items, kill=chosen.kill)
        else:
            compare_places(work, chosen.items)
    finally:
        if chosen.work is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
