"""A run budget: read from words, shared by a run, and never overdrawn; what is left waits for the next run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embed_assets.embedding.run_budget import RunBudget, affordable_prefix, current_budget, limited_to
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import PromotionError, SettingsError
from embed_assets.pipeline.steps import Steps
from tests.support import NOT_ENCODABLE, all_rows, note, picture, pipeline, refresh_and_embed, run_all, write_notes

TEXT = EncoderSpec(name="text", family="", model="", modalities=("text",), media=("text",), space="text")
PICTURES = replace(TEXT, name="pictures", modalities=("image",), media=("image",))
PRICED = replace(TEXT, name="priced", options={"price_per_million_tokens": 0.5})


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "limit", "unit"),
    [
        ("90s", 90, "seconds"),
        ("10m", 600, "seconds"),
        ("1.5h", 5400, "seconds"),
        ("1500000tokens", 1_500_000, "tokens"),
        ("1.5Mtokens", 1_500_000, "tokens"),
        ("20 ktokens", 20_000, "tokens"),
        ("2Gpixels", 2e9, "pixels"),
        ("2.50usd", 2.5, "usd"),
    ],
)
def test_a_budget_is_read_from_words(text, limit, unit):
    found = RunBudget.parse(text)
    assert found.limit == limit
    assert found.unit == unit


@pytest.mark.parametrize("text", ["", "10", "ten s", "10x", "-5s", "5eur", "1.5Ms", "tokens"])
def test_what_is_no_budget_says_how_to_write_one(text):
    with pytest.raises(SettingsError, match=r"Budget .* can't be read\. Write seconds.*1\.5Mtokens.*2\.50usd"):
        RunBudget.parse(text)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="more than nothing"):
        RunBudget.parse("0s")


def test_tokens_bound_texts_and_nothing_else():
    budget = RunBudget(100, "tokens")
    budget.spend(PICTURES, "image", 5000, billed=None, seconds=1)
    budget.spend(TEXT, "text", 30, billed=None, seconds=1)
    assert budget.remaining(TEXT, "text") == 70
    assert budget.remaining(PICTURES, "image") == float("inf")


def test_money_bounds_encoders_with_a_price_by_what_is_billed():
    budget = RunBudget.parse("0.01usd")
    assert budget.remaining(PRICED, "text") == pytest.approx(20_000)
    budget.spend(PRICED, "text", 12_000, billed=3000, seconds=1)
    assert budget.remaining(PRICED, "text") == pytest.approx(17_000)
    assert budget.remaining(TEXT, "text") == float("inf")


def test_seconds_are_turned_into_cost_by_what_was_measured():
    clock = Clock()
    budget = RunBudget.parse("10s", clock=clock)
    assert budget.remaining(TEXT, "text") == float("inf")  # the first window is a small one
    assert budget.max_step(TEXT, "text") == 0
    clock.now = 2.0
    budget.spend(TEXT, "text", 400, billed=None, seconds=2.0)
    assert budget.remaining(TEXT, "text") == pytest.approx((10 - 2 - 0.5) * 200)
    assert budget.max_step(TEXT, "text") == pytest.approx(400)
    clock.now = 9.6
    assert budget.remaining(TEXT, "text") < 0


def test_what_was_stopped_once_stays_stopped():
    budget = RunBudget(100, "tokens")
    assert not budget.blocks(TEXT)
    assert budget.stop(7) == "budget of 100 tokens reached"
    assert budget.blocks(TEXT) and not budget.blocks(PICTURES)
    assert budget.remaining(TEXT, "text") < 0
    assert "is less than the first of 7 items takes: nothing was encoded. Give more." in str(budget.exhausted_error())
    budget.spend(TEXT, "text", 90, billed=None, seconds=1)
    assert "7 of 7 items left; run again" in str(budget.exhausted_error())


@pytest.mark.parametrize(
    ("costs", "room", "fitting"),
    [([5, 5, 5], 15, 3), ([5, 5, 5], 14, 2), ([20, 1], 10, 0), ([0, 0, 1], 0, 2), ([0, 0], -1, 0), ([], 5, 0)],
)
def test_the_first_items_that_fit_are_taken(costs, room, fitting):
    assert affordable_prefix(costs, room) == fitting


def test_a_process_is_bounded_only_meanwhile():
    budget = RunBudget(1, "tokens")
    with limited_to(None):
        assert current_budget() is None
    with limited_to(budget):
        assert current_budget() is budget
    assert current_budget() is None


def tokens_of(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


@pytest.fixture
def steps(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 40)  # 10 or 11 tokens each
    return pipeline(tmp_path)


def test_a_run_stops_before_it_goes_over_and_keeps_what_is_whole(steps, words):
    report = refresh_and_embed(steps, budget=RunBudget(105, "tokens"))
    assert tokens_of(words) == report.cost <= 105
    assert report.total("embedded") == len(words) == len(all_rows(steps))
    left = steps.plan(steps.resolve("words").record).encode
    assert report.items_left == len(left)
    assert report.stopped == "budget of 105 tokens reached"
    assert report.cost + min(len(note(number).split()) for number in range(40)) > 105  # no item more fitted
    assert sum(report.left.values()) == 40 - len(words)
    event = steps.store.history.all("embed")[-1]
    assert event["stopped"] == report.stopped
    assert sum(event["left"].values()) == len(left)


def test_run_after_run_ends_as_one_that_was_never_stopped(steps, tmp_path, words):
    (tmp_path / "notes" / "long.txt").write_text("\n\n".join(note(number, length=25) for number in range(90, 96)))
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    runs = 0
    while not steps.plan(steps.resolve("words").record).fresh or not runs:
        report = refresh_and_embed(steps, budget=RunBudget(200, "tokens"))
        assert report.cost <= 200
        assert report.total("embedded") or report.total("quarantined")
        runs += 1
    assert runs > 2
    assert len(words) == len(set(words))  # nothing was encoded twice
    undisturbed = pipeline(tmp_path, store=str(tmp_path / "other"))
    refresh_and_embed(undisturbed)
    names = ("segment_id", "content_hash", "segment_count", "start", "end", "text", "vector")
    shown = [[{name: row[name] for name in names} for row in all_rows(each)] for each in (steps, undisturbed)]
    assert shown[0] == shown[1]


def test_an_item_that_does_not_fit_is_not_begun(tmp_path, words):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "long.txt").write_text("\n\n".join(note(number, length=25) for number in range(6)))
    steps = pipeline(tmp_path)
    report = refresh_and_embed(steps, budget=RunBudget(100, "tokens"))
    assert words == []
    assert report.items_left == 1
    assert all_rows(steps) == []


def test_equal_input_costs_nothing(steps, tmp_path, words):
    refresh_and_embed(steps)
    (tmp_path / "notes" / "copy.txt").write_text(note(3))
    report = refresh_and_embed(steps, budget=RunBudget(1, "tokens"))
    assert report.total("reused") == 1
    assert report.stopped == ""


def test_several_encoders_share_one_allowance(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words"}, "others": {"model": "words", "space": "others"}})
    budget = RunBudget(500, "tokens")
    first, second = (refresh_and_embed(steps, encoder, budget=budget) for encoder in ("words", "others"))
    assert first.stopped == ""
    assert first.cost + second.cost == tokens_of(words) <= 500
    assert second.items_left == 40 - second.total("embedded")
    assert budget.left == 40 - second.total("embedded")
    third = steps.embed(steps.resolve("others").record, budget=budget)
    assert third.total("embedded") == 0
    assert third.items_left == second.items_left


def test_pictures_go_on_where_tokens_are_spent(tmp_path, words):
    write_notes(tmp_path / "notes", 5)
    for seed in range(5):
        (tmp_path / "notes" / f"{seed}.png").write_bytes(picture(seed))
    encoders = {"words": {"model": "words"}, "pictures": {"model": "words", "media": ["image"], "space": "pictures"}}
    steps = pipeline(tmp_path, encoders=encoders)
    budget = RunBudget(1, "tokens")
    assert refresh_and_embed(steps, "words", budget=budget).items_left == 5
    assert refresh_and_embed(steps, "pictures", budget=budget).total("embedded") == 5


def test_a_clock_that_has_run_out_encodes_nothing_and_still_removes_what_is_gone(steps, tmp_path, words):
    refresh_and_embed(steps)
    words.clear()
    (tmp_path / "notes" / "added.txt").write_text("added")
    (tmp_path / "notes" / "note-000.txt").unlink()
    clock = Clock()
    budget = RunBudget.parse("10s", clock=clock)
    clock.now = 11.0
    report = refresh_and_embed(steps, budget=budget)
    assert words == []
    assert report.items_left == 1
    assert report.total("deleted") == 1
    assert len(all_rows(steps)) == 39


def test_a_bounded_process_needs_no_argument(steps, words):
    with limited_to(RunBudget(50, "tokens")):
        report = refresh_and_embed(steps)
    assert report.stopped and tokens_of(words) <= 50


def test_a_candidate_that_is_not_complete_is_not_promoted(steps):
    refused = pytest.raises(PromotionError, match=r"accounts: .* items without vectors")
    with limited_to(RunBudget(50, "tokens")), refused:
        run_all(steps)
    run_all(steps)
    assert len(all_rows(steps)) == 40
