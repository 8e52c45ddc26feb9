"""Near-duplicates: items whose vectors are nearly the same, joined into groups, each with a proposed keeper."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from embed_assets.quality.inspection.inspection_report import DuplicateGroup, ItemName, item_names
from embed_assets.quality.inspection.item_neighbours import ItemNeighbours
from embed_assets.quality.inspection.keeper import Merits, keeper_of

THRESHOLD = 0.97  # cosine

MeritsOf = Callable[[Sequence[ItemName]], Mapping[str, Merits]]  # by media id


def near_duplicates(
    found: ItemNeighbours, merits_of: MeritsOf, *, threshold: float = THRESHOLD
) -> list[DuplicateGroup]:
    """Return groups of two items and more, the largest first; every member is that near to another one of its group.

    Items of equal bytes or of equal vectors are joined however many they are, others to their nearest alone.
    """
    hashes = found.items["media_hash"].to_pylist()
    joined = _joined(len(hashes), _pairs(found, hashes, threshold))
    if not joined:
        return []
    names = item_names(found.items)
    merits = merits_of([names[place] for group in joined for place in group])
    groups = [_group(found, group, names, hashes, merits) for group in joined]
    return sorted(groups, key=lambda group: (-len(group.members), group.keeper.source, group.keeper.key))


def _pairs(found: ItemNeighbours, hashes: Sequence[str], threshold: float) -> Iterable[tuple[int, int]]:
    rows, ranks = np.nonzero(found.cosines >= threshold - 1e-6)  # of equal vectors it may be a little below 1
    yield from zip(rows.tolist(), found.places[rows, ranks].tolist(), strict=True)
    for equal in (hashes, [vector.tobytes() for vector in found.vectors]):
        first: dict[object, int] = {}
        yield from ((first.setdefault(each, place), place) for place, each in enumerate(equal))


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected groups of two places and more, by union-find."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for place in range(count):
        groups.setdefault(root(place), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _group(
    found: ItemNeighbours,
    group: Sequence[int],
    names: Sequence[ItemName],
    hashes: Sequence[str],
    merits: Mapping[str, Merits],
) -> DuplicateGroup:
    place_of = {names[place].media_id: place for place in group}
    by_name = sorted(group, key=lambda place: (names[place].source, names[place].key))
    ranked = {f"{rank:09}": names[place].media_id for rank, place in enumerate(by_name)}  # ties go by name
    kept, why = keeper_of(list(ranked), {rank: merits[media_id] for rank, media_id in ranked.items()})
    keeper = place_of[ranked[kept]]
    others = [place for place in by_name if place != keeper]
    cosines = found.vectors[others] @ found.vectors[keeper]
    return DuplicateGroup(
        members=tuple(names[place] for place in (keeper, *others)),
        cosines=(None, *(round(float(min(1.0, each)), 4) for each in cosines)),
        identical=len({hashes[place] for place in group}) == 1,
        why=why,
    )
