"""Near-duplicates: groups by nearness, bytes or vector, and the one to keep, with the reason."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from embed_assets.quality.inspection.inspection_report import DuplicatesReport, ItemName, arrow_table
from embed_assets.quality.inspection.keeper import Merits, keeper_of
from embed_assets.quality.inspection.near_duplicates import near_duplicates
from tests.quality.inspection.items import compared, keys


def no_merits(names: Sequence[ItemName]) -> Mapping[str, Merits]:
    return {name.media_id: Merits() for name in names}


def test_near_items_are_one_group_across_a_chain_and_others_are_in_none() -> None:
    angles = np.radians([0, 10, 20, 90, 180, 182])  # 10 degrees are a cosine of 0.985
    found = compared(np.column_stack([np.cos(angles), np.sin(angles)]))
    groups = near_duplicates(found, no_merits)
    assert [keys(group.members) for group in groups] == [["m000", "m001", "m002"], ["m004", "m005"]]
    assert groups[0].cosines == (None, 0.9848, 0.9397)
    assert not groups[0].identical
    assert [keys(group.members) for group in near_duplicates(found, no_merits, threshold=0.99)] == [["m004", "m005"]]
    assert near_duplicates(found, no_merits, threshold=0.9999) == []


def test_more_copies_than_an_item_has_neighbours_are_one_group() -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 8))
    vectors[10:50] = vectors[10]
    hashes = [f"h{number}" for number in range(60)]
    hashes[50:] = ["equal"] * 10
    groups = near_duplicates(compared(vectors, media_hash=hashes), no_merits)
    assert [(len(group.members), group.identical) for group in groups] == [(40, False), (10, True)]


def test_the_keeper_is_decided_by_what_weighs_most_and_the_reasons_are_named() -> None:
    old, new = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    merits = {"a": Merits(pixels=10, labels=2), "b": Merits(pixels=20), "c": Merits(pixels=20, labels=1)}
    assert keeper_of(["a", "b", "c"], merits) == ("c", "most pixels, most labels")
    ages = {"a": Merits(modified=new), "b": Merits(modified=old), "c": Merits()}
    assert keeper_of(["a", "b", "c"], ages) == ("b", "oldest")
    assert keeper_of(["b", "a"], {"a": Merits(), "b": Merits()}) == ("a", "equal in all; first by name")
    assert keeper_of(["a", "b"], {"a": Merits(length=3), "b": Merits(length=9, size=1)}) == ("b", "longest")


def test_the_keeper_comes_first_in_the_export() -> None:
    found = compared(np.ones((3, 4)), labels=[["x"], ["x", "y"], []])

    def merits(names: Sequence[ItemName]) -> Mapping[str, Merits]:
        return {name.media_id: Merits(labels=len(name.labels)) for name in names}

    report = DuplicatesReport(
        space="words",
        encoder="words",
        version="v1",
        items=3,
        compared=3,
        seconds=0.1,
        threshold=0.97,
        groups=tuple(near_duplicates(found, merits)),
    )
    assert report.groups[0].keeper.media_id == "m001"
    table = arrow_table(report)
    columns = ["source", "key", "uri", "label", "group", "keeper", "why", "cosine", "identical"]
    assert table.column_names == columns
    assert table["keeper"].to_pylist() == [True, False, False]
    assert table["why"].to_pylist() == ["most labels", "", ""]
    assert "1 groups of near-duplicates (cosine from 0.97), 2 items beside the proposed keepers" in report.in_words()
