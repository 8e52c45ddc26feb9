"""Inspection reports: groups of near-duplicates, outliers, labels that disagree; in words and as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ItemName:
    """An item, by the names that people know it by."""

    media_id: str
    source: str
    key: str
    uri: str
    modality: str
    labels: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """Return the columns that every export begins with."""
        return {"source": self.source, "key": self.key, "uri": self.uri, "label": ", ".join(self.labels)}


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """Items that are nearly the same; the proposed keeper is the first."""

    members: tuple[ItemName, ...]
    cosines: tuple[float | None, ...]  # of each member to the keeper; of the keeper None
    identical: bool  # whether all have the same bytes
    why: str  # why this one is kept

    @property
    def keeper(self) -> ItemName:
        """The item that is proposed to stay."""
        return self.members[0]


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """An item that is far from all others."""

    item: ItemName
    distance: float  # mean cosine distance to its nearest others
    far: bool  # whether it is beyond what is usual in this index


@dataclass(frozen=True, kw_only=True)
class LabelDisagreement:
    """An item whose neighbours vote for a label that it lacks."""

    item: ItemName
    vote: str
    share: float  # of its labelled neighbours that have that label
    own_share: float  # of them that share a label with the item


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """What was inspected."""

    space: str
    encoder: str
    version: str
    items: int  # of the index
    compared: int  # of them, with each other
    seconds: float

    def sample(self) -> str:
        """Say what was measured on."""
        return f"{self.compared:,} of {self.items:,} items"

    def of(self) -> str:
        """Say what was compared, at the end of a sentence."""
        part = "" if self.compared == self.items else f", a sample of {self.items:,}"
        return f"{self.compared:,} items compared by {self.encoder}/{self.version}{part}"


@dataclass(frozen=True, kw_only=True)
class DuplicatesReport(Inspected):
    """Groups of near-duplicates, the largest first."""

    threshold: float
    groups: tuple[DuplicateGroup, ...]

    def in_words(self) -> str:
        """Say it in a sentence."""
        spare = sum(len(group.members) - 1 for group in self.groups)
        found = f"{len(self.groups):,} groups of near-duplicates (cosine from {self.threshold:g})"
        return f"{found}, {spare:,} items beside the proposed keepers; {self.of()}."

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a member, group by group, keepers first."""
        return [
            {
                **member.row(),
                "group": number,
                "keeper": member == group.keeper,
                "why": group.why if member == group.keeper else "",
                "cosine": cosine,
                "identical": group.identical,
            }
            for number, group in enumerate(self.groups, 1)
            for member, cosine in zip(group.members, group.cosines, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class OutliersReport(Inspected):
    """The items with the largest mean distance to their nearest others, the farthest first."""

    usual: float  # distance up to which an item is no outlier
    outliers: tuple[Outlier, ...]

    @property
    def far(self) -> int:
        """How many of them are beyond what is usual."""
        return sum(each.far for each in self.outliers)

    def in_words(self) -> str:
        """Say it in a sentence."""
        usual = f"a mean distance of {self.usual:.3f} to its nearest others"
        return f"{self.far:,} outliers, beyond {usual}; {self.of()}."

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an item."""
        return [{**each.item.row(), "distance": each.distance, "far": each.far} for each in self.outliers]


@dataclass(frozen=True, kw_only=True)
class LabelsReport(Inspected):
    """Items whose label disagrees with their neighbours, the clearest first."""

    labelled: int  # of the compared items
    disagreements: tuple[LabelDisagreement, ...]

    def in_words(self) -> str:
        """Say it in a sentence."""
        if not self.labelled:
            return f"no item has a label; {self.of()}."
        found = f"{len(self.disagreements):,} of {self.labelled:,} labelled items disagree with most of their nearest"
        return f"{found}; {self.of()}."

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an item."""
        return [
            {**each.item.row(), "vote": each.vote, "share": each.share, "own_share": each.own_share}
            for each in self.disagreements
        ]


InspectionReport = DuplicatesReport | OutliersReport | LabelsReport

_TEXT = [pa.field(name, pa.string()) for name in ("source", "key", "uri", "label")]
_SCHEMAS: Mapping[type, pa.Schema] = {
    DuplicatesReport: pa.schema(
        [
            *_TEXT,
            ("group", pa.int64()),
            ("keeper", pa.bool_()),
            ("why", pa.string()),
            ("cosine", pa.float64()),
            ("identical", pa.bool_()),
        ]
    ),
    OutliersReport: pa.schema([*_TEXT, ("distance", pa.float64()), ("far", pa.bool_())]),
    LabelsReport: pa.schema([*_TEXT, ("vote", pa.string()), ("share", pa.float64()), ("own_share", pa.float64())]),
}


def arrow_table(report: InspectionReport) -> pa.Table:
    """Return a report's rows, with its columns where there are none, too."""
    return pa.Table.from_pylist(report.rows(), schema=_SCHEMAS[type(report)])


def item_names(items: pa.Table) -> Sequence[ItemName]:
    """Return the names of items that were read, in their order."""
    return [
        ItemName(
            media_id=row["media_id"],
            source=row["source"],
            key=row["key"],
            uri=row["uri"],
            modality=row["modality"],
            labels=tuple(row["labels"] or ()),
        )
        for row in items.select(["media_id", "source", "key", "uri", "modality", "labels"]).to_pylist()
    ]
