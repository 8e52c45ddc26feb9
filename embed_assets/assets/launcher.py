"""LocalRunLauncher: reports to Dagster's run monitoring whether the process of a run is still there.

The path of this module stands in the dagster.yaml of homes and hosts: it stays where it is.
"""

from typing import Self

from dagster import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun

from embed_assets.assets.runs.liveness import is_dead, process_of


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's launcher for one machine, plus a health check for its run monitoring.

    With it the daemon also ends runs that it did not launch: those of `embed-assets run` that were killed,
    and those of a code server that is gone as well. For `dagster.yaml`:

        run_launcher:
          module: embed_assets.assets.launcher
          class: LocalRunLauncher
    """

    @classmethod
    def from_config_value(cls, inst_data, config_value) -> Self:
        """Build the launcher from dagster.yaml, as Dagster requires."""
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring may call `check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return FAILED where the process that the run is tagged with is gone, else RUNNING."""
        if is_dead(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process_of(run)} is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
