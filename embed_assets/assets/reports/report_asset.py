"""What every report asset is declared with: key, group, resources, tags and retries of the pipeline."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.translator import AssetKind
from embed_assets.assets.names import Names


def report_asset(
    names: Names,
    kind: AssetKind,
    name: str,
    *,
    deps: Iterable[dg.AssetKey],
    group: str,
    description: str,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    condition: dg.AutomationCondition | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Return the decorator of the report `<name>_<kind>`. Without a condition a person or a schedule launches it."""
    return dg.asset(
        key=names.asset_key(name, kind),
        code_version=code_version(names.settings, kind, name),
        deps=list(deps),
        group_name=group,
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        op_tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
        check_specs=list(check_specs) or None,
        automation_condition=condition,
        description=description,
    )
