"""Jobs that move pointers back and keep the store small: roll back, retire, maintain; all in process.

Roll-back is in no pool: it waits for no embedding run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from embed_assets.assets.names import Names, forget_version
from embed_assets.assets.resources import make_steps
from embed_assets.assets.serving import serving_event
from embed_assets.errors import EmbedAssetsError
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import MaintenanceSettings
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionId


class RollBackConfig(dg.Config):
    """Target of a roll-back."""

    to: str | None = Field(
        default=None, description="Encoder version that the pointer still names; unset: the one before."
    )


class RetireConfig(dg.Config):
    """Encoder version to retire."""

    encoder: str = Field(description="Name of the encoder in the settings, also of one that they no longer have.")
    version: str = Field(description="Its version that is dropped: neither current, live nor to go back to.")


class MaintainConfig(dg.Config):
    """Time limit of maintenance."""

    seconds: float | None = Field(
        default=None,
        description=f"{MaintenanceSettings.model_fields['seconds'].description} Unset: as the settings say.",
    )


@dataclass(frozen=True, kw_only=True)
class UpkeepJobs:
    """Jobs of a pipeline that encode nothing."""

    rollback: Mapping[str, dg.JobDefinition]  # by space
    retire: dg.JobDefinition
    maintain: dg.JobDefinition

    @property
    def all(self) -> list[dg.JobDefinition]:
        """All of them."""
        return [*self.rollback.values(), self.retire, self.maintain]


def build_upkeep_jobs(names: Names) -> UpkeepJobs:
    """Build a roll-back job per space, and the retire and maintain jobs."""
    return UpkeepJobs(
        rollback={space: _job(_roll_back(names, space)) for space in names.spaces},
        retire=_job(_retire(names)),
        maintain=_job(_maintain(names)),
    )


def _job(op: dg.OpDefinition) -> dg.JobDefinition:
    """Build a job of one op; the op gets another name, which Dagster requires."""
    graph = dg.GraphDefinition(name=op.name.removesuffix("_op"), node_defs=[op], description=op.description)
    return graph.to_job(executor_def=dg.in_process_executor)


def _roll_back(names: Names, space: str) -> dg.OpDefinition:
    @dg.op(
        name=names.prefixed(f"{space}_rollback_op"),
        description=f"Space {space!r} goes back to the version before, or to `to`; nothing is encoded or rebuilt.",
        out=dg.Out(dg.Nothing),
        required_resource_keys=names.resource_keys,
    )
    def roll_back(context: dg.OpExecutionContext, config: RollBackConfig) -> None:
        steps = make_steps(names, context.resources)
        try:
            pointer = steps.roll_back(space, by=_by(context), to=config.to)
        except EmbedAssetsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        _log_move(context, names, steps, pointer)

    return roll_back


def _retire(names: Names) -> dg.OpDefinition:
    @dg.op(
        name=names.prefixed("retire_op"),
        description="Drop an encoder version that no pointer names: its table, its model files, its partition key.",
        out=dg.Out(dg.Nothing),
        required_resource_keys=names.resource_keys,
    )
    def retire(context: dg.OpExecutionContext, config: RetireConfig) -> None:
        steps = make_steps(names, context.resources)
        version = VersionId(config.encoder, config.version)
        try:
            retired = steps.retire(version, by=_by(context))
        except EmbedAssetsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        forget_version(context.instance, names, version)
        context.log.info(f"{config.encoder} {config.version} is retired")
        context.add_output_metadata({"rows": retired.rows, "releases": retired.releases})

    return retire


def _maintain(names: Names) -> dg.OpDefinition:
    @dg.op(
        name=names.prefixed("maintain_op"),
        description="Compact tables, refresh indices, remove old table versions and retire encoder versions that are "
        "neither current, live nor to go back to, within a bounded time; what was compacted is indexed, checked and "
        "served again.",
        pool=names.settings.pool,
        out=dg.Out(dg.Nothing),
        required_resource_keys=names.resource_keys,
    )
    def maintain(context: dg.OpExecutionContext, config: MaintainConfig) -> None:
        if config.seconds is not None and config.seconds <= 0:
            raise dg.Failure(f"seconds: {config.seconds:g} is refused: give more than 0.", allow_retries=False)
        steps = make_steps(names, context.resources)
        before = _generations(steps)
        try:
            report = steps.maintain(seconds=config.seconds, by=_by(context))
        except EmbedAssetsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        finally:
            _tell_moved(context, names, steps, before)
        for version in report.forgotten:
            forget_version(context.instance, names, version)
        figures = report.figures()
        context.log.info(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items()))
        context.add_output_metadata(_metadata(figures))

    return maintain


def _generations(steps: Steps) -> dict[str, int]:
    return {pointer.space: pointer.generation for pointer in steps.store.serving.pointers()}


def _tell_moved(context: dg.OpExecutionContext, names: Names, steps: Steps, before: Mapping[str, int]) -> None:
    for pointer in steps.store.serving.pointers():
        if pointer.space in names.spaces and pointer.generation != before.get(pointer.space):
            _log_move(context, names, steps, pointer)


def _log_move(context: dg.OpExecutionContext, names: Names, steps: Steps, pointer: Pointer) -> None:
    """Log a pointer's move on its serving asset."""
    context.log_event(serving_event(names, steps, pointer))
    serves = pointer.live.key if pointer.live else "nothing"
    context.log.info(f"space {pointer.space} serves {serves}")


def _metadata(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Convert figures to metadata: numbers are plotted; of a mapping or list the length, beside its content."""
    metadata: dict[str, Any] = {}
    for name, value in figures.items():
        label = name.replace("_", " ")
        if isinstance(value, (int, float, str)):
            metadata[label] = value
        else:
            metadata |= {label: len(value), f"{label}: which": dg.MetadataValue.json(value)}
    return metadata


def _by(context: dg.OpExecutionContext) -> str:
    return f"dagster run {context.run_id}"
