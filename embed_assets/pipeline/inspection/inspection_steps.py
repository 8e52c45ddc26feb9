"""Steps of inspection: map, near-duplicates, outliers, doubtful labels of what a space serves; nothing is deleted."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embed_assets.media.pictures.decode_image import picture_size
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.inspection.item_pictures import decoded, manifest_rows
from embed_assets.quality.inspection.inspection_report import (
    DuplicatesReport,
    ItemName,
    LabelsReport,
    OutliersReport,
    item_names,
)
from embed_assets.quality.inspection.item_neighbours import MOST_ITEMS, ItemNeighbours, item_neighbours
from embed_assets.quality.inspection.keeper import Merits
from embed_assets.quality.inspection.label_disagreements import label_disagreements
from embed_assets.quality.inspection.near_duplicates import THRESHOLD, near_duplicates
from embed_assets.quality.inspection.outliers import outliers
from embed_assets.quality.item_vectors import first_texts, item_lengths
from embed_assets.quality.map.item_map import ItemMap, colour_groups
from embed_assets.quality.map.projection import fit_projection, places_on
from embed_assets.store.serving.kept_projection import keep_projection, read_projection
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.releases import Release

if TYPE_CHECKING:
    from lancedb.table import Table

_CHARACTERS = 80  # of a text that are shown
_MEASURED = 2000  # pictures of duplicates whose size is read; of more the files' bytes decide


class InspectionSteps:
    """Inspections of the spaces that serve."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    def inspect(self, space: str, *, most: int = MOST_ITEMS) -> "Inspection":
        """Find the nearest other items of each item of the live release, or of `most` of them.

        Raises StoreError where the space serves nothing.
        """
        started = time.monotonic()
        release = self._context.store.serving.live_release(space)
        table = open_release(self._context.store, release)
        found = item_neighbours(table, most=most)
        return Inspection(self._context, release, table, found, seconds=time.monotonic() - started)


class Inspection:
    """Items with their nearest others, found once and looked at in several ways."""

    def __init__(
        self, context: RunContext, release: Release, table: "Table", found: ItemNeighbours, *, seconds: float
    ) -> None:
        self.context, self.release, self.table, self.found = context, release, table, found
        self.seconds = round(seconds, 2)  # that the search for the nearest took

    def duplicates(self, *, threshold: float = THRESHOLD) -> DuplicatesReport:
        """Group the items whose cosine is `threshold` at least, with a proposed keeper each."""
        started = time.monotonic()
        groups = near_duplicates(self.found, self._merits, threshold=threshold)
        return DuplicatesReport(**self.of(started), threshold=threshold, groups=tuple(groups))

    def outliers(self) -> OutliersReport:
        """List the items that are far from all others."""
        started = time.monotonic()
        found, usual = outliers(self.found)
        return OutliersReport(**self.of(started), usual=usual, outliers=tuple(found))

    def labels(self) -> LabelsReport:
        """List the items whose label is not what most of their nearest others have."""
        started = time.monotonic()
        found, labelled = label_disagreements(self.found)
        return LabelsReport(**self.of(started), labelled=labelled, disagreements=tuple(found))

    def map(self, *, refit: bool = False) -> ItemMap:
        """Place the items on the plane of their encoder version: the kept one, else one that is fitted and kept.

        `refit` fits it again: all points move.
        """
        started, store, table = time.monotonic(), self.context.store, self.release.table
        plane = None if refit else read_projection(store, table)
        if plane is None or len(plane.mean) != self.found.vectors.shape[1]:
            plane = fit_projection(self.found.vectors)
            keep_projection(store, table, plane)
        places = places_on(plane, self.found.vectors)
        names = tuple(item_names(self.found.items))
        grouped_by, groups = colour_groups([name.labels for name in names], [name.source for name in names])
        return ItemMap(
            **self.of(started),
            method=plane.method,
            fitted=plane.fitted,
            names=names,
            places=places,
            grouped_by=grouped_by,
            groups=groups,
        )

    def texts(self, media_ids: Sequence[str]) -> list[str]:
        """Return the beginning of each item's text or caption; "" where it has none."""
        return first_texts(self.table, media_ids, characters=_CHARACTERS)

    def of(self, started: float) -> dict[str, Any]:
        """Return what every report begins with; seconds include the search for the nearest."""
        return {
            "space": self.release.space,
            "encoder": self.release.encoder,
            "version": self.release.encoder_version,
            "items": self.found.total,
            "compared": len(self.found.items),
            "seconds": round(self.seconds + time.monotonic() - started, 2),
        }

    def _merits(self, names: Sequence[ItemName]) -> Mapping[str, Merits]:
        context, ids = self.context, [name.media_id for name in names]
        lengths = item_lengths(self.table, ids)
        modified = dict(zip(*(self.found.items[name].to_pylist() for name in ("media_id", "modified")), strict=True))
        sizes = context.manifest.table(context.settings.sources, columns=["media_id", "size"])
        bytes_of = dict(zip(*(sizes[name].to_pylist() for name in ("media_id", "size")), strict=True))
        pixels = self._pixels([name.media_id for name in names if name.modality == "image"])
        return {
            name.media_id: Merits(
                pixels=pixels.get(name.media_id, 0),
                length=lengths.get(name.media_id, 0),
                labels=len(name.labels),
                size=bytes_of.get(name.media_id) or 0,
                modified=modified[name.media_id],
            )
            for name in names
        }

    def _pixels(self, media_ids: Sequence[str]) -> dict[str, int]:
        """Return width times height of pictures, by their headers; of none where there are many."""
        if not media_ids or len(media_ids) > _MEASURED:
            return {}
        with self.context.running_decoders():
            found = decoded(self.context, manifest_rows(self.context, media_ids), picture_size)
            return {media_id: width * height for media_id, (width, height) in found}
