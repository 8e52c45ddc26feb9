"""Ops of an encoder in the build job: resolve it, embed, index and check its versions; one op, or shards in several."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import dagster as dg

from embed_assets.assets.automation.asset_events import log_check, log_partitions, log_result
from embed_assets.assets.checks import check_result, is_live
from embed_assets.assets.encoder import materialize_encoder
from embed_assets.assets.index import materialize_index
from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps
from embed_assets.assets.vectors import embed_shards, run_budget
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.errors import EncoderVersionError
from embed_assets.manifest.refresh import shard_names
from embed_assets.settings import PipelineSettings
from embed_assets.store.versions import VersionRecord

START, DONE = "start", "done"
Assets = Mapping[dg.AssetKey, dg.AssetSpec]


@dataclass(frozen=True, kw_only=True)
class EncoderOps:
    """One op for all, or with `run_shards` one that resolves, some that embed, and one that indexes and checks."""

    first: dg.OpDefinition
    embed: Sequence[dg.OpDefinition]
    last: dg.OpDefinition

    @property
    def after_first(self) -> dict[dg.OpDefinition, list[dg.OpDefinition]]:
        """Every op but the first, with those that it waits for."""
        if not self.embed:
            return {}
        return {**{op: [self.first] for op in self.embed}, self.last: list(self.embed)}


def build_encoder_ops(names: Names, encoder: str, assets: Assets) -> EncoderOps:
    """Build the ops of an encoder. Those that embed can run at once: Lance commits one after the other."""
    groups = _shard_groups(names.settings)
    if len(groups) == 1:
        text = f"Resolve {encoder}; embed, index and check its versions that are kept."
        whole = model_op(names, f"encode_{encoder}", text, partial(_encode, names, encoder, assets))
        return EncoderOps(first=whole, embed=[], last=whole)
    return EncoderOps(
        first=model_op(names, f"resolve_{encoder}", f"Resolve {encoder}.", partial(_resolve, names, encoder, assets)),
        embed=[_embed_op(names, encoder, assets, group) for group in groups],
        last=model_op(
            names,
            f"index_{encoder}",
            f"Index and check the versions of {encoder} that are kept.",
            lambda context: _each_version(names, encoder, context, partial(_index, names, assets)),
        ),
    )


def _shard_groups(settings: PipelineSettings) -> list[list[str]]:
    shards = shard_names(settings.shards)
    size = settings.run_shards or len(shards)
    return [shards[start : start + size] for start in range(0, len(shards), size)]


def model_op(names: Names, name: str, description: str, do: Callable[[dg.OpExecutionContext], None]) -> dg.OpDefinition:
    """Build an op that loads a model, or may."""

    @dg.op(
        name=names.prefixed(name),
        description=description,
        ins={START: dg.In(dg.Nothing)},
        out={DONE: dg.Out(dg.Nothing)},
        required_resource_keys=names.resource_keys,
        tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
    )
    def run(context: dg.OpExecutionContext) -> None:
        do(context)

    return run


def _embed_op(names: Names, encoder: str, assets: Assets, group: Sequence[str]) -> dg.OpDefinition:
    """Build the op that embeds some shards of each version."""
    ends = "_".join(dict.fromkeys((group[0], group[-1])))

    def embed(context: dg.OpExecutionContext) -> None:
        budget = run_budget(names, context)
        _each_version(names, encoder, context, partial(_embed, names, assets, group, budget))

    return model_op(names, f"embed_{encoder}_{ends}", f"Embed shards {ends.replace('_', ' to ')} of {encoder}.", embed)


def _encode(names: Names, encoder: str, assets: Assets, context: dg.OpExecutionContext) -> None:
    """Do all that there is to an encoder, version by version."""
    _resolve(names, encoder, assets, context)
    budget = run_budget(names, context)
    shards = shard_names(names.settings.shards)

    def build(record: VersionRecord, context: dg.OpExecutionContext) -> None:
        _embed(names, assets, shards, budget, record, context)
        _index(names, assets, record, context)

    _each_version(names, encoder, context, build)


def _resolve(names: Names, encoder: str, assets: Assets, context: dg.OpExecutionContext) -> None:
    result = names.run(context, "encoder", encoder, lambda: materialize_encoder(names, encoder, context))
    log_result(context, assets[names.asset_key(encoder, "encoder")], result)


def _each_version(
    names: Names,
    encoder: str,
    context: dg.OpExecutionContext,
    do: Callable[[VersionRecord, dg.OpExecutionContext], None],
) -> None:
    """Do something for each active version; an older one that can't be loaded holds the current one up in nothing."""
    current, *others = make_steps(names, context.resources).active_versions(encoder)
    for record in (*others, current):  # what serves is brought up to date before a candidate is built
        try:
            do(record, context)
        except dg.Failure as failure:
            if record is current or not isinstance(failure.__cause__, EncoderVersionError):
                raise
            context.log.warning(f"Version {record.version} is kept, but can't be brought up to date: {failure}")


def _embed(
    names: Names,
    assets: Assets,
    shards: Sequence[str],
    budget: RunBudget | None,
    record: VersionRecord,
    context: dg.OpExecutionContext,
) -> None:
    """Embed some shards of a version."""

    def embed() -> None:
        embedded = embed_shards(names, record.id, context, shards=set(shards), budget=budget)
        log_partitions(context, assets[names.asset_key(record.encoder, "vectors")], embedded.metadata)
        if embedded.unfinished and budget is not None:
            raise budget.exhausted_error()

    names.run(context, "vectors", record.encoder, embed)


def _index(names: Names, assets: Assets, record: VersionRecord, context: dg.OpExecutionContext) -> None:
    """Index a version, then check it."""
    index = assets[names.asset_key(record.encoder, "index")]
    result = names.run(context, "index", record.encoder, lambda: materialize_index(names, record.id, context))
    log_result(context, index, result, partition=record.version)
    for result in _checks(names, record, context, index.key):
        log_check(context, index.key, result, partition=record.version)


def _checks(
    names: Names, record: VersionRecord, context: dg.OpExecutionContext, key: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    steps = make_steps(names, context.resources)
    release, verdicts = steps.check(record)
    live = is_live(steps, release)
    for verdict in verdicts:
        yield check_result(key, verdict, release, is_live=live)
