"""Dagster resources: where encoders run and how much they take at once; the model stays warm in the process."""

from importlib.util import find_spec
from typing import Any, Literal

import dagster as dg
from pydantic import Field, ValidationError

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.runs.liveness import tag_run
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.encoders.loading.device import checked_device_name, resolve_device
from embed_assets.errors import SettingsError
from embed_assets.load_settings import describe_error
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import ComputeSettings, PipelineSettings, Section


def _as_in(settings: type[Section], name: str) -> Any:
    """Return a field of a resource with description and default of the settings' own."""
    field = settings.model_fields[name]
    if field.default_factory is not None:
        return Field(default_factory=field.default_factory, description=field.description)
    return Field(default=field.default, description=field.description)


class EncoderResource(dg.ConfigurableResource):
    """Device, precision, runtime and batch budget of all encoders of a pipeline.

    Nothing is loaded until a step encodes. A loaded model is kept for the process, so that all
    partitions of a run, and all runs of an in-process executor's process, share it. Where a batch does
    not fit the memory, it is halved and goes on.
    """

    device: str = _as_in(ComputeSettings, "device")
    dtype: Literal["float32", "bfloat16", "float16"] = _as_in(ComputeSettings, "dtype")
    runtime: Literal["auto", "torch", "openvino"] = _as_in(ComputeSettings, "runtime")
    engine: Literal["local", "ray"] = _as_in(ComputeSettings, "engine")
    ray: dict[str, Any] = Field(default={}, description=ComputeSettings.model_fields["ray"].description)
    batch_tokens: int | None = _as_in(ComputeSettings, "batch_tokens")
    batch_pixels: int | None = _as_in(ComputeSettings, "batch_pixels")
    readers: int = _as_in(ComputeSettings, "readers")
    buffer_mb: int = _as_in(ComputeSettings, "buffer_mb")
    cache_mb: int = _as_in(ComputeSettings, "cache_mb")
    flush_rows: int = _as_in(ComputeSettings, "flush_rows")
    flush_seconds: float = _as_in(ComputeSettings, "flush_seconds")
    offline: bool = _as_in(ComputeSettings, "offline")
    isolate_decoders: bool = _as_in(ComputeSettings, "isolate_decoders")
    keep_models: bool = _as_in(ComputeSettings, "keep_models")
    budget: str = _as_in(ComputeSettings, "budget")

    @classmethod
    def from_settings(cls, settings: ComputeSettings) -> "EncoderResource":
        """Build the resource from a pipeline's compute settings."""
        ray = settings.ray.model_dump(exclude_none=True)  # Dagster's maps have no values that are null
        return cls(**{**settings.model_dump(), "ray": ray})

    def run_budget(self) -> RunBudget | None:
        """Start the budget of a run; None where it has none."""
        return RunBudget.parse(self.budget) if self.budget else None

    def compute(self, name: str = "encoders") -> ComputeSettings:
        """Return the compute settings. Raises SettingsError with the resource's name, field, value and what is allowed.

        What Dagster's config has types for was refused before: by the launchpad, as it is written.
        """
        values = {field: getattr(self, field) for field in ComputeSettings.model_fields}
        try:
            compute = ComputeSettings(**values)
        except ValidationError as error:
            raise SettingsError("\n".join(_wrong(name, problem) for problem in error.errors())) from None
        for field, check in (("device", checked_device_name), ("budget", _checked_budget)):
            try:
                check(values[field])
            except SettingsError as error:
                raise SettingsError(f"Resource {name!r}, {field}: {error}") from None
        return compute


class StoreResource(dg.ConfigurableResource):
    """Where the LanceDB store is. Options are fsspec's; leave secrets to the environment.

    Tags each run with its process, so that dead ones can be ended.
    """

    uri: str = _as_in(PipelineSettings, "store")
    storage_options: dict[str, Any] = _as_in(PipelineSettings, "storage_options")

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


def make_steps(names: Names, resources: Any, *, loads_model: bool = False) -> Steps:
    """Build the pipeline's steps with a run's resources in place of the settings' compute and store.

    Raises SettingsError where they can't be: before anything is read, also where nothing is to be encoded.
    """
    store: StoreResource = getattr(resources, names.store_key)
    compute = encoders_of_run(names, resources).compute(names.encoders_key)
    if loads_model and compute.device not in ("auto", "cpu"):
        _require_device(names, compute.device)
    changed = {"compute": compute, "store": store.uri, "storage_options": store.storage_options}
    return Steps(names.settings.model_copy(update=changed))


def refuse_other_dtype(context: StepContext, names: Names, dtype: str, *, of: str) -> None:
    """Raise SettingsError where a run's config has another dtype than what the run is of.

    Only the config says what a person wrote for this run: older versions are brought up to date in their own dtype.
    """
    resources: Any = context.run.run_config.get("resources") or {}
    config = (resources.get(names.encoders_key) or {}).get("config") or {}
    written = config.get("dtype")
    if written not in (None, dtype):
        raise SettingsError(
            f"Resource {names.encoders_key!r}, dtype: {written} is refused: {of} is {dtype}, and dtype is part of an "
            "encoder version. Leave it out of the run's config, or set compute.dtype in the settings, which makes "
            "another version."
        )


def _require_device(names: Names, device: str) -> None:
    where = f"Resource {names.encoders_key!r}, device"
    if find_spec("torch") is None:
        raise SettingsError(f"{where}: {device!r} needs torch, which is not installed. Set device to auto or cpu.")
    try:
        resolve_device(device)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _checked_budget(budget: str) -> None:
    if budget:
        RunBudget.parse(budget)


def _wrong(name: str, problem: Any) -> str:
    field = ".".join(map(str, problem["loc"]))
    return f"Resource {name!r}, {field}: {problem['input']!r} is refused: {describe_error(problem)}."
