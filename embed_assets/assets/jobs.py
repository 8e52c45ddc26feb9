"""Jobs of an encoder: `embed` over shards of one version, `promote` for one version; both in process."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from embed_assets.assets.names import Names

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


@dataclass(frozen=True, kw_only=True)
class EncoderJobs:
    """The two jobs of an encoder: one job can't mix two partitionings, and the pointer waits for all shards."""

    embed: "UnresolvedAssetJobDefinition"
    promote: "UnresolvedAssetJobDefinition"


def build_jobs(names: Names) -> dict[str, EncoderJobs]:
    """Encoder → its jobs."""
    return {
        encoder: EncoderJobs(embed=_embed(names, encoder), promote=_promote(names, encoder))
        for encoder in names.spaces_of
    }


def _embed(names: Names, encoder: str) -> "UnresolvedAssetJobDefinition":
    sources = [names.key(of=source, kind="manifest") for source in names.settings.sources_of(encoder)]
    keys = [*sources, names.key(of=encoder, kind="encoder"), names.key(of=encoder, kind="vectors")]
    return dg.define_asset_job(
        names.named(f"{encoder}_embed"),
        selection=_selection(keys),
        executor_def=dg.in_process_executor,
        description="List the sources, resolve the encoder, encode what is missing in the shards of one version.",
    )


def _promote(names: Names, encoder: str) -> "UnresolvedAssetJobDefinition":
    keys = [names.key(of=encoder, kind="index"), names.key(of=names.spaces_of[encoder], kind="serving")]
    return dg.define_asset_job(
        names.named(f"{encoder}_promote"),
        selection=_selection(keys),
        executor_def=dg.in_process_executor,
        description="Index one version, check it, and make it live if its blocking checks passed.",
    )


def _selection(keys: Iterable[dg.AssetKey]) -> dg.AssetSelection:
    """By key: a host may move assets to other groups, and a selection by group would then be empty."""
    return dg.AssetSelection.assets(*keys)
