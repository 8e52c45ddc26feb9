"""Running a pipeline's jobs in a test: in process, on a given instance."""

from collections.abc import Mapping, Sequence

import dagster as dg

from embed_assets.assets.automation.jobs import EncoderJobs, build_jobs
from embed_assets.assets.encoder import register_version
from embed_assets.assets.names import Names, grid_range
from embed_assets.assets.pipeline import build_definitions, build_names
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Running:
    """A pipeline's definitions, or a host's that it is part of, on an instance."""

    def __init__(
        self, settings: PipelineSettings, instance: dg.DagsterInstance, *, definitions: dg.Definitions | None = None
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.steps = Steps(settings)
        self.names: Names = build_names(settings)[0]
        self.jobs: dict[str, EncoderJobs] = build_jobs(self.names)
        self.definitions = definitions or build_definitions(settings, jobs=self.jobs)

    def embed(self, encoder: str = "words", *, tags: Mapping[str, str] | None = None) -> dg.ExecuteInProcessResult:
        """The embed job over all shards of the encoder's current version, or what `tags` select."""
        version = self.steps.resolve(encoder).record.version
        register_version(self.instance, self.names, encoder, version)
        chosen = dict(tags or grid_range(version, self.settings.shards))
        return self._run(self.jobs[encoder].embed.name, tags=chosen)

    def promote(self, encoder: str = "words", *, despite: Sequence[str] = ()) -> dg.ExecuteInProcessResult:
        """The promote job of the encoder's current version; its failure is in the result."""
        version = self.steps.resolve(encoder).record.version
        serving = self.names.asset_key(self.names.spaces_of[encoder], "serving").to_python_identifier()
        config = {"ops": {serving: {"config": {"despite": list(despite)}}}} if despite else {}
        return self._run(self.jobs[encoder].promote.name, config, partition_key=version)

    def build(self) -> dg.ExecuteInProcessResult:
        """The build job: everything in one run."""
        return self._run("build")

    def materialize(self, asset: str) -> dg.ExecuteInProcessResult:
        """A run of one asset, without a partition."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey(asset)], run_config=QUIET, raise_on_error=False
        )

    def _run(self, job: str, config: Mapping[str, object] | None = None, **how: object) -> dg.ExecuteInProcessResult:
        resolved = self.definitions.resolve_job_def(job)
        return resolved.execute_in_process(
            instance=self.instance,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
            **how,  # pyright: ignore[reportArgumentType]
        )

    def metadata(self, key: str) -> Mapping[str, dg.MetadataValue]:
        """Metadata of an asset's latest materialization."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(key))
        assert event is not None and event.asset_materialization is not None
        return event.asset_materialization.metadata
