"""Label disagreements: items whose labelled neighbours vote for a label that the item lacks."""

from collections import Counter
from collections.abc import Sequence

from embed_assets.quality.inspection.inspection_report import LabelDisagreement, item_names
from embed_assets.quality.inspection.item_neighbours import ItemNeighbours

MAJORITY = 0.5  # share of the vote, which has to be beyond it
_FEWEST = 5  # labelled neighbours: fewer decide nothing


def label_disagreements(found: ItemNeighbours, *, majority: float = MAJORITY) -> tuple[list[LabelDisagreement], int]:
    """Return the items that disagree, the clearest first, and how many items have labels.

    Every neighbour votes for each of its labels; of labels with equal votes the first by name wins.
    """
    labels = [frozenset(each or ()) for each in found.items["labels"].to_pylist()]
    votes = {
        place: vote
        for place, own in enumerate(labels)
        if own
        and (vote := _vote(own, [labels[near] for near in found.places[place].tolist() if near >= 0])) is not None
    }
    wrong = [place for place, (_, share, _) in votes.items() if share > majority]
    names = dict(zip(wrong, item_names(found.items.take(wrong)), strict=True)) if wrong else {}
    disagreements = [
        LabelDisagreement(
            item=name, vote=votes[place][0], share=round(votes[place][1], 3), own_share=round(votes[place][2], 3)
        )
        for place, name in names.items()
    ]
    disagreements.sort(key=lambda each: (-each.share, each.own_share, each.item.source, each.item.key))
    return disagreements, sum(map(bool, labels))


def _vote(own: frozenset[str], near: Sequence[frozenset[str]]) -> tuple[str, float, float] | None:
    """Return the neighbours' label, its share and that of the item's own labels; None where they agree or are few."""
    labelled = [each for each in near if each]
    if len(labelled) < _FEWEST:
        return None
    counts = Counter(label for each in labelled for label in each)
    label, count = min(counts.items(), key=lambda each: (-each[1], each[0]))
    if label in own:
        return None
    return label, count / len(labelled), sum(bool(each & own) for each in labelled) / len(labelled)
