"""Jobs of an encoder: embed and re-embed shards of a version, promote a version, measure the live one again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from embed_assets.assets.host.upstream_spelling import UpstreamChecked
from embed_assets.assets.names import DASHBOARD, Names
from embed_assets.assets.runs.executor import executor_of
from embed_assets.quality.checks import ann_recall, labelled_retrieval

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


@dataclass(frozen=True, kw_only=True)
class EncoderJobs:
    """The jobs of an encoder: one job can't mix two partitionings, and the pointer waits for all shards."""

    embed: "UnresolvedAssetJobDefinition"  # sources, encoder and vectors: version by shard
    reembed: "UnresolvedAssetJobDefinition"  # vectors alone: version by shard
    promote: "UnresolvedAssetJobDefinition"  # index, checks, pointer, the space's saved queries and sinks: version
    recall: "UnresolvedAssetJobDefinition"  # checks alone: version

    @property
    def all(self) -> list["UnresolvedAssetJobDefinition"]:
        """Every job."""
        return [self.embed, self.reembed, self.promote, self.recall]


def build_jobs(names: Names, *, executor: dg.ExecutorDefinition | None = None) -> dict[str, EncoderJobs]:
    """Build the jobs of every encoder, by its name; `executor` replaces the one that the settings name."""
    executor = executor or executor_of(names.settings)
    return {encoder: _jobs(names, encoder, executor) for encoder in names.spaces_of}


def _jobs(names: Names, encoder: str, executor: dg.ExecutorDefinition) -> EncoderJobs:
    sources = [names.asset_key(source, "manifest") for source in names.settings.sources_of(encoder)]
    vectors, index = (names.asset_key(encoder, kind) for kind in ("vectors", "index"))
    space = names.spaces_of[encoder]
    matches = [names.asset_key(query, "matches") for query in names.saved_queries_of(space)]
    exports = [names.asset_key(sink, "export") for sink in names.sinks_of(space)]
    measured = [dg.AssetCheckKey(index, spec.name) for spec in (ann_recall, labelled_retrieval)]
    return EncoderJobs(
        embed=_job(
            names.prefixed(f"{encoder}_embed"),
            UpstreamChecked(names, _selection([*sources, names.asset_key(encoder, "encoder"), vectors])),
            executor,
            "List the sources, resolve the encoder, encode what is missing in the shards of one version.",
        ),
        reembed=_job(
            names.prefixed(f"{encoder}_reembed"),
            _selection([vectors]),
            executor,
            "Fill shards of a version from the manifest as it is: launch a backfill of it over a new version's "
            "missing partitions. A stopped one continues where it was.",
        ),
        promote=_job(
            names.prefixed(f"{encoder}_promote"),
            _selection(
                [index, names.asset_key(space, "serving"), *matches, *exports, names.asset_key(DASHBOARD, "dashboard")]
            ),
            executor,
            "Index one version, check it, make it live if its blocking checks passed; search with the saved queries, "
            "export to the sinks.",
        ),
        recall=_job(
            names.prefixed(f"{encoder}_recall"),
            dg.AssetSelection.checks(*measured),
            executor,
            "Measure the recall of a version's index again; nothing is built or moved.",
        ),
    )


def _job(
    name: str, selection: dg.AssetSelection, executor: dg.ExecutorDefinition, description: str
) -> "UnresolvedAssetJobDefinition":
    return dg.define_asset_job(name, selection=selection, executor_def=executor, description=description)


def _selection(keys: Iterable[dg.AssetKey]) -> dg.AssetSelection:
    """Select by key: a host may move assets to other groups, and a selection by group would then be empty."""
    return dg.AssetSelection.assets(*keys)
