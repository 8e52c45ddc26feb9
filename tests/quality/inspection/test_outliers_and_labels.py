"""Outliers and label disagreements: planted ones are found, and nothing else is."""

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.quality.inspection.label_disagreements import label_disagreements
from embed_assets.quality.inspection.outliers import outliers
from tests.quality.inspection.items import clusters, compared


def test_an_item_far_from_all_others_comes_first() -> None:
    vectors = clusters(topics=4, each=30)
    vectors[17] = -vectors.mean(axis=0) * 9
    found, usual = outliers(compared(vectors), shown=5)
    assert [each.item.media_id for each in found if each.far] == ["m017"]
    assert found[0].distance > usual
    assert len(found) == 5
    assert [each.distance for each in found] == sorted((each.distance for each in found), reverse=True)


def test_of_one_item_there_is_no_outlier() -> None:
    assert outliers(compared(np.ones((1, 4)))) == ([], 0.0)


def test_a_planted_label_is_found_with_the_share_of_the_vote() -> None:
    labels = [[f"topic{number // 20}"] for number in range(60)]
    labels[5], labels[6] = ["topic2"], []
    found, labelled = label_disagreements(compared(clusters(topics=3, each=20), labels=labels))
    assert labelled == 59
    (only,) = found
    assert (only.item.media_id, only.vote, only.own_share) == ("m005", "topic0", 0.0)
    assert only.share == pytest.approx(1.0)


def test_one_of_several_labels_that_the_neighbours_have_is_no_disagreement() -> None:
    labels = [["a", f"own{number}"] for number in range(12)]
    labels[3] = ["a"]
    assert label_disagreements(compared(clusters(topics=1, each=12), labels=labels)) == ([], 12)


def test_few_labelled_neighbours_decide_nothing_and_neither_do_none() -> None:
    vectors = clusters(topics=1, each=12)
    few = [["a"], ["b"], ["b"], ["b"], *[[]] * 8]
    assert label_disagreements(compared(vectors, labels=pa.array(few, pa.list_(pa.string())))) == ([], 4)
    assert label_disagreements(compared(vectors)) == ([], 0)
