"""The build job: the whole graph in one run, of new media and new models too, without a choice of partitions.

An asset job can't do it: it takes one partitions definition, and keys that are there before it starts. So this is
a job of ops that do what the assets do and log what they would log.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import dagster as dg
from dagster._core.definitions.dependency import IDependencyDefinition

from embed_assets.assets.automation.asset_events import log_check, log_partitions, log_result
from embed_assets.assets.checks import check_result, is_live
from embed_assets.assets.dashboard import materialize_dashboard
from embed_assets.assets.encoder import materialize_encoder
from embed_assets.assets.export import materialize_export
from embed_assets.assets.host.translator import AssetKind
from embed_assets.assets.index import materialize_index
from embed_assets.assets.manifest import materialize_manifest
from embed_assets.assets.names import DASHBOARD, Names
from embed_assets.assets.reports.matches import MatchesStep
from embed_assets.assets.resources import make_steps
from embed_assets.assets.serving import materialize_serving
from embed_assets.assets.vectors import embed_shards, run_budget
from embed_assets.embedding.run_budget import RunBudget
from embed_assets.errors import EncoderVersionError
from embed_assets.manifest.refresh import shard_names
from embed_assets.store.versions import VersionRecord

_START, _DONE = "start", "done"


def build_build_job(names: Names, assets: Mapping[dg.AssetKey, dg.AssetSpec]) -> dg.JobDefinition:
    """Build the job: an op per source, encoder, space, saved query and sink, in this order.

    What fails stops only its own.
    """
    sources = {
        name: _asset_op(names, "manifest", name, assets, partial(materialize_manifest, names, name), verb="list")
        for name in names.settings.sources
    }
    encoders = {name: _encode_op(names, name, assets) for name in names.spaces_of}
    spaces = {
        name: _asset_op(names, "serving", name, assets, partial(materialize_serving, names, name), verb="serve")
        for name in names.spaces
    }
    queries = {query: _matches_op(names, query, assets) for space in spaces for query in names.saved_queries_of(space)}
    sinks = {
        sink: _asset_op(names, "export", sink, assets, partial(materialize_export, names, sink), verb="export")
        for space in spaces
        for sink in names.sinks_of(space)
    }
    dashboard = _asset_op(names, "dashboard", DASHBOARD, assets, partial(materialize_dashboard, names), verb="show")
    after_spaces = [*queries.values(), *sinks.values()]
    upstream = {
        **{op: [sources[name] for name in names.settings.sources_of(encoder)] for encoder, op in encoders.items()},
        **{op: [encoders[name] for name in names.encoders_of(space)] for space, op in spaces.items()},
        **{op: [spaces[names.settings.saved_queries[query].space]] for query, op in queries.items()},
        **{op: [spaces[names.settings.sinks[sink].space]] for sink, op in sinks.items()},
        dashboard: list(spaces.values()),
    }
    dependencies: dict[str, dict[str, IDependencyDefinition]] = {
        op.name: {_START: dg.MultiDependencyDefinition([dg.DependencyDefinition(each.name, _DONE) for each in before])}
        for op, before in upstream.items()
    }
    graph = dg.GraphDefinition(
        name=names.prefixed("build"),
        node_defs=[*sources.values(), *encoders.values(), *spaces.values(), *after_spaces, dashboard],
        dependencies=dependencies,
        description="Bring everything up to date in one run: list the sources, resolve the encoders, embed what is "
        "missing or edited in all kept versions, index, check, and serve what passed. It needs no daemon and no "
        "choice of partitions; what is up to date is left alone.",
    )
    return graph.to_job(executor_def=dg.in_process_executor)


def _asset_op(
    names: Names,
    kind: AssetKind,
    name: str,
    assets: Mapping[dg.AssetKey, dg.AssetSpec],
    materialize: Callable[[dg.OpExecutionContext], dg.MaterializeResult],
    *,
    verb: str,
) -> dg.OpDefinition:
    """Build the op that makes one asset without partitions: what it depends on is over, and nothing is passed on."""
    asset = assets[names.asset_key(name, kind)]

    @dg.op(
        name=names.prefixed(f"{verb}_{name}"),
        description=asset.description,
        ins={} if kind == "manifest" else {_START: dg.In(dg.Nothing)},
        out={_DONE: dg.Out(dg.Nothing)},
        required_resource_keys=names.resource_keys,
        retry_policy=names.retry_policy,
    )
    def make(context: dg.OpExecutionContext) -> None:
        log_result(context, asset, names.run(context, kind, name, lambda: materialize(context)))

    return make


def _matches_op(names: Names, query: str, assets: Mapping[dg.AssetKey, dg.AssetSpec]) -> dg.OpDefinition:
    """Build the op of a saved query: what is new is logged before it is kept as known."""
    asset = assets[names.asset_key(query, "matches")]

    @dg.op(
        name=names.prefixed(f"match_{query}"),
        description=asset.description,
        ins={_START: dg.In(dg.Nothing)},
        out={_DONE: dg.Out(dg.Nothing)},
        required_resource_keys=names.resource_keys,
        tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
    )
    def match(context: dg.OpExecutionContext) -> None:
        step = MatchesStep(names, query, context)
        log_result(context, asset, step.report())
        step.keep()

    return match


def _encode_op(names: Names, encoder: str, assets: Mapping[dg.AssetKey, dg.AssetSpec]) -> dg.OpDefinition:
    asset = assets[names.asset_key(encoder, "encoder")]

    @dg.op(
        name=names.prefixed(f"encode_{encoder}"),
        description=f"Resolve {encoder}; embed, index and check its versions that are kept.",
        ins={_START: dg.In(dg.Nothing)},
        out={_DONE: dg.Out(dg.Nothing)},
        required_resource_keys=names.resource_keys,
        tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
    )
    def encode(context: dg.OpExecutionContext) -> None:
        result = names.run(context, "encoder", encoder, lambda: materialize_encoder(names, encoder, context))
        log_result(context, asset, result)
        budget = run_budget(names, context)
        current, *others = make_steps(names, context.resources).active_versions(encoder)
        for record in (*others, current):  # what serves is brought up to date before a candidate is built
            try:
                _build_version(names, record, context, assets, budget)
            except dg.Failure as failure:
                if record is current or not isinstance(failure.__cause__, EncoderVersionError):
                    raise
                context.log.warning(f"Version {record.version} is kept, but can't be brought up to date: {failure}")

    return encode


def _build_version(
    names: Names,
    record: VersionRecord,
    context: dg.OpExecutionContext,
    assets: Mapping[dg.AssetKey, dg.AssetSpec],
    budget: RunBudget | None,
) -> None:
    """Embed all shards of a version, then index and check it."""
    names.run(context, "vectors", record.encoder, lambda: _embed(names, record, context, assets, budget))
    index = assets[names.asset_key(record.encoder, "index")]
    result = names.run(context, "index", record.encoder, lambda: materialize_index(names, record.id, context))
    log_result(context, index, result, partition=record.version)
    for result in _checks(names, record, context, index.key):
        log_check(context, index.key, result, partition=record.version)


def _embed(
    names: Names,
    record: VersionRecord,
    context: dg.OpExecutionContext,
    assets: Mapping[dg.AssetKey, dg.AssetSpec],
    budget: RunBudget | None,
) -> None:
    shards = set(shard_names(names.settings.shards))
    embedded = embed_shards(names, record.id, context, shards=shards, budget=budget)
    log_partitions(context, assets[names.asset_key(record.encoder, "vectors")], embedded.metadata)
    if embedded.unfinished and budget is not None:
        raise budget.exhausted_error()


def _checks(
    names: Names, record: VersionRecord, context: dg.OpExecutionContext, key: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    steps = make_steps(names, context.resources)
    release, verdicts = steps.check(record)
    live = is_live(steps, release)
    for verdict in verdicts:
        yield check_result(key, verdict, release, is_live=live)
