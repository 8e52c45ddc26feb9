"""Declarative automation, by Dagster's own evaluation: what is asked for, and that nothing changed asks for nothing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.automation.kept_versions import serve_kept
from embed_assets.assets.names import AUTOMATIC
from embed_assets.errors import PromotionError
from tests.assets.kept_run import KeptRun
from tests.assets.running import QUIET, Running
from tests.kept import Kept
from tests.support import rewrite, settings, write_notes

_SHARDS = ["s00", "s01"]


class Automation:
    """The automation sensor's looks at a pipeline, and runs of what they ask for."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **changes: object) -> None:
        values = {"automation": {"enabled": True}, "shards": len(_SHARDS), **changes}
        self._folder, self._values = folder, values
        self.running = Running(settings(folder, **values), instance)
        self.instance = instance
        self.looked: tuple[datetime, Any] = (datetime(2030, 1, 1, 0, 30), None)  # last: when, and its cursor
        self.dashboard_asked = False

    def settings_become(self, **changes: object) -> None:
        """The pipeline's code location is loaded again with other settings."""
        self._values |= changes
        self.running = Running(settings(self._folder, **self._values), self.instance)

    def look(self, *, hours: float = 0.0) -> dict[str, set[str | None]]:
        """Asset → partitions that are asked for, at a time after the last look."""
        at, cursor = self.looked
        at += timedelta(hours=hours, seconds=30)
        result = dg.evaluate_automation_conditions(
            defs=self.running.definitions,
            instance=self.instance,
            cursor=cursor,
            evaluation_time=at,
        )
        self.looked = (at, result.cursor)
        keys = self.running.names.keys
        found = {key.path[-1]: set(result.get_requested_partitions(key)) for key in keys}
        self.dashboard_asked = bool(found.pop("pipeline_dashboard"))  # it follows each pointer, nothing follows it
        assert not self.dashboard_asked or self._served_since_dashboard()
        return {name: wanted for name, wanted in found.items() if wanted}

    def _served_since_dashboard(self) -> bool:
        serving, dashboard = (
            self.instance.get_latest_materialization_event(dg.AssetKey(name))
            for name in ("words_serving", "pipeline_dashboard")
        )
        return serving is not None and (dashboard is None or serving.timestamp > dashboard.timestamp)

    def run(
        self, asset: str, partitions: Iterable[str | None] = (None,), *, device: str = "cpu"
    ) -> list[dg.ExecuteInProcessResult]:
        """Runs of one asset as the sensor starts them: a range for each version, checks along with an index."""
        versions = sorted({key.rpartition("|")[2] if key else "" for key in partitions})
        return [self._one(asset, version, {key for key in partitions if key}, device) for version in versions]

    def do(self, asked: dict[str, set[str | None]]) -> None:
        """Run all that was asked for."""
        for asset in (each.path[-1] for each in self.running.names.keys):
            if asset in asked:
                for result in self.run(asset, asked[asset]):
                    assert result.success, asset

    def settle(self) -> tuple[datetime, Any]:
        """Look and run until nothing more is asked for; return the last look."""
        for _ in range(8):
            if not (asked := self.look()):
                return self.looked
            self.do(asked)
        raise AssertionError(f"still asked for: {self.look()}")

    @property
    def version(self) -> str:
        """The encoder's current version."""
        return self.running.steps.resolve("words").record.version

    def _one(self, asset: str, version: str, partitions: set[str], device: str) -> dg.ExecuteInProcessResult:
        key = dg.AssetKey(asset)
        job = self.running.definitions.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={key}, asset_check_selection=None
        )
        own = sorted(partition for partition in partitions if partition.endswith(version))
        tags = dict(AUTOMATIC)
        if "|" in "".join(own):
            ends = {"dagster/asset_partition_range_start": own[0], "dagster/asset_partition_range_end": own[-1]}
            tags |= ends
        return job.execute_in_process(
            instance=self.instance,
            run_config={**QUIET, "resources": {"encoders": {"config": {"device": device}}}},
            raise_on_error=False,
            tags=tags,
            partition_key=version if version and "|" not in "".join(own) else None,
        )


def _all_shards(version: str) -> set[str]:
    return {f"{shard}|{version}" for shard in _SHARDS}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def automation(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Automation:
    write_notes(tmp_path / "notes", 8)
    return Automation(tmp_path, instance)


@pytest.fixture
def settled(automation: Automation, kept_run: KeptRun) -> Automation:
    automation.looked = kept_run.once("settled", automation.settle)
    return automation


def test_an_empty_store_is_filled_stage_by_stage(automation: Automation) -> None:
    first = automation.look()
    assert set(first) == {"notes_manifest", "words_encoder"}
    automation.do(first)
    version = automation.version
    second = automation.look()
    assert second == {"words_vectors": _all_shards(version)}
    automation.do(second)
    third = automation.look()
    assert third == {"words_index": {version}}
    automation.do(third)
    fourth = automation.look()
    assert fourth == {"words_serving": {None}}
    automation.do(fourth)
    assert automation.look() == {}
    assert automation.dashboard_asked
    live = automation.running.steps.store.serving.pointer("words").live
    assert live is not None and live.rows == 8


def test_nothing_changed_requests_nothing(settled: Automation) -> None:
    assert [settled.look() for _ in range(3)] == [{}, {}, {}]


def test_each_tick_of_the_cron_looks_at_sources_and_models_once(settled: Automation) -> None:
    asked = settled.look(hours=1)
    assert set(asked) == {"notes_manifest", "words_encoder"}
    assert settled.look() == {}


def test_the_same_manifest_and_the_same_version_again_ask_for_no_vectors(settled: Automation) -> None:
    settled.do({"notes_manifest": {None}, "words_encoder": {None}})
    assert settled.look() == {}
    assert settled.look() == {}


@pytest.mark.parametrize(
    "change", ["new", *(pytest.param(one, marks=pytest.mark.slow) for one in ("edited", "deleted"))]
)
def test_other_media_requests_vectors_then_for_the_index_then_for_the_pointer(
    settled: Automation, change: str, tmp_path: Path, words: list
) -> None:
    words.clear()
    if change == "new":
        (tmp_path / "notes" / "another.txt").write_text("another note")
    elif change == "edited":
        rewrite(tmp_path / "notes" / "note-003.txt", "edited note")
    else:
        (tmp_path / "notes" / "note-003.txt").unlink()
    settled.do(settled.look(hours=1))
    asked = []
    while found := settled.look():
        asked.append(found)
        settled.do(found)
    version = settled.version
    assert asked == [{"words_vectors": _all_shards(version)}, {"words_index": {version}}, {"words_serving": {None}}]
    assert len(words) == (0 if change == "deleted" else 1)
    live = settled.running.steps.store.serving.pointer("words").live
    assert live is not None and live.rows == {"new": 9, "edited": 8, "deleted": 7}[change]


@pytest.mark.slow
def test_media_that_changes_after_the_vectors_were_written_is_not_lost(settled: Automation, tmp_path: Path) -> None:
    version = settled.version
    settled.do({"words_vectors": set(_all_shards(version))})
    rewrite(tmp_path / "notes" / "note-003.txt", "edited note")
    settled.do({"notes_manifest": {None}})
    assert settled.look()["words_vectors"] == _all_shards(version)  # both happened between two looks


@pytest.mark.slow
def test_vectors_that_are_newer_than_the_change_are_not_requested_again(settled: Automation, tmp_path: Path) -> None:
    rewrite(tmp_path / "notes" / "note-003.txt", "edited note")
    settled.running.embed()  # manifest, encoder and vectors in one run
    assert "words_vectors" not in settled.look()
    settled.do({"notes_manifest": {None}})
    assert "words_vectors" not in settled.look()


@pytest.mark.slow
def test_the_same_manifest_listed_after_the_vectors_requests_nothing(settled: Automation, tmp_path: Path) -> None:
    rewrite(tmp_path / "notes" / "note-003.txt", "edited note")
    settled.do(settled.look(hours=1))
    asked = settled.look()
    assert "words_vectors" in asked
    settled.do(asked)
    settled.do({"notes_manifest": {None}})
    assert "words_vectors" not in settled.look()


def test_a_new_encoder_version_requests_its_own_shards_only(settled: Automation) -> None:
    old = settled.version
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    settled.do({"words_encoder": {None}})
    new = settled.version
    assert new != old
    assert settled.look() == {"words_vectors": _all_shards(new)}
    settled.run("words_vectors", {f"s00|{new}"})
    assert settled.look() == {"words_vectors": {f"s01|{new}"}}  # and no index before all shards are in
    settled.run("words_vectors", {f"s01|{new}"})
    assert settled.look() == {"words_index": {new}}


def test_other_settings_ask_for_the_encoder_at_once(settled: Automation) -> None:
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    assert settled.look() == {"words_encoder": {None}}
    settled.do({"words_encoder": {None}})
    assert "words_encoder" not in settled.look()


def test_media_that_changes_reaches_the_live_version_and_the_candidate(settled: Automation, tmp_path: Path) -> None:
    old = settled.version
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    settled.settle()
    new = settled.version
    (tmp_path / "notes" / "another.txt").write_text("another note")
    settled.do(settled.look(hours=1))
    assert settled.look() == {"words_vectors": _all_shards(old) | _all_shards(new)}


def test_a_failed_run_is_not_repeated_until_there_is_other_media(settled: Automation, tmp_path: Path) -> None:
    version = settled.version
    notes = tmp_path / "notes"
    rewrite(notes / "note-003.txt", "edited note")
    settled.do(settled.look(hours=1))
    asked = settled.look()
    (result,) = settled.run("words_vectors", asked["words_vectors"], device="cuda:7")
    assert not result.success
    assert settled.look() == {}
    assert settled.look() == {}
    rewrite(notes / "note-004.txt", "edited too")
    settled.do({"notes_manifest": {None}})
    assert settled.look() == {"words_vectors": _all_shards(version)}
    settled.settle()


def test_a_failed_blocking_check_moves_no_pointer_and_is_told_on_the_serving_asset(settled: Automation) -> None:
    before = settled.running.steps.store.serving.live_release("words").key
    record = settled.running.steps.resolve("words").record
    table = settled.running.steps.vectors(record).open()
    assert table is not None
    table.delete("key = 'note-003.txt'")  # an item whose vectors are lost
    settled.do({"words_index": {record.version}})
    asked = settled.look()
    assert asked == {"words_serving": {None}}
    settled.do(asked)
    assert settled.running.steps.store.serving.live_release("words").key == before
    assert settled.running.metadata("words_serving")["candidates held back"].value == 1
    assert settled.look() == {}
    settled.run("words_vectors", set(_all_shards(record.version)))
    asked = settled.look()
    assert asked == {"words_index": {record.version}}
    settled.do(asked)
    assert settled.look() == {"words_serving": {None}}


@pytest.mark.slow
def test_the_live_version_is_renewed_while_its_candidate_lacks_vectors(settled: Automation, tmp_path: Path) -> None:
    old = settled.version
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    settled.do({"words_encoder": {None}})
    (tmp_path / "notes" / "another.txt").write_text("another note")
    settled.do({"notes_manifest": {None}})
    settled.run("words_vectors", _all_shards(old))
    settled.run("words_index", {old})
    pointer = serve_kept(settled.running.steps, "words", ["words"], by="test")
    assert pointer.live is not None
    assert pointer.live.encoder_version == old
    assert pointer.live.rows == 9


@pytest.mark.slow
def test_the_pointer_follows_live_and_candidate_without_a_partition(settled: Automation, tmp_path: Path) -> None:
    old = settled.version
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    settled.do({"words_encoder": {None}})
    (tmp_path / "notes" / "another.txt").write_text("another note")
    settled.do({"notes_manifest": {None}})
    settled.run("words_vectors", _all_shards(old))
    settled.run("words_index", {old})
    settled.settle()
    pointer = settled.running.steps.store.serving.pointer("words")
    assert [(release.encoder_version, release.rows) for release in pointer.releases] == [(settled.version, 9), (old, 9)]


@pytest.mark.slow
def test_a_candidate_that_is_held_back_holds_back_no_other(settled: Automation, tmp_path: Path) -> None:
    old = settled.version
    settled.settings_become(encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}})
    steps = settled.running.steps
    record = steps.resolve("words").record
    steps.embed(record, shards={"s00"})
    steps.index(record)
    steps.check(record)  # most items lack vectors
    pointer = serve_kept(steps, "words", ["words"], by="test")
    assert pointer.live is not None and pointer.live.encoder_version == old
    with pytest.raises(PromotionError, match="items without vectors"):
        steps.serve(record, by="test")


@pytest.mark.slow
def test_a_saved_query_follows_its_pointer_and_its_settings(settled: Automation, tmp_path: Path) -> None:
    saved = {"space": "words", "query": "boat harbour"}
    settled.settings_become(saved_queries={"boats": saved})
    assert settled.look() == {"boats_matches": {None}}
    settled.do({"boats_matches": {None}})
    assert settled.look() == {}
    settled.settings_become(saved_queries={"boats": saved | {"query": "oak moss"}})
    assert settled.look() == {"boats_matches": {None}}
    settled.do({"boats_matches": {None}})
    (tmp_path / "notes" / "another.txt").write_text("another note")
    settled.do(settled.look(hours=1))
    asked = []
    while found := settled.look():
        asked += sorted(found)
        settled.do(found)
    assert asked == ["words_vectors", "words_index", "words_serving", "boats_matches"]


@pytest.mark.slow
def test_a_sink_follows_its_pointer(settled: Automation, tmp_path: Path) -> None:
    settled.settings_become(sinks={"out": {"space": "words", "kind": "parquet", "uri": str(tmp_path / "out")}})
    assert settled.look() == {"out_export": {None}}
    settled.do({"out_export": {None}})
    assert settled.look() == {}
    (tmp_path / "notes" / "another.txt").write_text("another note")
    settled.do(settled.look(hours=1))
    wanted = []
    while found := settled.look():
        wanted += sorted(found)
        settled.do(found)
    assert wanted == ["words_vectors", "words_index", "words_serving", "out_export"]
