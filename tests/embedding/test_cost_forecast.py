"""Forecasts come from what was measured: of the version, of the encoder, of another one, or of a sample."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embed_assets.embedding.cost_forecast import (
    UNKNOWN,
    Rate,
    forecast,
    measured_rates,
    rates_of_sample,
    row_size,
    total,
)
from embed_assets.embedding.embed_report import EmbedReport, Work
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.store.versions import VersionRecord
from tests.support import all_rows, note, picture, pipeline, refresh_and_embed, table_versions, write_notes

SPEC = EncoderSpec(
    name="text", family="", model="", modalities=("text", "image"), media=("text", "image"), space="text"
)
RECORD = VersionRecord(
    encoder="text", version="v2", dim=100, parts={}, segmenting={}, spec=SPEC, dtype="float32",
    vector_dtype="float16", revision=None, libraries={},
)  # fmt: skip


def rows(count: int, *, size: int = 100, modality: str = "text", source: str = "notes") -> list[Any]:
    return [{"source": source, "modality": modality, "size": size}] * count


def event(encoder: str, version: str, *, modality: str = "text", device: str = "cpu", **work: Any) -> dict[str, Any]:
    figures = Work(**{"items": 10, "bytes": 1000, "segments": 20, "encoded": 20, "cost": 400, "seconds": 2.0, **work})
    shown = {"encoder": encoder, "version": version, "device": device, "at": "2026-11-20T10:00:00+00:00"}
    return shown | {"work": {"notes": {modality: figures.figures()}}}


def test_texts_go_by_their_bytes():
    rates = measured_rates([event("text", "v2")], RECORD, [RECORD])
    (found,) = forecast(rows(5, size=400), RECORD, rates, row_bytes=500)
    assert found.items == 5
    assert found.segments == 40
    assert found.cost == 800
    assert found.unit == "tokens"
    assert found.seconds == 4.0
    assert found.bytes == 40 * 500
    assert found.basis == ("measured: 10 items on cpu, 2026-11-20",)
    assert found.usd is None


def test_pictures_go_by_their_number():
    rates = measured_rates([event("text", "v2", modality="image", segments=10)], RECORD, [RECORD])
    (found,) = forecast(rows(5, size=10**7, modality="image"), RECORD, rates, row_bytes=500)
    assert found.segments == 5
    assert found.cost == 200
    assert found.unit == "pixels"
    assert found.seconds == 1.0


def test_the_version_itself_counts_before_the_encoder_and_the_encoder_before_others():
    events = [event("text", "v1", seconds=3.0), event("other", "w", seconds=5.0), event("text", "v2", seconds=7.0)]
    assert measured_rates(events, RECORD, [])["text"].work.seconds == 7.0
    of_encoder = measured_rates(events[:2], RECORD, [])["text"]
    assert of_encoder.work.seconds == 3.0
    assert of_encoder.basis == "measured with version v1: 10 items on cpu, 2026-11-20"
    of_other = measured_rates(events[1:2], RECORD, [])["text"]
    assert of_other.basis.startswith("measured with encoder other: 10 items")


def test_another_encoder_is_scaled_by_the_size_of_its_model():
    other = replace(RECORD, encoder="other", version="w", spec=replace(SPEC, name="other", download_mb=50))
    large = replace(RECORD, spec=replace(SPEC, download_mb=200))
    rates = measured_rates([event("other", "w")], large, [other])
    (found,) = forecast(rows(10), large, rates, row_bytes=None)
    assert found.seconds == 8.0
    assert "times 4 by model size" in found.basis[0]


def test_runs_of_a_version_are_added_up_and_another_device_left_out():
    events = [event("text", "v2", device="cuda", seconds=0.1), event("text", "v2"), event("text", "v2", seconds=4.0)]
    rate = measured_rates(events, RECORD, [])["text"]
    assert rate.work.items == 20
    assert rate.work.seconds == 6.0
    assert rate.basis == "measured: 20 items on cpu, 2026-11-20"


def test_runs_that_encoded_nothing_measure_nothing():
    events = [event("text", "v2", encoded=0, cost=0), {"encoder": "text", "version": "v2", "items": {}}]
    assert measured_rates(events, RECORD, []) == {}


def test_what_was_never_measured_is_unknown():
    (found,) = forecast(rows(5), RECORD, {}, row_bytes=None)
    assert found.items == 5
    assert found.segments is None
    assert found.cost is None
    assert found.seconds is None
    assert found.bytes is None
    assert found.basis == (UNKNOWN,)


def test_money_is_what_a_server_billed_by_the_price():
    priced = replace(RECORD, spec=replace(SPEC, options={"price_per_million_tokens": 2.0}))
    reckoned = measured_rates([event("text", "v2")], priced, [])
    billed = measured_rates([event("text", "v2", billed=100)], priced, [])
    assert forecast(rows(10), priced, reckoned, row_bytes=None)[0].usd == pytest.approx(400 * 2 / 1e6)
    (found,) = forecast(rows(10), priced, billed, row_bytes=None)
    assert found.cost == 100
    assert found.usd == pytest.approx(100 * 2 / 1e6)


def test_sources_and_modalities_have_a_forecast_each_and_are_added_up():
    rate = Rate(work=Work(items=10, bytes=1000, segments=10, encoded=10, cost=100, seconds=1.0), basis="b")
    wanted = [*rows(10), *rows(20, source="more"), *rows(10, modality="image")]
    found = forecast(wanted, RECORD, {"text": rate}, row_bytes=10)
    assert [(each.source, each.modality, each.items) for each in found] == [
        ("notes", "text", 10),
        ("more", "text", 20),
        ("notes", "image", 10),
    ]
    known = total(found[:2])
    assert known.items == 30
    assert known.segments == 30
    assert known.cost == 300
    assert known.seconds == 3.0
    assert known.bytes == 300
    assert total(found).seconds is None  # of the pictures nothing is known
    assert total([]).items == 0


def test_a_row_is_as_large_as_those_of_the_table_that_was_indexed():
    assert row_size(RECORD, {"rows": 10, "bytes": 10 * 1000}, dim=300) == 1000 - 200 * 2
    assert row_size(RECORD, {"rows": 10, "bytes": 10 * 1000}, dim=100) == 1000
    assert row_size(RECORD, None) > 100 * 2


def test_a_run_notes_what_its_items_meant(tmp_path: Path, words: list[Any]):
    notes = write_notes(tmp_path / "notes", 6)
    (notes / "copy.txt").write_text(note(2))
    (notes / "photo.png").write_bytes(picture(1))
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    report = refresh_and_embed(steps)
    work = report.work["notes"]
    sizes = {file.suffix: 0 for file in notes.iterdir()}
    for file in notes.iterdir():
        sizes[file.suffix] += file.stat().st_size
    assert work["text"].items == 7
    assert work["text"].segments == 7
    assert work["text"].encoded == 6
    assert work["text"].bytes == sizes[".txt"]
    assert work["image"].bytes == sizes[".png"]
    assert work["text"].cost + work["image"].cost == report.cost
    assert work["text"].seconds + work["image"].seconds == pytest.approx(report.seconds)
    event = steps.store.history.all("embed")[-1]
    assert event["work"]["notes"]["text"]["cost"] == work["text"].cost
    assert event["device"] == "cpu"


def test_a_run_forecasts_the_next(tmp_path: Path, words: list[Any]):
    notes = write_notes(tmp_path / "notes", 50)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    for number in range(100, 150):
        (notes / f"{number}.txt").write_text(note(number))
    steps.refresh("notes")
    record = steps.resolve("words").record
    rates = measured_rates(steps.store.history.all("embed"), record, [record])
    (shown,) = forecast(steps.plan(record).encode, record, rates, row_bytes=None)
    report = steps.embed(record)
    assert report.segments_encoded == 50
    assert shown.segments == pytest.approx(50, abs=2)
    assert shown.cost == pytest.approx(report.cost, rel=0.1)


def test_a_sample_measures_and_writes_nothing(tmp_path: Path, words: list[Any]):
    write_notes(tmp_path / "notes", 20)
    (tmp_path / "notes" / "bad.txt").write_bytes(b"")
    steps = pipeline(tmp_path)
    steps.refresh("notes")
    record = steps.resolve("words").record
    before = table_versions(steps.store)
    report = steps.sample(record, steps.plan(record).encode[:5])
    assert table_versions(steps.store) == before
    assert all_rows(steps) == []
    assert len(words) == 5
    (rate,) = rates_of_sample(report).values()
    assert rate.work.items == 5
    assert rate.work.encoded == 5
    assert rate.basis == "sampled: 5 items on cpu"


def test_a_sample_of_broken_items_measures_nothing(tmp_path: Path, words: list[Any]):
    assert rates_of_sample(EmbedReport(encoder="text", version="v2")) == {}
