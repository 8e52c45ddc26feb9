"""Plan: items of an encoder version that are new, edited, stale, renamed, deleted or quarantined, by source and shard.

Columns are compared as Arrow: an unchanged item never becomes a Python object.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.manifest.pending_rows import PendingRows
from embed_assets.media.files.unreachable import KEPT
from embed_assets.store.manifest import Manifest
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.vectors import VectorTable

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

# Classes of items: never embedded, of other bytes, embedded by another version only, of another name or labels,
# deleted, quarantined, up to date.
CLASSES = ("new", "edited", "stale", "renamed", "deleted", "errored", "unchanged")

# Of the manifest, that are compared; of what is pending all are read as it is used.
_COMPARED = ("media_id", "source", "shard", "content_hash", "meta_hash", "modality", "status", "reason")


@dataclass(frozen=True, slots=True)
class ObsoleteItem:
    """An item that has rows and should have none. `deleted`: from its source, rather than quarantined."""

    source: str
    shard: str
    deleted: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The work of one encoder version. Rows are manifest rows."""

    encode: Sequence[ManifestRow]  # no vectors yet, or of other bytes
    rewrite: Sequence[ManifestRow]  # vectors are right; URI, caption or labels are not
    delete: Mapping[str, ObsoleteItem]  # by media id
    replaced: Collection[str]  # media ids of `encode` that have older rows
    unchanged: Mapping[str, int]  # by source; the rewritten ones are among them
    quarantined: Mapping[str, Mapping[str, int]]  # source → reason → items
    deleted: Mapping[str, int]  # by source: items marked deleted in the manifest
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # source → reason → items of unknown kind
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
        """Map each source to its number of items by class; each item is of one class."""
        by_source: dict[str, Counter[str]] = {}
        for (source, _), counts in self.classes.items():
            by_source.setdefault(source, Counter()).update(counts)
        return by_source


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

    `quarantined`: media id → (content hash that failed, reason). `others` are tables of other versions of the encoder:
    they are read only where an item has no vectors here, to separate new items from stale ones.
    """
    version = manifest.version
    rows = _of(manifest.table(sources, columns=_COMPARED, version=version), shards)
    unknown = _unknown(rows)
    chosen = pc.is_in(rows["modality"], value_set=pa.array(media, pa.string()))
    own = rows if pc.all(chosen).as_py() else rows.filter(chosen)
    del rows, chosen  # of a million items 150 MB, which `own` may have too
    existing = _existing(vectors, shards)
    masks = _ItemMasks(own, existing, quarantined)
    existing = existing.select(["media_id", "source", "shard"])  # without the hashes, which are compared
    with_rows = pc.and_(masks.encode, masks.has_rows)
    without_rows = pc.and_(masks.encode, pc.invert(masks.has_rows))
    missing_hashes = own["content_hash"].filter(without_rows)
    own = own.select(["media_id", "source", "shard"])  # without what was compared
    places = own.select(["source", "shard"])
    replaced, missing = places.filter(with_rows), places.filter(without_rows)
    missing_classes = _missing_classes(own["media_id"].filter(without_rows), missing_hashes, others, shards)
    unusable = pc.or_(masks.unreadable, masks.failed)
    keep = own["media_id"].filter(pc.or_(masks.usable, masks.unreachable))
    delete = _obsolete(existing, keep=keep, unusable=own["media_id"].filter(unusable))
    unchanged = places.filter(pc.and_(masks.usable, masks.same))

    def pending(mask: Any) -> Sequence[ManifestRow]:
        ids = own["media_id"].filter(mask).combine_chunks()
        return PendingRows(manifest, ids, sources=sources, version=version) if len(ids) else []

    return Plan(
        encode=pending(masks.encode),
        rewrite=pending(masks.rewrite),
        delete=delete,
        replaced=set(own["media_id"].filter(with_rows).to_pylist()),
        unchanged=Counter({source: count for (source,), count in _counts(unchanged, "source")}),
        quarantined=masks.quarantined(),
        deleted=Counter({source: count for (source,), count in _counts(places.filter(masks.deleted), "source")}),
        unknown=unknown,
        classes=_classes(
            {
                "new": missing.filter(pc.equal(missing_classes, "new")),
                "edited": pa.concat_tables([replaced, missing.filter(pc.equal(missing_classes, "edited"))]),
                "stale": missing.filter(pc.equal(missing_classes, "stale")),
                "renamed": places.filter(masks.rewrite),
                "errored": places.filter(unusable),
                "unchanged": places.filter(pc.and_(masks.usable, pc.and_(masks.same, pc.invert(masks.rewrite)))),
            },
            delete.values(),
        ),
    )


class _ItemMasks:
    """Masks over manifest rows, by the vector table and the quarantine."""

    def __init__(self, own: pa.Table, existing: pa.Table, quarantined: Mapping[str, tuple[str, str]]) -> None:
        self._own = own.select(["source", "reason"])
        place = pc.index_in(own["media_id"], value_set=existing["media_id"].combine_chunks())
        failed = pc.index_in(own["media_id"], value_set=pa.array(list(quarantined), pa.string()))
        hashes, reasons = (
            pa.array([failure[part] for failure in quarantined.values()], pa.string()) for part in (0, 1)
        )
        self._reasons = reasons.take(failed.combine_chunks())
        self.has_rows = pc.is_valid(place)
        incomplete = pc.is_in(own["media_id"], value_set=_incomplete_items(existing))
        self.same = pc.and_(_equal(own["content_hash"], existing["media_hash"], place), pc.invert(incomplete))
        self.deleted = pc.equal(own["status"], "deleted")
        self.unreadable = pc.equal(own["status"], "quarantined")
        in_use = pc.invert(pc.or_(self.deleted, self.unreadable))
        # An item with vectors of these bytes did not fail for good.
        self.failed = pc.and_(pc.and_(in_use, pc.invert(self.same)), _equal(own["content_hash"], hashes, failed))
        # An unreachable item may be unchanged: its older vectors stay.
        unreachable = pc.is_in(self._reasons, value_set=pa.array(sorted(KEPT), pa.string()))
        self.unreachable = pc.and_(self.failed, unreachable)
        self.usable = pc.and_(in_use, pc.invert(self.failed))
        self.encode = pc.and_(self.usable, pc.invert(self.same))
        relabelled = pc.invert(_equal(own["meta_hash"], existing["meta_hash"], place))
        self.rewrite = pc.and_(pc.and_(self.usable, self.same), relabelled)

    def quarantined(self) -> dict[str, Counter[str]]:
        """Count quarantined items by source and reason: those that could not be read, or not be encoded."""
        by_source: dict[str, Counter[str]] = {}
        encoded = self._own.set_column(self._own.schema.get_field_index("reason"), "reason", self._reasons)
        for table in (self._own.filter(self.unreadable), encoded.filter(self.failed)):
            for (source, reason), count in _counts(table, "source", "reason"):
                by_source.setdefault(source, Counter())[reason] += count
        return by_source


def _equal(left: Any, right: Any, place: Any) -> Any:
    """Return where `left` equals `right` at `place`; not where there is no place."""
    return pc.fill_null(pc.equal(left, right.take(place)), False)


def _of(table: pa.Table, shards: Collection[str] | None) -> pa.Table:
    if shards is None:
        return table
    return table.filter(pc.is_in(table["shard"], value_set=pa.array(sorted(shards), pa.string())))


def _existing(vectors: VectorTable, shards: Collection[str] | None) -> pa.Table:
    """Return the rows with vectors: one a segment, hence several of equal content for an item."""
    names = ("media_id", "media_hash", "meta_hash", "source", "shard", "segment_count")
    table = vectors.read(names)
    if table is None:
        kinds = {name: pa.int32() if name == "segment_count" else pa.string() for name in names}
        return pa.schema(kinds.items()).empty_table()
    return _of(table.select(names), shards)


def _incomplete_items(existing: pa.Table) -> Any:
    """Return media ids with missing segments, or segments of two contents: two runs wrote the item at once."""
    alone = pc.all(pc.equal(existing["segment_count"], 1)).as_py()
    if alone and pc.count_distinct(existing["media_id"]).as_py() == existing.num_rows:
        return pa.array([], pa.string())  # a tenth of the time of the groups
    items = existing.group_by("media_id").aggregate(
        [([], "count_all"), ("segment_count", "max"), ("media_hash", "count_distinct")]
    )
    whole = pc.and_(
        pc.equal(items["count_all"], items["segment_count_max"]), pc.equal(items["media_hash_count_distinct"], 1)
    )
    return items["media_id"].filter(pc.invert(whole)).combine_chunks()


def _missing_classes(
    media_ids: Any, hashes: Any, others: Iterable[VectorTable], shards: Collection[str] | None
) -> pa.Array:
    """Classify items without vectors: stale (equal bytes in another version), edited (other bytes there) or new."""
    classes = pa.array(["new"] * len(media_ids), pa.string())
    for other in others if len(media_ids) else ():
        existing = _existing(other, shards)
        place = pc.index_in(media_ids, value_set=existing["media_id"].combine_chunks()).combine_chunks()
        same = _equal(hashes, existing["media_hash"], place).combine_chunks()
        first_met = pc.and_(pc.is_valid(place), pc.equal(classes, "new"))
        classes = pc.if_else(same, "stale", pc.if_else(first_met, "edited", classes))
    return classes


def _obsolete(existing: pa.Table, *, keep: Any, unusable: Any) -> dict[str, ObsoleteItem]:
    """Return items that have rows and should have none."""
    obsolete = existing.filter(pc.invert(pc.is_in(existing["media_id"], value_set=keep.combine_chunks())))
    quarantined = set(unusable.to_pylist()) if obsolete.num_rows else set()
    columns = (obsolete[name].to_pylist() for name in ("media_id", "source", "shard"))
    return {
        media_id: ObsoleteItem(source, shard, deleted=media_id not in quarantined)
        for media_id, source, shard in zip(*columns, strict=True)
    }


def _unknown(rows: pa.Table) -> dict[str, Counter[str]]:
    """Count items of unknown kind by source and reason: they belong to no encoder."""
    by_source: dict[str, Counter[str]] = {}
    nameless = rows.filter(pc.and_(pc.is_null(rows["modality"]), pc.equal(rows["status"], "quarantined")))
    for (source, reason), count in _counts(nameless, "source", "reason"):
        by_source.setdefault(source, Counter())[reason] += count
    return by_source


def _classes(tables: Mapping[str, pa.Table], obsolete: Iterable[ObsoleteItem]) -> dict[tuple[str, str], Counter[str]]:
    """Count items by source, shard and class."""
    by_shard: dict[tuple[str, str], Counter[str]] = {}
    for name, table in tables.items():
        for (source, shard), count in _counts(table, "source", "shard"):
            by_shard.setdefault((source, shard), Counter())[name] += count
    for each in obsolete:
        if each.deleted:
            by_shard.setdefault((each.source, each.shard), Counter())["deleted"] += 1
    return dict(sorted(by_shard.items()))


def _counts(table: pa.Table, *names: str) -> list[tuple[tuple[str, ...], int]]:
    """Count rows of each combination of values."""
    if not table.num_rows:
        return []
    counted = table.select(names).group_by(names).aggregate([([], "count_all")]).to_pylist()
    return [(tuple(row[name] for name in names), row["count_all"]) for row in counted]
