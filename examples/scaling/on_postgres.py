"""The demo with Dagster's records in Postgres, and its steps in several processes.

    python examples/scaling/on_postgres.py [--home FOLDER] [--items N] [--executor in_process]

Where EMBED_ASSETS_PG_URL is set, that database is used. Else a server is started on this machine (apt install
postgresql), and thrown away at the end. Needs: pip install 'embed-assets[demo,postgres]'
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from demo_pipeline import embed_assets, write_pipeline
from local_postgres import URL, postgres_url

REPOSITORY = Path(__file__).parents[2]
SLOTS = 2  # steps that may load a model at once: the limit of the pool
DAGSTER = f"""\
storage:
  postgres:
    postgres_url: {{env: {URL}}}
concurrency:
  pools: {{default_limit: {SLOTS}, granularity: op}}
telemetry: {{enabled: false}}
"""
# Steps are forked from a process that has imported Dagster and the definitions, and no model.
FORKED = "execution: {config: {start_method: {forkserver: {preload_modules: [jobs.definitions]}}}}\n"


def main() -> None:
    """Build by Dagster's own command line, show which process encoded what, search."""
    parser = argparse.ArgumentParser(description="The demo with its records in Postgres, in several processes.")
    parser.add_argument("--home", type=Path, default=Path(".embed-assets/on-postgres"))
    parser.add_argument("--items", type=int, help="media items of each source, of some 2,700 in all")
    parser.add_argument("--executor", default="multiprocess", help="multiprocess or in_process")
    chosen = parser.parse_args()
    home = chosen.home.resolve()
    store = str(home / "store")
    changes = {"store": store, "executor": chosen.executor, "shards": 4, "run_shards": 2}
    write_pipeline(home, changes, items=chosen.items)
    (home / "dagster").mkdir(exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(DAGSTER)
    (home / "run.yaml").write_text(FORKED)
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    os.environ["EMBED_ASSETS_SETTINGS"] = str(home / "pipeline.yaml")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // SLOTS)))  # of each process
    with postgres_url() as url:
        os.environ[URL] = url
        began = time.monotonic()
        run = ["-c", str(home / "run.yaml")] if chosen.executor == "multiprocess" else []
        dagster("job", "execute", "-d", str(REPOSITORY), "-m", "jobs.definitions", "-j", "build", *run)
        print(f"build: {time.monotonic() - began:.0f} s")
        for line in encoded_by():
            print(line)
    embed_assets("search", "how do I split a path into its extension", "--store", store, "--space", "text", "-k", "3")


def dagster(*words: str) -> None:
    """Run a command of Dagster; its log goes to stderr. Raises SystemExit where it fails."""
    print(f"$ dagster {' '.join(words)}", flush=True)
    code = "from dagster._cli import main; main()"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *words], cwd=REPOSITORY, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def encoded_by() -> Iterator[str]:
    """Yield a line for each step of the latest run that encodes shards: its process, and how long it took."""
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        logged = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        events = [event.dagster_event for event in logged if event.dagster_event]
        pids = {event.step_key: event.engine_event_data.metadata["pid"].value for event in events}
        for step in instance.get_run_step_stats(run.run_id):
            if step.step_key.startswith("embed_") and step.start_time and step.end_time:
                where = f"process {pids[step.step_key]}" if step.step_key in pids else "the run's process"
                yield f"{step.step_key}: {step.end_time - step.start_time:.1f} s in {where}"


if __name__ == "__main__":
    main()
