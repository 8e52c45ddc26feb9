"""The demo with Dagster's runs and steps as jobs of a Ray cluster, by dagster-ray's launcher and executor.

    python examples/scaling/on_dagster_ray.py [--home FOLDER] [--items N] [--encoder NAME]

Ray and Postgres are started on this machine. The processes of Ray's job server look for the machine's address
themselves, so that it listens on it: a token of Ray's own authentication keeps others out. Where RAY_API_SERVER_ADDRESS
is set (http://HOST:8265), that cluster is used; its nodes have to reach the folder, and the Postgres of
EMBED_ASSETS_PG_URL. Needs: pip install 'embed-assets[dagster-ray,demo,postgres]'
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
from uuid import uuid4

import dagster as dg
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
    parser.add_argument("--encoder", help="of the demo's four the one that is run, minilm for instance; all by default")
    chosen = parser.parse_args()
    home = chosen.home.resolve()
    store = str(home / "store")
    write_pipeline(home, {"store": store, **PIPELINE}, items=chosen.items, encoder=chosen.encoder)
    (home / "dagster").mkdir(exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(DAGSTER)
    (home / "run.yaml").write_text(STEPS)
    os.environ |= {"DAGSTER_HOME": str(home / "dagster"), "EMBED_ASSETS_SETTINGS": str(home / "pipeline.yaml")}
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each step
    os.environ.setdefault("PYTHONPATH", str(REPOSITORY))
    run_id = str(uuid4())
    with postgres_url() as url, cluster() as address:
        os.environ |= {URL: url, RAY: address}
        build = ["-d", str(REPOSITORY), "-m", "jobs.definitions", "-j", "build", "--run-id", run_id]
        dagster("job", "launch", *build, "-c", str(home / "run.yaml"))
        with dg.DagsterInstance.get() as instance:
            status = wait(instance, run_id)
        for kind, count in sorted(jobs_of(address, run_id).items()):
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
    started = ray.init("local", include_dashboard=True, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield f"http://{started.dashboard_url}"
    finally:
        ray.shutdown()


def wait(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    """Return how a run ended, once its job did. Raises SystemExit where the run could not say so."""
    began = time.monotonic()
    while True:
        health = instance.run_launcher.check_run_worker_health(run_of(instance, run_id))
        run = run_of(instance, run_id)  # as it is after its job was looked at
        if run.is_finished and health.status.name != "RUNNING":
            print(f"build: {run.status.value} in {time.monotonic() - began:.0f} s", flush=True)
            return run.status
        if not run.is_finished and health.status.name == "FAILED":  # monitoring ends it in a deployment
            raise SystemExit(f"The run's job failed: {health.msg}")
        time.sleep(1)


def run_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Return the run as the instance has it now."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def jobs_of(address: str, run_id: str) -> Counter[str]:
    """Count the jobs of a run that succeeded: `run`, `step embed_minilm_s00_s01` and so on."""
    from ray.job_submission import JobStatus, JobSubmissionClient

    labelled = [(job.metadata or {}, job.status) for job in JobSubmissionClient(address).list_jobs()]
    ended = [labels for labels, status in labelled if status == JobStatus.SUCCEEDED]
    own = [labels for labels in ended if labels.get("dagster/run-id") == run_id]
    return Counter(f"step {labels['dagster/op']}" if "dagster/op" in labels else "run" for labels in own)


if __name__ == "__main__":
    main()
