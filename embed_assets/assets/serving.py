"""The serving asset of a space: moves the pointer to a candidate whose blocking checks passed."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import freshness_policy, serving_condition
from embed_assets.assets.automation.kept_versions import serve_kept
from embed_assets.assets.names import Names, is_automatic
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import preview
from embed_assets.errors import PromotionError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionId, VersionRecord

_DATA_VERSION = "dagster/data_version"
_PLOTTED = ("recall_at_10", "ndcg_at_10")  # figures of the checks that Dagster draws over time


def build_serving_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_serving`: what search reads. It reads the verdicts itself, and refuses without them."""
    encoders_of = names.encoders_of(space)

    @dg.asset(
        key=names.asset_key(space, "serving"),
        deps=[names.asset_key(encoder, "index") for encoder in encoders_of],
        group_name=names.prefixed(space),
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=serving_condition(names),
        freshness_policy=freshness_policy(names),
        description=(
            f"The pointer of space `{space}`: one atomic write moves it to the candidate, if every blocking check "
            "passed on that very table version. The release before stays, to go back to."
        ),
    )
    def serving(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        steps = make_steps(names, context.resources)
        tags, by = context.run.tags, f"dagster run {context.run_id}"
        try:
            pointer = _moved(steps, encoders_of, tags, by=by)
        except PromotionError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        steps.tidy()
        return dg.MaterializeResult(data_version=dg.DataVersion(_serves(pointer)), metadata=_metadata(pointer))

    return serving


def _moved(steps: Steps, encoders: list[str], tags: Mapping[str, str], *, by: str) -> Pointer:
    """Promote the version of a person's run; any other run does what the settings allow."""
    if "dagster/partition" not in tags:  # "Materialize all", say: it is no word for a version that is held
        return serve_kept(steps, encoders, by=by)
    record = _record(steps, encoders, tags["dagster/partition"])
    return steps.serve(record, by=by) if is_automatic(tags) else steps.promote(record, by=by)


def _record(steps: Steps, encoders: list[str], version: str) -> VersionRecord:
    """Return the version of a run, of any encoder of the space. Raises StoreError where there is none."""
    versions = steps.store.versions
    own = next((name for name in encoders if versions.get(VersionId(name, version)) is not None), encoders[0])
    return steps.version(VersionId(own, version))


def serving_event(names: Names, pointer: Pointer) -> dg.AssetMaterialization:
    """Build the event for a pointer's move that its asset did not make."""
    key = names.asset_key(pointer.space, "serving")
    return dg.AssetMaterialization(key, metadata=_metadata(pointer), tags={_DATA_VERSION: _serves(pointer)})


def _serves(pointer: Pointer) -> str:
    """Return the data version: the live release's key."""
    return pointer.live.key if pointer.live else "nothing"


def _metadata(pointer: Pointer) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "live": pointer.live.key if pointer.live else "none",
        "previous": pointer.rollback_targets[0].key if pointer.rollback_targets else "none",
        "held": ", ".join(pointer.held) or "none",
        "generation": pointer.generation,
        "moved by": pointer.moved_by,
        "moved at": pointer.moved_at,
    }
    if live := pointer.live:
        rows = [
            {"check": check.name, "passed": check.passed, "blocking": check.blocking, "figures": check.summary}
            for check in live.checks
        ]
        metadata |= {
            "encoder": live.encoder,
            "encoder version": live.encoder_version,
            "dagster/row_count": live.rows,
            "checks": preview(rows, ("check", "passed", "blocking", "figures")),
        }
        for check in live.checks:
            metadata |= {f"{check.name} {name}": check.figures[name] for name in _PLOTTED if name in check.figures}
    return metadata
