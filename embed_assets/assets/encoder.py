"""The encoder asset: resolves a model to an encoder version, and registers the version as a partition."""

import re
from typing import Any

import dagster as dg

from embed_assets.assets import metadata_keys
from embed_assets.assets.automation.conditions import listing_condition
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps, refuse_other_dtype
from embed_assets.assets.ui.previews import in_markdown, preview
from embed_assets.encoders.catalog import builtin_families
from embed_assets.encoders.loading.find_weights import BUILTIN, TORCHVISION
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.pipeline.plan_report import plan_encoder, plan_tables
from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings, sources_stand
from embed_assets.versions.resolve_version import Resolved

_PLAN_ROWS = 64  # of a table of the plan
_HASH = re.compile(r"\b([0-9a-f]{16})[0-9a-f]{16,}\b")  # its start is enough, and fits the page


def build_encoder_asset(names: Names, encoder: str, spec: EncoderSpec) -> dg.AssetsDefinition:
    """`<encoder>_encoder`: the identity of everything that changes the vectors; its data version is that."""

    @dg.asset(
        key=names.asset_key(encoder, "encoder"),
        code_version=code_version(names.settings, "encoder", encoder, spec),
        group_name=names.group(encoder),
        kinds={library_of(spec)},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=listing_condition(names),
        description=(
            f"`{spec.model}`: {', '.join(spec.modalities)} into the space `{spec.space}`. Hashes what was loaded "
            "(weights, tokenizer, preprocessing, pooling); other bytes make a new version, another name does not. "
            + spec.source
        ),
        metadata={
            "model": spec.model,
            "family": spec.family.rpartition(":")[2],
            "license": spec.license or "unknown",
            **({"needs": f"pip install 'embed-assets[{spec.extra}]'"} if spec.extra else {}),
        },
        op_tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
    )
    def encoder_version(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "encoder", encoder, lambda: materialize_encoder(names, encoder, context))

    return encoder_version


def materialize_encoder(names: Names, encoder: str, context: StepContext) -> dg.MaterializeResult:
    """Resolve an encoder to its version, and make that a partition key."""
    steps = make_steps(names, context.resources, loads_model=True)
    refuse_other_dtype(context, names, names.settings.compute.dtype, of="compute.dtype of the settings")
    resolved = steps.resolve(encoder)
    if sources_stand(steps.store, names.settings):  # those of another address may be refused
        save_settings(steps.store, names.settings)  # commands need a store's address only
    register_version(context.instance, names, encoder, resolved.record.version)
    context.log.info(f"{resolved.record.spec.model} is version {resolved.record.version}")
    for change in resolved.changes:
        context.log.info(f"changed against the version before: {change}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(resolved.record.version), metadata=_metadata(steps, resolved)
    )


def library_of(spec: EncoderSpec) -> str:
    """Return the badge of Dagster's UI for the library that an encoder runs on; "python" for a plugin's."""
    if spec.family == "embeddings_api":
        return "openai"
    if spec.family not in builtin_families() or spec.model.startswith(BUILTIN):
        return "python"
    return "pytorch" if spec.model.startswith(TORCHVISION) else "huggingface"


def register_version(instance: dg.DagsterInstance, names: Names, encoder: str, version: str) -> None:
    """Make the version a partition key; a second call changes nothing."""
    partitions = names.versions(encoder).name
    assert partitions is not None
    if not instance.has_dynamic_partition(partitions, version):
        instance.add_dynamic_partitions(partitions, [version])


def _metadata(steps: Steps, resolved: Resolved) -> dict[str, Any]:
    record = resolved.record
    spec = record.spec
    facts = {
        "model": spec.model,
        "revision": record.revision or "local files",
        "tap": spec.tap or record.parts.get("tap", "the model's own"),
        "pooling": spec.pooling or record.parts.get("pooling", "the model's own"),
        "unit length": str(spec.unit_length),
        "distance": spec.distance,
        "license": spec.license or record.parts.get("license", "unknown"),
        "dtype": record.dtype,
    }
    parts = [{"part": name, "identity": _HASH.sub(r"\1…", value)} for name, value in sorted(record.parts.items())]
    libraries = [{"library": name, "version": found} for name, found in sorted(record.libraries.items())]
    metadata = {
        metadata_keys.ENCODER_VERSION: dg.MetadataValue.text(record.version),
        metadata_keys.DIM: dg.MetadataValue.int(record.dim),
        "new version": dg.MetadataValue.bool(resolved.is_new),
        "facts": preview([{"fact": key, "value": value} for key, value in facts.items()], ("fact", "value")),
        "identity": preview(parts, ("part", "identity")),
        "libraries": preview(libraries, ("library", "version")),
    }
    if resolved.changes:
        metadata["changed"] = dg.MetadataValue.md("\n".join(f"- {in_markdown(change)}" for change in resolved.changes))
    if not resolved.is_new:  # what there is to do for it is counted when it is done
        return metadata
    tables = plan_tables(plan_encoder(steps, record.encoder, resolved=resolved))
    shown = {f"plan: {name}": rows[:_PLAN_ROWS] for name, rows in tables.items() if rows}
    return metadata | {name: preview(rows, rows[0].keys()) for name, rows in shown.items()}
