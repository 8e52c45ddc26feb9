"""Asset checks on an index: the library's verdicts on its candidate, blocking where they are meant to be."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps
from embed_assets.pipeline.steps import Steps
from embed_assets.quality import checks
from embed_assets.store.serving.releases import CheckVerdict, Release
from embed_assets.store.versions import VersionId, VersionRecord


def build_checks(names: Names, encoder: str) -> dg.AssetChecksDefinition:
    """Build all checks of an encoder's index. They read one table version; promotion reads their verdicts again."""
    key = names.asset_key(encoder, "index")

    @dg.multi_asset_check(
        name=names.prefixed(f"{encoder}_index_checks"),
        specs=_specs(names, encoder),
        can_subset=True,
        required_resource_keys=names.resource_keys,
        op_tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
    )
    def index_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        steps = make_steps(names, context.resources, loads_model=True)
        record = chosen_version(steps, encoder, context.run.tags)
        chosen = {check.name for check in context.selected_asset_check_keys}
        release, verdicts = steps.check(record, only=chosen)
        live = is_live(steps, release)
        for verdict in verdicts:
            yield check_result(key, verdict, release, is_live=live)

    return index_checks


def chosen_version(steps: Steps, encoder: str, tags: Mapping[str, str]) -> VersionRecord:
    """Return the version of a run: its partition, or the current one. Raises StoreError where there is none."""
    current = steps.current_version(encoder)
    version = tags.get("dagster/partition") or (current.version if current else "any")
    return steps.version(VersionId(encoder, version))


def check_result(key: dg.AssetKey, verdict: CheckVerdict, release: Release, *, is_live: bool) -> dg.AssetCheckResult:
    """Build Dagster's result of a verdict: an error where what is live fails; a candidate that fails only waits."""
    fails_live = verdict.blocking and is_live
    metadata: dict[str, Any] = {
        "encoder version": release.encoder_version,
        "release": release.key,
        "blocks promotion": verdict.blocking,
        **verdict.figures,
    }
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=verdict.name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if fails_live else dg.AssetCheckSeverity.WARN,
        description=verdict.summary,
        metadata={name: value for name, value in metadata.items() if value is not None},
    )


def is_live(steps: Steps, release: Release) -> bool:
    """Return whether search reads this very release."""
    live = steps.store.serving.pointer(release.space).live
    return live is not None and live.key == release.key


def _specs(names: Names, encoder: str) -> list[dg.AssetCheckSpec]:
    """Build the specs of all checks, by encoder version: the verdicts of several versions stand beside each other."""
    key = names.asset_key(encoder, "index")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitions of checks are a preview in Dagster 1.13
        return [
            dg.AssetCheckSpec(
                name=spec.name,
                asset=key,
                blocking=spec.blocking,
                description=spec.description,
                partitions_def=names.versions(encoder),
            )
            for spec in checks.CHECKS
        ]
