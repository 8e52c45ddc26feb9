"""The serving asset of a space: moves the pointer to a candidate whose blocking checks passed."""

from collections.abc import Collection, Mapping

import dagster as dg
from pydantic import Field

from embed_assets.assets.automation.conditions import freshness_policy, serving_condition
from embed_assets.assets.automation.kept_versions import serve_kept
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.metadata_keys import DATA_VERSION
from embed_assets.assets.names import Names, is_automatic
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.serving_metadata import log_version_states, serving_metadata
from embed_assets.errors import MovedError, PromotionError
from embed_assets.pipeline.space_versions import space_versions
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.checks import REQUIRED
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionId, VersionRecord


class PromotionConfig(dg.Config):
    """What a person accepts of a candidate; a run without it accepts nothing."""

    despite: list[str] = Field(
        default=[],
        description="Blocking checks whose failure is accepted in this run, as [compared_with_live]. They are "
        "named in the history; only a run of one version, started by a person, takes them.",
    )


def build_serving_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_serving`: what search reads. It reads the verdicts itself, and refuses without them."""

    @dg.asset(
        key=names.asset_key(space, "serving"),
        code_version=code_version(names.settings, "serving", space),
        deps=[names.asset_key(encoder, "index") for encoder in names.encoders_of(space)],
        group_name=names.prefixed(space),
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=serving_condition(names),
        freshness_policy=freshness_policy(names),
        retry_policy=names.retry_policy,
        description=(
            f"The pointer of space `{space}`: one atomic write moves it to the candidate, if every blocking check "
            "passed on that very table version. The release before stays, to go back to. A candidate that a check "
            "holds back waits, with the check's figures; what serves goes on serving."
        ),
    )
    def serving(context: dg.AssetExecutionContext, config: PromotionConfig) -> dg.MaterializeResult:
        return names.run(
            context, "serving", space, lambda: materialize_serving(names, space, context, despite=config.despite)
        )

    return serving


def materialize_serving(
    names: Names, space: str, context: StepContext, *, despite: Collection[str] = ()
) -> dg.MaterializeResult:
    """Move the pointer where checks and settings allow it; what waits is listed with its reason, and fails nothing."""
    steps = make_steps(names, context.resources)
    encoders, tags, by = names.encoders_of(space), context.run.tags, f"dagster run {context.run_id}"
    try:
        pointer = _moved(steps, space, encoders, tags, by=by, despite=despite)
    except PromotionError as error:  # another move came first, or there is nothing of that name
        raise dg.Failure(str(error), allow_retries=isinstance(error, MovedError)) from error
    steps.tidy()
    versions = space_versions(steps, space)
    for version in versions:
        if version.held_back:
            held_back_by = "; ".join(version.failures)
            context.log.warning(f"{version.encoder} {version.version} is held back by {held_back_by}")
    log_version_states(context, names, versions)
    metadata = serving_metadata(names, pointer, versions, service=steps.settings.serve.url)
    return dg.MaterializeResult(data_version=dg.DataVersion(_serves(pointer)), metadata=metadata)


def _moved(
    steps: Steps, space: str, encoders: list[str], tags: Mapping[str, str], *, by: str, despite: Collection[str]
) -> Pointer:
    """Promote the version of a person's run; any other run does what the settings allow."""
    if "dagster/partition" not in tags:  # "Materialize all", say: it is no word for a version that is held
        return serve_kept(steps, space, encoders, by=by)
    record = _record(steps, encoders, tags["dagster/partition"])
    try:
        return steps.serve(record, by=by) if is_automatic(tags) else steps.promote(record, by=by, despite=despite)
    except MovedError:
        raise
    except PromotionError:
        if steps.candidate(record).failures(REQUIRED, despite=despite):  # it stays a candidate
            return steps.store.serving.pointer(space)
        raise


def _record(steps: Steps, encoders: list[str], version: str) -> VersionRecord:
    """Return the version of a run, of any encoder of the space. Raises StoreError where there is none."""
    versions = steps.store.versions
    own = next((name for name in encoders if versions.get(VersionId(name, version)) is not None), encoders[0])
    return steps.version(VersionId(own, version))


def serving_event(names: Names, steps: Steps, pointer: Pointer) -> dg.AssetMaterialization:
    """Build the event for a pointer's move that its asset did not make."""
    key = names.asset_key(pointer.space, "serving")
    versions = space_versions(steps, pointer.space)
    metadata = serving_metadata(names, pointer, versions, service=steps.settings.serve.url)
    return dg.AssetMaterialization(key, metadata=metadata, tags={DATA_VERSION: _serves(pointer)})


def _serves(pointer: Pointer) -> str:
    """Return the data version: the live release's key."""
    return pointer.live.key if pointer.live else "nothing"
