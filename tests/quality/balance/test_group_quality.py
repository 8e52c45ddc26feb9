"""Quality by group: who is served worse beyond noise, and that noise names nobody."""

import numpy as np

from embed_assets.quality.balance.group_quality import quality_by_group


def test_a_group_that_is_served_worse_is_first_and_named():
    random = np.random.default_rng(0)
    scores = np.clip(random.normal(0.7, 0.2, 200), 0, 1)
    scores[:40] -= 0.25
    labels = [["night"]] * 40 + [["day"]] * 160
    sources = [["cam1"], ["cam2"]] * 100
    found = quality_by_group(scores, {"label": labels, "source": sources})
    assert [(each.group, each.verdict) for each in found if each.by == "label"] == [
        ("night", "worse"),
        ("day", "better"),
    ]
    assert found[0].group == "night" and found[0].queries == 40
    assert found[0].difference.low < -0.25 + 0.1 < 0.0 and found[0].difference.high < 0
    assert {each.verdict for each in found if each.by == "source"} == {"not distinguishable"}
    assert found[0].in_words().startswith("label night is served worse than the others: nDCG@10 0.")


def test_noise_names_nobody_more_often_than_the_level():
    random, alarms = np.random.default_rng(0), 0
    for _ in range(60):
        groups = [[f"g{place}"] for place in random.integers(0, 8, 150)]
        found = quality_by_group(random.uniform(0, 1, 150), {"label": groups})
        alarms += any(each.verdict != "not distinguishable" for each in found)
    assert alarms / 60 <= 0.1


def test_groups_of_few_queries_are_left_out():
    scores = np.linspace(0, 1, 30)
    found = quality_by_group(scores, {"label": [["few"]] * 9 + [["many"]] * 12 + [["most", "many"]] * 9})
    assert [each.group for each in found] == []
    assert quality_by_group(np.zeros(0), {"label": []}) == []
