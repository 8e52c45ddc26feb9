"""The demo with Dagster's runs and steps as jobs of a Ray cluster, by dagster-ray's launcher and executor.

    python examples/scaling/on_dagster_ray.py [--home FOLDER] [--items N]

Where RAY_API_SERVER_ADDRESS is set, that cluster is used: http://HOST:8265. Else Ray is started on this machine. The
processes of its job server look for the machine's address themselves, so that it listens on it: a token of Ray's own
authentication keeps others out. Dagster's records are in Postgres, as on_postgres.py has it. Needs:
pip install 'embed-assets[dagster-ray,demo,postgres]'
"""

import argparse
import importlib
import logging
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.launcher import WorkerStatus
from demo_pipeline import embed_assets, write_pipeline
from local_postgres import URL, postgres_url
from on_postgres import REPOSITORY, dagster

RAY = "RAY_API_SERVER_ADDRESS"
# What a job of the cluster needs of this environment; a cluster of several machines has PYTHONPATH in its image.
PASSED_ON = ["DAGSTER_HOME", "EMBED_ASSETS_SETTINGS", "OMP_NUM_THREADS", "PYTHONPATH", RAY, URL]
RAYS_OWN = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
DAGSTER = f"""\
storage:
  postgres:
    postgres_url: {{env: {URL}}}
run_launcher: # a run is a job of the cluster
  module: dagster_ray
  class: RayRunLauncher
  config:
    ray:
      address: {{env: {RAY}}}
      num_cpus: 0 # it waits for its steps
      env_vars: {PASSED_ON}
run_coordinator: {{module: dagster._core.run_coordinator, class: DefaultRunCoordinator}}
telemetry: {{enabled: false}}
"""
PIPELINE = {
    "executor": "dagster_ray:ray_executor",  # a step is a job of the cluster
    "op_tags": {"dagster-ray/config": {"num_cpus": 1}},  # of the steps that load a model
    "shards": 4,
    "run_shards": 2,
}
# The executor has the launcher's address, and the environment from here.
STEPS = f"execution: {{config: {{ray: {{env_vars: {PASSED_ON}}}}}}}\n"


def main() -> None:
    """Launch the job `build`, wait, show which jobs of the cluster there were, search."""
    parser = argparse.ArgumentParser(description="The demo with runs and steps as jobs of a Ray cluster.")
    parser.add_argument("--home", type=Path, default=Path(".embed-assets/on-dagster-ray"))
    parser.add_argument("--items", type=int, help="media items of each source, of some 2,700 in all")
    chosen = parser.parse_args()
    home = chosen.home.resolve()
    store = str(home / "store")
    write_pipeline(home, {"store": store, **PIPELINE}, items=chosen.items)
    (home / "dagster").mkdir(exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(DAGSTER)
    (home / "run.yaml").write_text(STEPS)
    os.environ |= {"DAGSTER_HOME": str(home / "dagster"), "EMBED_ASSETS_SETTINGS": str(home / "pipeline.yaml")}
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each step
    os.environ.setdefault("PYTHONPATH", str(REPOSITORY))
    with postgres_url() as url, cluster() as address:
        os.environ |= {URL: url, RAY: address}
        dagster(
            "job", "launch", "-d", str(REPOSITORY), "-m", "jobs.definitions", "-j", "build", "-c", f"{home}/run.yaml"
        )
        with dg.DagsterInstance.get() as instance:
            status = wait(instance)
        for kind, count in sorted(jobs_of(address).items()):
            print(f"{kind}: {count} jobs of the cluster")
    if status != dg.DagsterRunStatus.SUCCESS:
        raise SystemExit(f"The run ended as {status.value}.")
    embed_assets("search", "how do I split a path into its extension", "--store", store, "--space", "text", "-k", "3")


@contextmanager
def cluster() -> Iterator[str]:
    """Yield the address of the cluster's job server."""
    if address := os.environ.get(RAY):
        yield address
        return
    os.environ |= {**RAYS_OWN, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # its jobs call `dagster`
    ray = importlib.import_module("ray")
    started = ray.init(include_dashboard=True, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield f"http://{started.dashboard_url}"
    finally:
        ray.shutdown()


def wait(instance: dg.DagsterInstance) -> dg.DagsterRunStatus:
    """Return how the latest run ended. Raises SystemExit where its job did, and the run could not say so."""
    began = time.monotonic()
    while True:
        health = instance.run_launcher.check_run_worker_health(instance.get_runs(limit=1)[0])
        (run,) = instance.get_runs(limit=1)
        if run.is_finished:
            print(f"build: {run.status.value} in {time.monotonic() - began:.0f} s", flush=True)
            return run.status
        if health.status == WorkerStatus.FAILED:  # the daemon's monitoring says so in a deployment
            raise SystemExit(f"The run's job failed: {health.msg}")
        time.sleep(1)


def jobs_of(address: str) -> Counter[str]:
    """Count the jobs that succeeded: `run`, `step embed_minilm_s00_s01` and so on."""
    from ray.job_submission import JobStatus, JobSubmissionClient

    jobs = JobSubmissionClient(address).list_jobs()
    ended = [job.metadata or {} for job in jobs if job.status == JobStatus.SUCCEEDED]
    return Counter(f"step {labels['dagster/op']}" if "dagster/op" in labels else "run" for labels in ended)


if __name__ == "__main__":
    main()
