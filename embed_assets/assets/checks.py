"""Asset checks on an index: the library's verdicts on its candidate, blocking where they are meant to be."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps
from embed_assets.pipeline.steps import Steps
from embed_assets.quality import checks
from embed_assets.store.serving.releases import CheckVerdict
from embed_assets.store.versions import VersionId, VersionRecord


def build_checks(names: Names, encoder: str) -> dg.AssetChecksDefinition:
    """Build all checks of an encoder's index. They read one table version; promotion reads their verdicts again."""
    key = names.asset_key(encoder, "index")

    @dg.multi_asset_check(
        name=names.prefixed(f"{encoder}_index_checks"),
        specs=[
            dg.AssetCheckSpec(name=spec.name, asset=key, blocking=spec.blocking, description=spec.description)
            for spec in checks.CHECKS
        ],
        can_subset=True,
        required_resource_keys=names.resource_keys,
        pool=names.settings.pool,
    )
    def index_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        steps = make_steps(names, context.resources, loads_model=True)
        record = chosen_version(steps, encoder, context.run.tags)
        chosen = {check.name for check in context.selected_asset_check_keys}
        release, verdicts = steps.check(record, only=chosen)
        for verdict in verdicts:
            yield _result(key, verdict, release.key)

    return index_checks


def chosen_version(steps: Steps, encoder: str, tags: Mapping[str, str]) -> VersionRecord:
    """Return the version of a run: its partition, or the current one. Raises StoreError where there is none."""
    current = steps.current_version(encoder)
    version = tags.get("dagster/partition") or (current.version if current else "any")
    return steps.version(VersionId(encoder, version))


def _result(key: dg.AssetKey, verdict: CheckVerdict, release: str) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if verdict.blocking else dg.AssetCheckSeverity.WARN
    metadata: dict[str, Any] = {"release": release, **verdict.figures}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=verdict.name,
        passed=verdict.passed,
        severity=severity,
        description=verdict.summary,
        metadata={name: value for name, value in metadata.items() if value is not None},
    )
