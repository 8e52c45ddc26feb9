"""The build job: the whole graph in one run, of new media and new models too, without a choice of partitions.

An asset job can't do it: it takes one partitions definition, and keys that are there before it starts. So this is
a job of ops that do what the assets do and log what they would log.
"""

from collections.abc import Callable, Mapping
from functools import partial

import dagster as dg
from dagster._core.definitions.dependency import IDependencyDefinition

from embed_assets.assets.automation.asset_events import log_result
from embed_assets.assets.automation.encoder_ops import DONE, START, build_encoder_ops, model_op
from embed_assets.assets.dashboard import materialize_dashboard
from embed_assets.assets.export import materialize_export
from embed_assets.assets.host.translator import AssetKind
from embed_assets.assets.manifest import materialize_manifest
from embed_assets.assets.names import DASHBOARD, Names
from embed_assets.assets.reports.matches import MatchesStep
from embed_assets.assets.runs.executor import executor_of
from embed_assets.assets.serving import materialize_serving


def build_build_job(
    names: Names, assets: Mapping[dg.AssetKey, dg.AssetSpec], *, executor: dg.ExecutorDefinition | None = None
) -> dg.JobDefinition:
    """Build the job: an op per source, encoder, space, saved query and sink, in this order.

    What fails stops only its own. With `run_shards` an encoder has several, so that an executor with processes encodes
    its shards in several of them. `executor` replaces the one that the settings name.
    """
    sources = {
        name: _asset_op(names, "manifest", name, assets, partial(materialize_manifest, names, name), verb="list")
        for name in names.settings.sources
    }
    encoders = {name: build_encoder_ops(names, name, assets) for name in names.spaces_of}
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
    upstream = {
        **{ops.first: [sources[name] for name in names.settings.sources_of(own)] for own, ops in encoders.items()},
        **{op: before for ops in encoders.values() for op, before in ops.after_first.items()},
        **{op: [encoders[name].last for name in names.encoders_of(space)] for space, op in spaces.items()},
        **{op: [spaces[names.settings.saved_queries[query].space]] for query, op in queries.items()},
        **{op: [spaces[names.settings.sinks[sink].space]] for sink, op in sinks.items()},
        dashboard: list(spaces.values()),
    }
    dependencies: dict[str, dict[str, IDependencyDefinition]] = {
        op.name: {START: dg.MultiDependencyDefinition([dg.DependencyDefinition(each.name, DONE) for each in before])}
        for op, before in upstream.items()
    }
    graph = dg.GraphDefinition(
        name=names.prefixed("build"),
        node_defs=[*sources.values(), *upstream],
        dependencies=dependencies,
        description="Bring everything up to date in one run: list the sources, resolve the encoders, embed what is "
        "missing or edited in all kept versions, index, check, and serve what passed. It needs no daemon and no "
        "choice of partitions; what is up to date is left alone.",
    )
    return graph.to_job(executor_def=executor or executor_of(names.settings))


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
        ins={} if kind == "manifest" else {START: dg.In(dg.Nothing)},
        out={DONE: dg.Out(dg.Nothing)},
        required_resource_keys=names.resource_keys,
        retry_policy=names.retry_policy,
    )
    def make(context: dg.OpExecutionContext) -> None:
        log_result(context, asset, names.run(context, kind, name, lambda: materialize(context)))

    return make


def _matches_op(names: Names, query: str, assets: Mapping[dg.AssetKey, dg.AssetSpec]) -> dg.OpDefinition:
    """Build the op of a saved query: what is new is logged before it is kept as known."""
    asset = assets[names.asset_key(query, "matches")]

    def match(context: dg.OpExecutionContext) -> None:
        step = MatchesStep(names, query, context)
        log_result(context, asset, step.report())
        step.keep()

    return model_op(names, f"match_{query}", asset.description or "", match)
