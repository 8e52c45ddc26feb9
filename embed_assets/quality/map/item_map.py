"""Item map: the places of items on the plane of their encoder version, with the group that colours each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import TypedDict  # pydantic's demand below Python 3.12

from embed_assets.quality.inspection.inspection_report import Inspected, ItemName

_MOST_LABELS = 24  # that a map is coloured by; of more the sources are its colours


class GroupDocument(TypedDict):
    """A colour of a map."""

    name: str
    items: int


class MapDocument(TypedDict):
    """A map's figures, and the files that it was exported to."""

    space: str
    encoder: str
    version: str
    items: int
    compared: int
    seconds: float
    method: str
    fitted: int
    grouped_by: str
    groups: list[GroupDocument]
    exported: list[str]


@dataclass(frozen=True, kw_only=True)
class ItemMap(Inspected):
    """Items on a plane."""

    method: str  # of the projection: umap, pca
    fitted: int  # items that it was fitted on
    names: tuple[ItemName, ...]
    places: np.ndarray  # float32 (items, 2)
    grouped_by: str  # label, source
    groups: tuple[str, ...]  # of each item

    def in_words(self) -> str:
        """Say it in a sentence."""
        return f"Map by {self.method} fitted on {self.fitted:,} items, coloured by {self.grouped_by}; {self.of()}."

    def group_counts(self) -> list[GroupDocument]:
        """Return the groups, the largest first."""
        return [{"name": name, "items": count} for name, count in Counter(self.groups).most_common()]

    def document(self, exported: Sequence[str] = ()) -> MapDocument:
        """Return JSON-able values."""
        return {
            "space": self.space,
            "encoder": self.encoder,
            "version": self.version,
            "items": self.items,
            "compared": self.compared,
            "seconds": self.seconds,
            "method": self.method,
            "fitted": self.fitted,
            "grouped_by": self.grouped_by,
            "groups": self.group_counts(),
            "exported": list(exported),
        }


def colour_groups(labels: Sequence[Sequence[str] | None], sources: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return what to colour by, and the group of each item: its first label where there are few, else its source."""
    first = [(each or [""])[0] for each in labels]
    by_label = 0 < len({label for label in first if label}) <= _MOST_LABELS
    if not by_label:
        return "source", tuple(sources)
    return "label", tuple(label or source for label, source in zip(first, sources, strict=True))


def shortened(item_map: ItemMap, most: int) -> tuple[ItemMap, np.ndarray]:
    """Return the map of `most` of its items, evenly spread, and their places in the whole: int64."""
    count = len(item_map.names)
    kept = np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)) if count else np.zeros(0, int)
    values: dict[str, Any] = {
        **{name: getattr(item_map, name) for name in ItemMap.__dataclass_fields__},
        "names": tuple(item_map.names[place] for place in kept),
        "places": item_map.places[kept],
        "groups": tuple(item_map.groups[place] for place in kept),
    }
    return ItemMap(**values), kept
