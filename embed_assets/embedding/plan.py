"""Plan: what of an encoder version is missing, stale, moved or gone, item by item and shard by shard."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embed_assets.store.manifest import Manifest
from embed_assets.store.quarantine import Quarantine
from embed_assets.store.vectors import VectorTable

_COLUMNS = (
    "media_id", "source", "key", "uri", "shard", "size", "content_hash", "meta_hash",
    "mime", "modality", "status", "reason", "caption", "labels",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gone:
    """An item that has rows and should not. `deleted`: gone from its source, rather than quarantined."""

    source: str
    shard: str
    deleted: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The work of one encoder version. Rows are manifest rows."""

    encode: Sequence[Mapping[str, Any]]  # no vectors yet, or of other bytes
    rewrite: Sequence[Mapping[str, Any]]  # vectors are right; URI, caption or labels are not
    delete: Mapping[str, Gone]  # by media id
    replaced: Collection[str]  # media ids of `encode` that have older rows
    unchanged: Mapping[str, int]  # by source
    quarantined: Mapping[str, Mapping[str, int]]  # source → reason → items
    deleted: Mapping[str, int]  # by source: items marked deleted in the manifest
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # source → reason: kind not known

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.encode or self.rewrite or self.delete)


def make_plan(
    manifest: Manifest,
    vectors: VectorTable,
    *,
    sources: Sequence[str],
    media: Sequence[str],
    shards: Collection[str] | None = None,
) -> Plan:
    """Compare manifest and vector table, for some shards or all. Reads columns, never vectors."""
    rows = [r for r in manifest.table(sources, columns=_COLUMNS).to_pylist() if shards is None or r["shard"] in shards]
    own = [row for row in rows if row["modality"] in media]
    have = _existing(vectors, shards)
    aside = Quarantine(vectors.store, vectors.name).hashes() if rows else {}
    encode, rewrite = [], []
    unchanged, deleted = Counter[str](), Counter[str]()
    quarantined: dict[str, Counter[str]] = {}
    keep, spoiled = set[str](), set[str]()
    for row in own:
        media_id, source = row["media_id"], row["source"]
        failed = aside.get(media_id)
        if row["status"] == "deleted":
            deleted[source] += 1
        elif row["status"] == "quarantined":
            quarantined.setdefault(source, Counter())[row["reason"]] += 1
            spoiled.add(media_id)
        elif failed is not None and failed[0] == row["content_hash"]:
            quarantined.setdefault(source, Counter())[failed[1]] += 1
            spoiled.add(media_id)
        else:
            keep.add(media_id)
            found = have.get(media_id)
            if found is None or found[0] != row["content_hash"]:
                encode.append(row)
                continue
            unchanged[source] += 1
            if found[1] != row["meta_hash"]:
                rewrite.append(row)
    return Plan(
        encode=encode,
        rewrite=rewrite,
        delete={
            media_id: Gone(source, shard, deleted=media_id not in spoiled)
            for media_id, (_, _, source, shard) in have.items()
            if media_id not in keep
        },
        replaced={row["media_id"] for row in encode if row["media_id"] in have},
        unchanged=unchanged,
        quarantined=quarantined,
        deleted=deleted,
        unknown=_unknown(rows),
    )


def _existing(vectors: VectorTable, shards: Collection[str] | None) -> dict[str, tuple[str, str, str, str]]:
    """Media id → (content hash, metadata hash, source, shard) of what has vectors."""
    table = vectors.read(["media_id", "media_hash", "meta_hash", "source", "shard"])
    if table is None:
        return {}
    columns = [column.to_pylist() for column in table.columns[:5]]
    return {row[0]: row[1:] for row in zip(*columns, strict=True) if shards is None or row[4] in shards}


def _unknown(rows: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Items of no known kind: they belong to their source's account, not to an encoder's."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row["modality"] is None and row["status"] == "quarantined":
            found.setdefault(row["source"], Counter())[row["reason"]] += 1
    return found
