"""The asset of a sink: writes to it what changed in what its space serves."""

from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import pointer_condition
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.metadata_keys import (
    ENCODER_VERSION,
    RELEASE,
    ROWS_DELETED,
    ROWS_HELD,
    ROWS_WRITTEN,
    WRITE_SECONDS,
)
from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import counts, in_markdown
from embed_assets.errors import MissingExtraError, SettingsError, SinkError
from embed_assets.sinks.export_report import ExportReport
from embed_assets.sinks.sink import open_sink


def build_export_asset(names: Names, name: str) -> dg.AssetsDefinition:
    """`<sink>_export`, after the serving asset of its space. Raises SettingsError for a wrong one."""
    sink = names.settings.sinks[name]
    if sink.space not in names.spaces:
        raise SettingsError(
            f"sinks.{name}.space: no encoder of the settings has the space {sink.space!r}. Spaces: "
            f"{', '.join(names.spaces)}."
        )
    kind = open_sink(name, sink).KIND  # SettingsError

    @dg.asset(
        key=names.asset_key(name, "export"),
        code_version=code_version(names.settings, "export", name),
        deps=[names.asset_key(sink.space, "serving")],
        group_name=names.prefixed(sink.space),
        kinds={kind},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        retry_policy=names.retry_policy,
        automation_condition=pointer_condition(names, "export when its space has moved"),
        description=f"What space `{sink.space}` serves, as {kind}: rows that changed since the last export are "
        "written, those that are gone deleted. Written whole where the encoder version is another, or the sink is not "
        "as an export left it. The data version changes with the rows alone.",
    )
    def export(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "export", name, lambda: materialize_export(names, name, context))

    return export


def materialize_export(names: Names, name: str, context: StepContext) -> dg.MaterializeResult:
    """Bring the sink up to date."""
    try:
        found = make_steps(names, context.resources).export(name)
    except MissingExtraError as error:  # it stops no other asset
        raise SinkError(f"Sink {name!r}: {error}") from error
    log = context.log.info if found.waits_for is None else context.log.warning
    log(found.in_words())
    return dg.MaterializeResult(data_version=dg.DataVersion(found.content or "nothing"), metadata=_metadata(found))


def _metadata(found: ExportReport) -> dict[str, Any]:
    return {
        "in words": dg.MetadataValue.md(in_markdown(found.in_words())),
        **counts({ROWS_WRITTEN: found.written, ROWS_DELETED: found.deleted, ROWS_HELD: found.rows}),
        **({RELEASE: found.release, ENCODER_VERSION: found.version} if found.release else {}),
        **({"written whole": found.whole} if found.whole else {}),
        "written to": found.uri,
        WRITE_SECONDS: found.seconds,
    }
