"""Names of a pipeline in Dagster: asset keys, partitions, groups, jobs and resource keys."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import (
    EmbeddingStep,
    Execute,
    StepContext,
    execute_step,
    retry_policy,
    run_step,
)
from embed_assets.assets.host.translator import AssetKind, EmbeddingAssetData, EmbeddingTranslator
from embed_assets.manifest.refresh import shard_names
from embed_assets.quality import checks
from embed_assets.settings import PipelineSettings
from embed_assets.store.versions import VersionId

VERSION, SHARD = "version", "shard"
DASHBOARD = "pipeline"  # what the dashboard is of

# On runs that a sensor, a schedule or a condition started: they renew and promote by the settings' rules only.
AUTOMATIC = {"embed_assets/automatic": "true"}
# On runs of the command `run`, which go by the same rules: Dagster's UI shows both tags.
BY_COMMAND = {"embed_assets/command": "run"}

_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class Names:
    """Names of one pipeline in Dagster; two pipelines with different key prefixes share none."""

    settings: PipelineSettings
    spaces_of: Mapping[str, str]  # encoder → space
    written: Mapping[str, str] = field(default_factory=dict)  # source → where its `asset` is written, for messages
    translator: EmbeddingTranslator = field(default_factory=EmbeddingTranslator)
    execute: Execute = execute_step

    def asset_key(self, owner: str, kind: AssetKind) -> dg.AssetKey:
        """Return `<prefix>/<owner>_<kind>`, or the translator's: the lineage graph shows the last part alone."""
        spec = dg.AssetSpec(dg.AssetKey([*self.settings.key_prefix, f"{owner}_{kind}"]))
        data = EmbeddingAssetData(kind=kind, name=owner, settings=self.settings, spec=spec)
        return self.translator.get_asset_spec(data).key

    @property
    def retry_policy(self) -> dg.RetryPolicy | None:
        """How often and when a step is tried again; None where it is not."""
        return retry_policy(self.settings.retry)

    def run(self, context: StepContext, kind: AssetKind, name: str, step: Callable[[], Any]) -> Any:
        """Run a step by the host's `execute`."""
        return run_step(self.execute, context, EmbeddingStep(kind=kind, name=name, run=step))

    @property
    def encoders_key(self) -> str:
        """Resource key of the pipeline's EncoderResource: `encoders`, after the key prefix."""
        return self.prefixed("encoders")

    @property
    def store_key(self) -> str:
        """Resource key of the pipeline's StoreResource: `store`, after the key prefix."""
        return self.prefixed("store")

    @property
    def resource_keys(self) -> set[str]:
        """Resource keys that every asset, check and job of the pipeline needs."""
        return {self.encoders_key, self.store_key}

    @property
    def keys(self) -> list[dg.AssetKey]:
        """Asset keys of the pipeline."""
        manifests = [self.asset_key(source, "manifest") for source in self.settings.sources]
        kinds: tuple[AssetKind, ...] = ("encoder", "vectors", "index")
        of_encoders = [self.asset_key(encoder, kind) for encoder in self.spaces_of for kind in kinds]
        of_spaces = [self.asset_key(space, "serving") for space in self.spaces]
        of_spaces += [self.asset_key(space, "leaderboard") for space in self.spaces_with_leaderboard]
        reports = [self.asset_key(owner, kind) for kind, owner in self.reports]
        reports += [self.asset_key(name, "matches") for name in self.settings.saved_queries]
        reports += [self.asset_key(name, "export") for name in self.settings.sinks]
        return [*manifests, *of_encoders, *of_spaces, *reports, self.asset_key(DASHBOARD, "dashboard")]

    @property
    def spaces_with_leaderboard(self) -> list[str]:
        """Spaces whose settings name encoders to compare with."""
        return [space for space in self.spaces if self.settings.space(space).leaderboard]

    @property
    def reports(self) -> list[tuple[AssetKind, str]]:
        """Reports that the settings of the spaces name, with what each is of: a space, or an encoder for noise."""
        found: list[tuple[AssetKind, str]] = []
        for space in self.spaces:
            for kind in dict.fromkeys(self.settings.space(space).reports):
                owners = self.encoders_of(space) if kind == "noise" else [space]
                found.extend((kind, owner) for owner in owners)
        return found

    def saved_queries_of(self, space: str) -> list[str]:
        """Return the saved queries of a space, in the settings' order."""
        return [name for name, query in self.settings.saved_queries.items() if query.space == space]

    def sinks_of(self, space: str) -> list[str]:
        """Return the sinks of a space, in the settings' order."""
        return [name for name, sink in self.settings.sinks.items() if sink.space == space]

    @property
    def check_keys(self) -> list[dg.AssetCheckKey]:
        """Keys of the pipeline's checks."""
        indices = [self.asset_key(encoder, "index") for encoder in self.spaces_of]
        return [dg.AssetCheckKey(index, spec.name) for index in indices for spec in checks.CHECKS]

    def prefixed(self, name: str) -> str:
        """Prefix the name of a job, sensor, resource or partitions definition: unique to the pipeline."""
        return "_".join([*self.settings.key_prefix, name])

    def group(self, encoder: str) -> str:
        """Return the group of an encoder's assets: its space."""
        return self.prefixed(self.spaces_of[encoder])

    @cached_property
    def source_group(self) -> str:
        """Group of the manifests."""
        return self.prefixed("sources")

    def encoders_of(self, space: str) -> list[str]:
        """Return the encoders of a space, in the settings' order."""
        return [encoder for encoder, found in self.spaces_of.items() if found == space]

    @property
    def spaces(self) -> list[str]:
        """Spaces of the pipeline."""
        return list(dict.fromkeys(self.spaces_of.values()))

    def versions(self, encoder: str) -> dg.DynamicPartitionsDefinition:
        """Return the partitions by encoder version; a new version is a new key."""
        return dg.DynamicPartitionsDefinition(name=self.prefixed(f"{encoder}_versions"))

    def version_shard_partitions(self, encoder: str) -> dg.MultiPartitionsDefinition:
        """Return the partitions by encoder version and shard."""
        shards = dg.StaticPartitionsDefinition(shard_names(self.settings.shards))
        return dg.MultiPartitionsDefinition({VERSION: self.versions(encoder), SHARD: shards})


def shards_by_version(keys: Iterable[str]) -> dict[str, set[str]]:
    """Group a run's multi-partition keys: version → shards."""
    found: dict[str, set[str]] = {}
    for key in keys:
        if not isinstance(key, dg.MultiPartitionKey):
            shard, _, version = key.partition("|")
            found.setdefault(version, set()).add(shard)
            continue
        found.setdefault(key.keys_by_dimension[VERSION], set()).add(key.keys_by_dimension[SHARD])
    return found


def grid_range(version: str, shards: int) -> dict[str, str]:
    """Build run tags that select all shards of one version."""
    names = shard_names(shards)
    return {_FIRST: f"{names[0]}|{version}", _LAST: f"{names[-1]}|{version}"}


def is_automatic(tags: Mapping[str, str]) -> bool:
    """Return whether a sensor, schedule, condition or command started a run, rather than a person in the UI."""
    return any(found.items() <= dict(tags).items() for found in (AUTOMATIC, BY_COMMAND))


def versions_of_run(tags: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """Return the encoder versions that a run's partition tags name, among those `known`, in their order."""
    first = tags.get(_PARTITION) or tags.get(_FIRST)
    if first is None:
        return []
    ends = [end.rpartition("|")[2] for end in (first, tags.get(_PARTITION) or tags.get(_LAST) or first)]
    if any(end not in known for end in ends):
        return [version for version in known if version in ends]
    low, high = sorted(known.index(end) for end in ends)
    return list(known[low : high + 1])


def all_shards_of_run(tags: Mapping[str, str], shards: int) -> bool:
    """Return whether a run's partition tags select every shard of their versions."""
    ends = [tags.get(name, "").rpartition("|")[0] for name in (_FIRST, _LAST)]
    names = shard_names(shards)
    return ends == [names[0], names[-1]] or (len(names) == 1 and tags.get(_PARTITION, "").startswith(f"{names[0]}|"))


def known_versions(names: Names, encoder: str, instance: dg.DagsterInstance) -> list[str]:
    """Return the versions that are partition keys, in the order of registration."""
    partitions = names.versions(encoder).name
    assert partitions is not None
    return list(instance.get_dynamic_partitions(partitions))


def forget_version(instance: dg.DagsterInstance, names: Names, version: VersionId) -> None:
    """Remove a retired version's partition key; its materializations stay in Dagster's history."""
    partitions = names.versions(version.encoder).name
    assert partitions is not None
    if instance.has_dynamic_partition(partitions, version.version):
        instance.delete_dynamic_partition(partitions, version.version)
