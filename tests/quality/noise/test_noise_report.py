"""Noise rows: losses against undisturbed copies, by original and by label, and what they say in words."""

from dataclasses import replace

import numpy as np

from embed_assets.quality.noise.noise_report import Copies, NoiseReport, NoiseRow, noise_rows


def report(*rows: NoiseRow) -> NoiseReport:
    return NoiseReport(sampled=40, items=200, rows=rows)


def copies(count: int = 40) -> Copies:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, 16)).astype(np.float32)
    noise = random.standard_normal((count, 16)).astype(np.float32)
    disturbed = {"gentle": vectors + 0.05 * noise, "fatal": noise}
    return Copies(
        modality="image",
        media_ids=[f"m{number:02d}" for number in range(count)],
        originals=vectors,
        undisturbed=vectors,
        disturbed=disturbed,
    )


def test_what_hurts_is_beyond_noise_and_what_does_not_is_not():
    gentle, fatal = noise_rows("pixels", "v1", copies(), {}, distance="cosine")
    assert (gentle.recall_at_1.under.mean, gentle.recall_at_1.verdict) == (1.0, "not distinguishable")
    assert fatal.recall_at_1.under.mean < 0.2 and fatal.recall_at_1.verdict == "worse"
    assert fatal.recall_at_1.difference.high < -0.6
    assert fatal.ndcg_at_10 is None
    (line,) = report(gentle, fatal).in_words()
    assert line.startswith("pixels: recall@1 falls most under fatal, to 0.")
    assert line.endswith("). Nothing else costs more than chance explains.")
    others = [replace(fatal, disturbance=name) for name in ("shift", "crop")]
    (all_of_them,) = report(gentle, fatal, *others).in_words()
    assert all_of_them.endswith("). Also more than chance explains: shift, crop.")


def test_by_label_the_original_is_left_out():
    names = copies().media_ids
    grades = {name: {names[place ^ 1]: 1.0} for place, name in enumerate(names)}  # neighbours are one label
    rows = noise_rows("pixels", "v1", copies(), grades, distance="cosine")
    assert all(row.ndcg_at_10 is not None and row.ndcg_at_10.under.mean < 0.5 for row in rows)


def test_an_encoder_that_nothing_hurts_is_named():
    gentle = noise_rows("net", "v1", copies(), {}, distance="cosine")[:1]
    assert report(*gentle).in_words() == ["net: nothing costs it more originals than chance explains."]
    assert report(*gentle).sample() == "40 of 200 items"
