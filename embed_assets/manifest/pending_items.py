"""Plan: what of an encoder version is new, edited, stale, renamed, gone or set aside, by source and shard.

Columns are compared as Arrow: an item that is as it should be never becomes a Python object.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.files.unreachable import KEPT
from embed_assets.store.manifest import Manifest
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.vectors import VectorTable

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

# What a plan finds an item to be: never embedded, other bytes, embedded by another version only, other
# name or labels, gone, set aside before, as it should be.
CLASSES = ("new", "edited", "stale", "renamed", "deleted", "errored", "unchanged")

_COLUMNS = (
    "media_id", "source", "key", "uri", "shard", "size", "content_hash", "meta_hash",
    "mime", "modality", "status", "reason", "caption", "labels", "table_key", "row_id", "decoder", "charset",
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

    encode: Sequence[ManifestRow]  # no vectors yet, or of other bytes
    rewrite: Sequence[ManifestRow]  # vectors are right; URI, caption or labels are not
    delete: Mapping[str, Gone]  # by media id
    replaced: Collection[str]  # media ids of `encode` that have older rows
    unchanged: Mapping[str, int]  # by source; the rewritten ones are among them
    quarantined: Mapping[str, Mapping[str, int]]  # source → reason → items
    deleted: Mapping[str, int]  # by source: items marked deleted in the manifest
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # source → reason: kind not known
    classes: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)  # (source, shard) → class

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to do."""
        return not self.items

    @property
    def items(self) -> int:
        """Items to encode, rewrite or remove."""
        return len(self.encode) + len(self.rewrite) + len(self.delete)

    def by_source(self) -> dict[str, Counter[str]]:
        """Source → class → items; each item is of one class."""
        found: dict[str, Counter[str]] = {}
        for (source, _), counts in self.classes.items():
            found.setdefault(source, Counter()).update(counts)
        return found


def make_plan(
    manifest: Manifest,
    vectors: VectorTable,
    *,
    sources: Sequence[str],
    media: Sequence[str],
    quarantined: Mapping[str, tuple[str, str]],
    shards: Collection[str] | None = None,
    others: Iterable[VectorTable] = (),
) -> Plan:
    """Compare manifest and vector table, for some shards or all. Reads columns, never vectors.

    `quarantined`: media id → (content hash that failed, reason). `others` are tables
    of other versions of the encoder: they are read only where something has no vectors here, to tell what
    is new from what is stale by its version.
    """
    rows = _of(manifest.table(sources, columns=_COLUMNS), shards)
    own = rows.filter(pc.is_in(rows["modality"], value_set=pa.array(media, pa.string())))
    have = _existing(vectors, shards)
    seen = _Seen(own, have, quarantined)
    replaced = own.filter(pc.and_(seen.encode, seen.known))
    missing = own.filter(pc.and_(seen.encode, pc.invert(seen.known)))
    elsewhere = _elsewhere(missing, others, shards)
    spoiled = pc.or_(seen.refused, seen.failed)
    keep = own["media_id"].filter(pc.or_(seen.usable, seen.unreached))
    delete = _gone(have, keep=keep, spoiled=own["media_id"].filter(spoiled))
    unchanged = own.filter(pc.and_(seen.usable, seen.same))
    return Plan(
        encode=cast("list[ManifestRow]", own.filter(seen.encode).to_pylist()),
        rewrite=cast("list[ManifestRow]", own.filter(seen.rewrite).to_pylist()),
        delete=delete,
        replaced=set(replaced["media_id"].to_pylist()),
        unchanged=Counter({source: count for (source,), count in _counts(unchanged, "source")}),
        quarantined=seen.quarantined(),
        deleted=Counter({source: count for (source,), count in _counts(own.filter(seen.gone), "source")}),
        unknown=_unknown(rows),
        classes=_classes(
            {
                "new": missing.filter(pc.equal(elsewhere, "new")),
                "edited": pa.concat_tables([replaced, missing.filter(pc.equal(elsewhere, "edited"))]),
                "stale": missing.filter(pc.equal(elsewhere, "stale")),
                "renamed": own.filter(seen.rewrite),
                "errored": own.filter(spoiled),
                "unchanged": own.filter(pc.and_(seen.usable, pc.and_(seen.same, pc.invert(seen.rewrite)))),
            },
            delete.values(),
        ),
    )


class _Seen:
    """Masks over manifest rows: what the vector table and the quarantine say of each."""

    def __init__(self, own: pa.Table, have: pa.Table, quarantined: Mapping[str, tuple[str, str]]) -> None:
        self._own = own
        place = pc.index_in(own["media_id"], value_set=have["media_id"].combine_chunks())
        failed = pc.index_in(own["media_id"], value_set=pa.array(list(quarantined), pa.string()))
        hashes, reasons = (pa.array([found[part] for found in quarantined.values()], pa.string()) for part in (0, 1))
        self._reasons = reasons.take(failed.combine_chunks())
        self.known = pc.is_valid(place)
        torn = pc.is_in(own["media_id"], value_set=_torn(have))
        self.same = pc.and_(_equal(own["content_hash"], have["media_hash"], place), pc.invert(torn))
        self.gone = pc.equal(own["status"], "deleted")
        self.refused = pc.equal(own["status"], "quarantined")
        in_use = pc.invert(pc.or_(self.gone, self.refused))
        # What has vectors of these bytes did not fail for good.
        self.failed = pc.and_(pc.and_(in_use, pc.invert(self.same)), _equal(own["content_hash"], hashes, failed))
        # What could not be reached may still be what it was: its older vectors stay.
        unreached = pc.is_in(self._reasons, value_set=pa.array(sorted(KEPT), pa.string()))
        self.unreached = pc.and_(self.failed, unreached)
        self.usable = pc.and_(in_use, pc.invert(self.failed))
        self.encode = pc.and_(self.usable, pc.invert(self.same))
        relabelled = pc.invert(_equal(own["meta_hash"], have["meta_hash"], place))
        self.rewrite = pc.and_(pc.and_(self.usable, self.same), relabelled)

    def quarantined(self) -> dict[str, Counter[str]]:
        """Source → reason → items that were set aside, by reading them or by encoding them."""
        found: dict[str, Counter[str]] = {}
        told = self._own.set_column(self._own.schema.get_field_index("reason"), "reason", self._reasons)
        for table in (self._own.filter(self.refused), told.filter(self.failed)):
            for (source, reason), count in _counts(table, "source", "reason"):
                found.setdefault(source, Counter())[reason] += count
        return found


def _equal(left: Any, right: Any, place: Any) -> Any:
    """Whether `left` equals `right` at `place`; not where there is no place."""
    return pc.fill_null(pc.equal(left, right.take(place)), False)


def _of(table: pa.Table, shards: Collection[str] | None) -> pa.Table:
    if shards is None:
        return table
    return table.filter(pc.is_in(table["shard"], value_set=pa.array(sorted(shards), pa.string())))


def _existing(vectors: VectorTable, shards: Collection[str] | None) -> pa.Table:
    """What has vectors: a row a segment, hence several of equal content for an item."""
    names = ("media_id", "media_hash", "meta_hash", "source", "shard", "segment_count")
    table = vectors.read(names)
    if table is None:
        kinds = {name: pa.int32() if name == "segment_count" else pa.string() for name in names}
        return pa.schema(kinds.items()).empty_table()
    return _of(table.select(names), shards)


def _torn(have: pa.Table) -> Any:
    """Media ids whose segments are not whole, or of two contents: two runs wrote the item at once."""
    items = have.group_by("media_id").aggregate(
        [([], "count_all"), ("segment_count", "max"), ("media_hash", "count_distinct")]
    )
    whole = pc.and_(
        pc.equal(items["count_all"], items["segment_count_max"]), pc.equal(items["media_hash_count_distinct"], 1)
    )
    return items["media_id"].filter(pc.invert(whole)).combine_chunks()


def _elsewhere(missing: pa.Table, others: Iterable[VectorTable], shards: Collection[str] | None) -> pa.Array:
    """For items without vectors here: stale (equal bytes in another version), edited (other bytes there) or new."""
    told = pa.array(["new"] * missing.num_rows, pa.string())
    for other in others if missing.num_rows else ():
        have = _existing(other, shards)
        place = pc.index_in(missing["media_id"], value_set=have["media_id"].combine_chunks()).combine_chunks()
        same = _equal(missing["content_hash"], have["media_hash"], place).combine_chunks()
        first_met = pc.and_(pc.is_valid(place), pc.equal(told, "new"))
        told = pc.if_else(same, "stale", pc.if_else(first_met, "edited", told))
    return told


def _gone(have: pa.Table, *, keep: Any, spoiled: Any) -> dict[str, Gone]:
    """Items that have rows and should have none."""
    left = have.filter(pc.invert(pc.is_in(have["media_id"], value_set=keep.combine_chunks())))
    aside = set(spoiled.to_pylist()) if left.num_rows else set()
    columns = (left[name].to_pylist() for name in ("media_id", "source", "shard"))
    return {
        media_id: Gone(source, shard, deleted=media_id not in aside)
        for media_id, source, shard in zip(*columns, strict=True)
    }


def _unknown(rows: pa.Table) -> dict[str, Counter[str]]:
    """Items of no known kind: they belong to their source's account, not to an encoder's."""
    found: dict[str, Counter[str]] = {}
    nameless = rows.filter(pc.and_(pc.is_null(rows["modality"]), pc.equal(rows["status"], "quarantined")))
    for (source, reason), count in _counts(nameless, "source", "reason"):
        found.setdefault(source, Counter())[reason] += count
    return found


def _classes(tables: Mapping[str, pa.Table], gone: Iterable[Gone]) -> dict[tuple[str, str], Counter[str]]:
    """(Source, shard) → class → items."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for name, table in tables.items():
        for (source, shard), count in _counts(table, "source", "shard"):
            found.setdefault((source, shard), Counter())[name] += count
    for each in gone:
        if each.deleted:
            found.setdefault((each.source, each.shard), Counter())["deleted"] += 1
    return dict(sorted(found.items()))


def _counts(table: pa.Table, *names: str) -> list[tuple[tuple[str, ...], int]]:
    """How many rows there are of each combination of values."""
    if not table.num_rows:
        return []
    counted = table.select(names).group_by(names).aggregate([([], "count_all")]).to_pylist()
    return [(tuple(row[name] for name in names), row["count_all"]) for row in counted]
