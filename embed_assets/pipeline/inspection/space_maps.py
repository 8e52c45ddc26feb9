"""SpaceMaps: the items of live releases on the plane of their encoder version, placed once and kept in the process."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from embed_assets.quality.inspection.inspection_report import ItemName, item_names
from embed_assets.quality.inspection.item_neighbours import COLUMNS
from embed_assets.quality.item_vectors import chosen, first_texts, items_of, mean_vectors
from embed_assets.quality.map.item_map import colour_groups
from embed_assets.quality.map.projection import FITTED, PCA, fit_projection, places_on
from embed_assets.search.compile_filter import UnknownColumnError, compile_filter
from embed_assets.search.filters import MOST_ITEMS, FilterTree
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.store.serving.kept_projection import Projection, read_projection
from embed_assets.store.store import Store

_KEPT = 8  # maps: a release and a filter each
_CHARACTERS = 80  # of an item's text


@dataclass(frozen=True, kw_only=True)
class SpaceMap:
    """Items of a release on a plane, a sample of many. Lists are by item, in one order."""

    method: str  # of the plane: umap, pca
    items: int  # that there are
    names: tuple[ItemName, ...]  # MOST_ITEMS at most: as many as a filter takes
    texts: tuple[str, ...]  # the beginning of each; "" where it has none
    places: np.ndarray  # float32 (names, 2)
    grouped_by: str  # label, source
    groups: tuple[str, ...]

    def short_names(self) -> list[str]:
        """Return the last part of each item's key: the name of a file, the id of a row."""
        return [PurePosixPath(name.key).name.rpartition("#")[2] or name.key for name in self.names]


class SpaceMaps:
    """Maps of what spaces serve. Nothing is written to the store; may be used from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._maps: OrderedDict[tuple[str, FilterTree | None], SpaceMap] = OrderedDict()
        self._planes: dict[str, Projection] = {}  # by table
        self._fitted: set[str] = set()  # tables whose plane is of this process alone
        self._lock = threading.Lock()  # one map is made at a time: another request for it waits

    def of(self, space: OpenSpace, must: FilterTree | None) -> SpaceMap:
        """Return the map of a release's items for which a filter holds.

        The vectors of no other items are read, but for those that the plane is fitted to where the store keeps none.
        """
        with self._lock:
            plane = self._plane(space)
            key = (space.release.key, must)
            if key not in self._maps:
                self._maps[key] = _placed(space, must, plane)
            self._maps.move_to_end(key)
            while len(self._maps) > _KEPT:
                self._maps.popitem(last=False)
            return self._maps[key]

    def _plane(self, space: OpenSpace) -> Projection:
        """Return the plane of the release's table: the kept one, else one of this process, until one is kept."""
        table = space.release.table
        if table in self._planes and table not in self._fitted:
            return self._planes[table]
        kept = read_projection(self._store, table)
        if kept is not None and len(kept.mean) == space.release.dim:
            self._planes[table] = kept
            self._fitted.discard(table)
            self._maps = OrderedDict((key, each) for key, each in self._maps.items() if key[0] != space.release.key)
        elif table not in self._planes:
            ids = items_of(space.table, [])["media_id"].to_pylist()
            vectors = mean_vectors(space.table, chosen(ids, FITTED), distance="cosine")[1]
            self._planes[table] = fit_projection(vectors, method=PCA)  # UMAP would keep others waiting for a minute
            self._fitted.add(table)
        return self._planes[table]


def _placed(space: OpenSpace, must: FilterTree | None, plane: Projection) -> SpaceMap:
    items = items_of(space.table, COLUMNS[1:], where=_where(space, must))
    ids = items["media_id"].to_pylist()
    shown = chosen(ids, MOST_ITEMS)
    if len(shown) < len(ids):
        places = {media_id: place for place, media_id in enumerate(ids)}
        items = items.take([places[media_id] for media_id in shown])
    names = tuple(item_names(items))
    vectors = mean_vectors(space.table, shown, distance="cosine")[1]
    grouped_by, groups = colour_groups([name.labels for name in names], [name.source for name in names])
    return SpaceMap(
        method=plane.method,
        items=len(ids),
        names=names,
        texts=tuple(first_texts(space.table, shown, characters=_CHARACTERS)),
        places=places_on(plane, vectors) if names else np.zeros((0, 2), np.float32),
        grouped_by=grouped_by,
        groups=groups,
    )


def _where(space: OpenSpace, must: FilterTree | None) -> str | None:
    if must is None:
        return None
    try:
        return compile_filter(must, space.schema)
    except UnknownColumnError:  # of another space's items alone
        return "false"
