"""The serving asset of a space: moves the pointer to a candidate whose blocking checks passed."""

from typing import Any

import dagster as dg

from embed_assets.assets.checks import chosen_version
from embed_assets.assets.names import Names
from embed_assets.assets.resources import EncoderResource, StoreResource, make_steps
from embed_assets.assets.tables import preview
from embed_assets.errors import PromotionError
from embed_assets.steps import Steps
from embed_assets.store.releases import Release
from embed_assets.store.serving import Pointer
from embed_assets.store.versions import EncoderVersions, VersionRecord


def build_serving_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_serving`: what search reads. It reads the verdicts itself, and refuses without them."""
    encoders_of = names.encoders_of(space)

    @dg.asset(
        key=names.key(of=space, kind="serving"),
        deps=[names.key(of=encoder, kind="index") for encoder in encoders_of],
        group_name=names.named(space),
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        description=(
            f"The pointer of space `{space}`: one atomic write moves it to the candidate, if every blocking check "
            "passed on that very table version. The release before stays, to go back to."
        ),
    )
    def serving(
        context: dg.AssetExecutionContext, encoders: EncoderResource, store: StoreResource
    ) -> dg.MaterializeResult:
        steps = make_steps(names.settings, encoders, store)
        record = _record(steps, encoders_of, context.run.tags)
        try:
            pointer = steps.promote(record, by=f"dagster run {context.run_id}")
        except PromotionError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        assert pointer.live is not None
        context.log.info(f"space {space} serves {pointer.live.key}")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(pointer.live.key), metadata=_metadata(pointer, pointer.live)
        )

    return serving


def _record(steps: Steps, encoders: list[str], tags: Any) -> VersionRecord:
    """The version to promote: the run's partition, else the newest of the space's first encoder."""
    wanted = tags.get("dagster/partition")
    for encoder in encoders:
        if any(record.version == wanted for record in EncoderVersions(steps.store).of(encoder)):
            return steps.version(encoder, wanted)
    return chosen_version(steps, encoders[0], tags)


def _metadata(pointer: Pointer, live: Release) -> dict[str, Any]:
    checks = [{"check": c.name, "passed": c.passed, "blocking": c.blocking, "figures": c.summary} for c in live.checks]
    return {
        "live": live.key,
        "previous": pointer.previous.key if pointer.previous else "none",
        "generation": pointer.generation,
        "encoder": live.encoder,
        "encoder version": live.encoder_version,
        "dagster/row_count": live.rows,
        "promoted by": pointer.by,
        "promoted at": pointer.at,
        "checks": preview(checks, ("check", "passed", "blocking", "figures")),
    }
