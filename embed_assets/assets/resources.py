"""Dagster resources: where encoders run and how much they take at once; the model stays warm in the process."""

from typing import Any

import dagster as dg
from pydantic import Field

from embed_assets.assets.names import Names
from embed_assets.assets.runs.liveness import tag_run
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import ComputeSettings, PipelineSettings

StepContext = dg.AssetExecutionContext | dg.OpExecutionContext  # of an asset's step, or of an op that does the same


class EncoderResource(dg.ConfigurableResource):
    """Device, precision and batch budget of all encoders of a pipeline.

    Nothing is loaded until a step encodes. A loaded model is kept for the process, so that all
    partitions of a run, and all runs of an in-process executor's process, share it. Where a batch does
    not fit the memory, it is halved and goes on.
    """

    device: str = "auto"
    dtype: str = "float32"
    batch_tokens: int | None = None
    batch_pixels: int | None = None
    readers: int = 2
    buffer_mb: int = 256
    cache_mb: int = 1024
    flush_rows: int = 20_000
    flush_seconds: float = 60.0
    offline: bool = False
    isolate_decoders: bool = True
    keep_models: bool = True
    budget: str = Field(
        default="", description="What a run may spend on encoding, as 90s, 1.5Mtokens or 2.50usd; unset: all."
    )

    @classmethod
    def from_settings(cls, settings: ComputeSettings) -> "EncoderResource":
        """Build the resource from a pipeline's compute settings."""
        return cls(**settings.model_dump())

    def run_budget(self) -> RunBudget | None:
        """Start the budget of a run; None where it has none."""
        return RunBudget.parse(self.budget) if self.budget else None

    def compute(self) -> ComputeSettings:
        """Return the validated compute settings."""
        names = ComputeSettings.model_fields
        return ComputeSettings(**{name: getattr(self, name) for name in names})


class StoreResource(dg.ConfigurableResource):
    """Where the LanceDB store is. Options are fsspec's; leave secrets to the environment.

    Tags each run with its process, so that dead ones can be ended.
    """

    uri: str
    storage_options: dict[str, Any] = Field(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Tag the run with its process; Dagster calls this in every process of a run."""
        if context.run is not None and context.instance is not None:
            tag_run(context.instance, context.run)

    @classmethod
    def from_settings(cls, settings: PipelineSettings) -> "StoreResource":
        """Build the resource from a pipeline's settings."""
        return cls(uri=settings.store, storage_options=settings.storage_options)


def encoders_of_run(names: Names, resources: Any) -> EncoderResource:
    """Return the pipeline's EncoderResource among a run's `context.resources`."""
    return getattr(resources, names.encoders_key)


def make_steps(names: Names, resources: Any) -> Steps:
    """Build the pipeline's steps with a run's resources in place of the settings' compute and store."""
    store: StoreResource = getattr(resources, names.store_key)
    changed = {
        "compute": encoders_of_run(names, resources).compute(),
        "store": store.uri,
        "storage_options": store.storage_options,
    }
    return Steps(names.settings.model_copy(update=changed))
