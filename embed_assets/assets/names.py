"""Names of a pipeline in Dagster: asset keys, partitions, groups, jobs and resource keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from embed_assets.embedding.refresh import shard_names
from embed_assets.settings import PipelineSettings

VERSION, SHARD = "version", "shard"


@dataclass(frozen=True)
class Names:
    """All names of one pipeline; two pipelines with different key prefixes share none."""

    settings: PipelineSettings
    spaces_of: Mapping[str, str]  # encoder → space

    def key(self, *, of: str, kind: str) -> dg.AssetKey:
        """`<prefix>/<of>_<kind>`: the lineage graph shows the last part alone."""
        return dg.AssetKey([*self.settings.key_prefix, f"{of}_{kind}"])

    def named(self, name: str) -> str:
        """A job's, sensor's, resource's or partition set's name, unique to the pipeline."""
        return "_".join([*self.settings.key_prefix, name])

    def group(self, encoder: str) -> str:
        """The group of an encoder's assets: its space."""
        return self.named(self.spaces_of[encoder])

    @cached_property
    def source_group(self) -> str:
        """The group of the manifests."""
        return self.named("sources")

    def encoders_of(self, space: str) -> list[str]:
        """Encoders that make vectors for a space, in the settings' order."""
        return [encoder for encoder, found in self.spaces_of.items() if found == space]

    @property
    def spaces(self) -> list[str]:
        """All spaces."""
        return list(dict.fromkeys(self.spaces_of.values()))

    def versions(self, encoder: str) -> dg.DynamicPartitionsDefinition:
        """Partitions by encoder version; a new version is a new key."""
        return dg.DynamicPartitionsDefinition(name=self.named(f"{encoder}_versions"))

    def grid(self, encoder: str) -> dg.MultiPartitionsDefinition:
        """Partitions by encoder version and shard."""
        shards = dg.StaticPartitionsDefinition(shard_names(self.settings.shards))
        return dg.MultiPartitionsDefinition({VERSION: self.versions(encoder), SHARD: shards})


def shards_by_version(keys: Iterable[str]) -> dict[str, set[str]]:
    """The partitions of a run on the grid, sorted out: version → shards."""
    found: dict[str, set[str]] = {}
    for key in keys:
        if not isinstance(key, dg.MultiPartitionKey):
            shard, _, version = key.partition("|")
            found.setdefault(version, set()).add(shard)
            continue
        found.setdefault(key.keys_by_dimension[VERSION], set()).add(key.keys_by_dimension[SHARD])
    return found


def grid_range(version: str, shards: int) -> dict[str, str]:
    """Run tags that select all shards of one version."""
    names = shard_names(shards)
    return {
        "dagster/asset_partition_range_start": f"{names[0]}|{version}",
        "dagster/asset_partition_range_end": f"{names[-1]}|{version}",
    }


def version_of_run(tags: Mapping[str, str]) -> str | None:
    """The encoder version that a run's partition tags name, or None."""
    if partition := tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start"):
        return partition.rpartition("|")[2]
    return None


def newest_version(names: Names, encoder: str, instance: dg.DagsterInstance) -> str | None:
    """The version that was registered last, or None where the encoder was never resolved."""
    partitions = names.versions(encoder).name
    assert partitions is not None
    known = instance.get_dynamic_partitions(partitions)
    return known[-1] if known else None
