"""Maintenance and retirement: what is needed stays readable at every moment, and the rest goes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed_assets.errors import MediaError, PromotionError, StoreError
from embed_assets.quality.checks import REQUIRED
from embed_assets.settings import IndexSettings
from embed_assets.store.quarantine import Quarantine
from embed_assets.store.query_vectors import QueryVectors
from embed_assets.store.serving.nearest_rows import nearest, open_release
from embed_assets.store.serving.releases import Release, Releases, release_tag
from embed_assets.store.serving.serving_pointer import Pointer, Serving, move_event
from embed_assets.store.serving.vector_index import build_indices
from embed_assets.store.store import Store
from embed_assets.store.upkeep.maintenance import MaintenanceReport, maintain
from embed_assets.store.upkeep.retire_version import drop_leftovers, forget, retire, unused_versions
from embed_assets.store.versions import VersionId
from tests.store.made import promote, register, release, upkeep
from tests.support import all_rows, note, pipeline, refresh_and_embed, rewrite, run_all, vector_rows, write_notes

NOTHING = timedelta(milliseconds=1)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path))


def maintained(store: Store, *, late: bool = True, **changes: Any) -> MaintenanceReport:
    """A run that keeps nothing for its age; `late`: in an hour, when all that is there now is old."""
    settings = upkeep(**changes)
    now = datetime.now(UTC) + timedelta(hours=late)
    return maintain(store, settings, seconds=60, keep=NOTHING, now=now)


def candidate(store: Store, version: str = "v1", **changes: Any) -> Release:
    """A registered version's newest release, recorded."""
    if store.versions.get(VersionId("words", version)) is None:
        register(store, version)
    made = release(store, version, **changes)
    store.releases.put(made)
    return made


def write(store: Store, count: int, *, version: str = "v1") -> None:
    """So many commits of one row."""
    table = store.open(f"words__{version}")
    for number in range(count):
        ids = [f"more-{table.version}-{number}"]
        table.add(vector_rows(table.schema, np.eye(1, 8), media_id=ids, text=["slate"], labels=[["a"]]))


def readable(store: Store, one: Release) -> bool:
    try:
        return open_release(store, one).count_rows() == one.rows
    except StoreError:
        return False


def test_what_a_pointer_names_and_candidates_stay_and_other_versions_go(store):
    live, stale = candidate(store, "v1"), candidate(store, "v1", rows=4)
    promote(store, live)
    promote(store, candidate(store, "v2"))
    write(store, 1, version="v2")
    waiting = candidate(store, "v3")
    write(store, 1, version="v3")
    unnamed = store.open("words__v3").version
    write(store, 1, version="v3")
    report = maintained(store)
    for one in (*store.serving.pointer("words").releases, stale, waiting):
        assert readable(store, one)
    assert unnamed not in {version["version"] for version in store.dataset("words__v3").versions()}
    assert waiting.key in report.tagged
    assert report.cleaned["words__v3"] >= 2
    assert report.bytes_removed > 0
    assert report.skipped == {}


def test_a_release_that_nothing_needs_is_untagged_and_then_removed(store):
    first = candidate(store, rows=3)
    promote(store, first)
    promote(store, candidate(store, rows=4))
    assert maintained(store).untagged == [first.key]
    assert readable(store, first)  # a pointer could have come to name it meanwhile
    maintained(store)
    assert not readable(store, first)
    assert store.releases.get(first.key) is None
    assert readable(store, store.serving.live_release("words"))


def test_a_young_release_keeps_its_tag(store):
    first = candidate(store, rows=3)
    promote(store, first)
    promote(store, candidate(store, rows=4))
    settings = upkeep(keep_hours=1)
    assert maintain(store, settings).untagged == []
    later = datetime.now(UTC) + timedelta(hours=2)
    assert maintain(store, settings, now=later).untagged == [first.key]
    assert readable(store, first)  # an hour has not passed for its files


def test_what_a_pointer_named_within_the_window_keeps_its_tag(store):
    first = candidate(store, rows=3)
    promote(store, first)
    promote(store, candidate(store, rows=4))
    later = datetime.now(UTC) + timedelta(hours=2)
    event = {"release": "other@1", "live": "other@1", "earlier": [first.key]}
    for kind in ("promote", "roll back", "renew"):
        store.history.add(kind, event)
        settings = upkeep(keep_hours=3)
        assert maintain(store, settings, now=later).untagged == []
        store.drop("history")
    assert maintain(store, upkeep(keep_hours=1), now=later).untagged == [first.key]


def test_tags_of_others_stay(store):
    first = candidate(store, rows=3)
    store.open("words__v1").tags.create("mine", first.table_version)
    candidate(store, rows=4)
    for _ in range(2):
        maintained(store)
    assert readable(store, first)


def test_many_small_fragments_are_compacted_and_no_others(store):
    candidate(store, "v1")
    candidate(store, "v2")
    write(store, 8, version="v1")
    for number in range(8):
        store.history.add("refresh", {"number": number})
    report = maintained(store, max_small_fragments=6)
    assert report.compacted["words__v1"] == 9
    assert "history" in report.compacted
    assert report.changed == ["words__v1"]
    assert len(store.dataset("words__v1").get_fragments()) == 1
    assert store.open("words__v1").count_rows() == 11
    assert [event["number"] for event in store.history.all("refresh")] == list(range(8))


def test_a_large_deleted_share_is_compacted(store):
    candidate(store, rows=8)
    table = store.open("words__v1")
    table.delete("media_id = 'True-8-0'")
    assert maintained(store, max_deleted_share=0.2).compacted == {}
    table.delete("media_id IN ('True-8-1', 'True-8-2')")
    report = maintained(store, max_deleted_share=0.2)
    assert report.changed == ["words__v1"]
    assert sum(fragment.num_deletions for fragment in store.dataset("words__v1").get_fragments()) == 0
    assert store.open("words__v1").count_rows() == 5


def test_rows_that_indices_lack_beyond_a_share_are_indexed(store):
    candidate(store)
    write(store, 40)
    settings = IndexSettings(min_rows=30, rows_per_partition=20, num_bits=5)
    build_indices(store, "words__v1", distance="cosine", settings=settings)
    write(store, 4)
    assert maintained(store, max_unindexed_share=0.1).indexed == {}
    write(store, 4)
    report = maintained(store, max_unindexed_share=0.1)
    assert report.indexed == {"words__v1": 8}
    assert report.changed == ["words__v1"]
    table = store.open("words__v1")
    for name in ("vector_idx", "text_idx", "shard_idx"):
        stats = table.index_stats(name)
        assert stats is not None
        assert stats.num_unindexed_rows == 0
    assert table.search("slate", query_type="fts").limit(100).to_arrow().num_rows == 48


def test_a_second_run_finds_nothing_to_do(store):
    promote(store, candidate(store))
    write(store, 9)
    maintained(store, max_small_fragments=5)
    maintained(store, max_small_fragments=5)
    before = {name: store.open(name).version for name in store.table_names()}
    report = maintained(store, max_small_fragments=5)
    assert {name: store.open(name).version for name in store.table_names()} == before
    assert report.compacted == {}
    assert report.indexed == {}
    assert report.cleaned == {}
    assert report.untagged == []


def test_nothing_is_begun_once_the_time_is_over_and_what_is_left_is_named(store):
    promote(store, candidate(store))
    write(store, 9)
    before = store.open("words__v1").version
    report = maintain(store, upkeep(max_small_fragments=5), seconds=0, keep=NOTHING)
    assert report.compacted == {}
    assert report.cleaned == {}
    assert store.open("words__v1").version == before
    assert {"clean words__v1", "compact words__v1", "index words__v1"} <= set(report.left)


def test_an_empty_store_needs_nothing(store):
    report = maintained(store)
    assert report.left == []
    assert report.skipped == {}
    assert report.changed == []
    assert report.figures()["versions_removed"] == 0


def test_tables_that_are_not_the_pipelines_are_left_alone(store):
    candidate(store)
    mine = store.open_or_create("mine__abcdefabcdef", pa.schema([pa.field("id", pa.int64())]))
    for number in range(30):
        mine.add(pa.table({"id": [number]}))
    maintained(store)
    assert store.open("mine__abcdefabcdef").version == mine.version
    assert store.open("mine__abcdefabcdef").count_rows() == 30


def with_everything(store: Store, version: str) -> Release:
    """A version with vectors, queries, a quarantined item and a release."""
    made = candidate(store, version)
    QueryVectors(store, made.table, dim=8).put("judged", "text", ["q"], np.ones((1, 8), np.float32))
    item: Any = {"media_id": version, "content_hash": "h", "source": "notes", "shard": "s00", "key": "k"}
    store.quarantine(made.table).add([(item, MediaError("broken"))])
    return made


def traces(store: Store, version: str) -> list[str]:
    """What the store still has of a version."""
    table = f"words__{version}"
    found = [name for name in store.table_names() if name.startswith(table)]
    found += ["record"] if store.versions.get(VersionId("words", version)) else []
    found += ["release"] if store.releases.candidate(VersionId("words", version)) else []
    return sorted(found + (["quarantine"] if store.quarantine(table).hashes() else []))


def test_a_retired_version_leaves_nothing_and_the_others_stay(store):
    with_everything(store, "v1")
    promote(store, with_everything(store, "v2"))
    assert [record.version for record in unused_versions(store, "words", current="v2")] == ["v1"]
    gone = retire(store, VersionId("words", "v1"), current="v2")
    assert gone.rows == 3
    assert gone.releases == 1
    assert traces(store, "v1") == []
    assert traces(store, "v2") == ["quarantine", "record", "release", "words__v2", "words__v2__queries"]
    with pytest.raises(StoreError, match=r"no version 'v1'. Its versions: v2"):
        retire(store, VersionId("words", "v1"), current="v2")


def test_what_serves_can_be_gone_back_to_or_is_current_is_not_retired(store):
    for version in ("v1", "v2"):
        promote(store, candidate(store, version))
    candidate(store, "v3")
    assert unused_versions(store, "words", current="v3") == []
    for version, shown in (("v2", "serves space 'words'"), ("v1", "can go back to version v1"), ("v3", "mean now")):
        with pytest.raises(StoreError, match=shown):
            retire(store, VersionId("words", version), current="v3")
        assert "record" in traces(store, version)
    assert [record.version for record in unused_versions(store, "words", current=None)] == ["v3"]


def test_a_promotion_that_comes_between_saves_the_version(store, monkeypatch):
    promote(store, candidate(store, "v2"))
    waiting = candidate(store, "v1")

    def forget_late(*arguments: Any, **named: Any) -> None:
        promote(store, waiting)
        forget(*arguments, **named)

    monkeypatch.setattr("embed_assets.store.upkeep.retire_version.forget", forget_late)
    with pytest.raises(StoreError, match="serves space"):
        retire(store, VersionId("words", "v1"), current="v2")
    assert traces(store, "v1") == ["record", "release", "words__v1"]
    assert readable(store, store.serving.live_release("words"))


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("finished_by", ["retiring again", "maintenance"])
@pytest.mark.slow
def test_a_retirement_that_was_killed_is_finished(store, monkeypatch, steps, finished_by):
    promote(store, candidate(store, "v2"))
    with_everything(store, "v1")
    done = iter(range(100))

    def killed(action: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(done) >= steps:
                raise KeyboardInterrupt
            return action(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Releases, "remove", killed(Releases.remove))
        patch.setattr(Quarantine, "clear", killed(Quarantine.clear))
        patch.setattr(Store, "drop", killed(Store.drop))
        with pytest.raises(KeyboardInterrupt):
            retire(store, VersionId("words", "v1"), current="v2")
    assert "words__v1" in traces(store, "v1")
    if finished_by == "maintenance":
        assert maintained(store).dropped == ["words__v1"]
    else:
        retire(store, VersionId("words", "v1"), current="v2")
    assert traces(store, "v1") == []
    assert readable(store, store.serving.live_release("words"))


def test_maintenance_drops_no_table_that_a_pointer_names(store):
    candidate(store, "v2")
    promote(store, release(store, "v1"))  # its record was lost
    assert maintained(store).dropped == []
    assert readable(store, store.serving.live_release("words"))


class Cleaned(Serving):
    """A maintenance run at the worst moment: after the release was tagged, before the pointer names it."""

    def _move(self, now: Pointer, then: Pointer, *, by: str) -> Pointer:
        maintained(Store(self._database.uri))
        return super()._move(now, then, by=by)


def test_a_promotion_that_a_retirement_began_beside_goes_back(store):
    old, new = release(store, "v1"), release(store, "v2")
    for candidate in (old, new):
        store.releases.put(candidate)
    promote(store, old)

    class Beside(Serving):
        def _move(self, now: Pointer, then: Pointer, *, by: str) -> Pointer:
            if then.live == new:
                forget(store, VersionId("words", "v2"), releases=[new])
            return super()._move(now, then, by=by)

    with pytest.raises(PromotionError, match="was removed while it was promoted: its version is retired"):
        Beside(store).promote(new, required=REQUIRED, by="test")
    assert store.serving.live_release(old.space).key == old.key


def test_a_clean_up_in_the_middle_of_a_promotion_keeps_the_release(store):
    old = candidate(store, rows=3)
    promote(store, old)
    promote(store, candidate(store, rows=4))
    pointer = Cleaned(store).promote(old, required=REQUIRED, by="test")  # it was untagged meanwhile
    assert pointer.live == old
    assert release_tag(old) in store.open("words__v1").tags.list()
    maintained(store)
    assert readable(store, old)


def test_a_release_that_was_cleaned_away_in_the_middle_is_not_served(store):
    class Twice(Cleaned):
        def _move(self, now: Pointer, then: Pointer, *, by: str) -> Pointer:
            maintained(Store(self._database.uri))
            return super()._move(now, then, by=by)

    old = candidate(store, rows=3)
    promote(store, old)
    newer = candidate(store, rows=4)
    promote(store, newer)
    with pytest.raises(PromotionError, match="was removed while it was promoted"):
        Twice(store).promote(old, required=REQUIRED, by="test")
    assert store.serving.live_release("words") == newer


@contextmanager
def looped(*actions: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Runs each action over and over in a thread of its own; the errors, when it is over."""
    stop, errors = threading.Event(), list[BaseException]()

    def loop(action: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                action()
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=loop, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_readers_see_no_error_while_pointers_move_tables_grow_and_maintenance_loops(store):
    keep = timedelta(seconds=2)
    for version in ("v1", "v2"):
        promote(store, candidate(store, version))
    asked: list[str] = []

    def read() -> None:
        own = Store(store.uri)
        live = own.serving.live_release("words")
        table = open_release(own, live)
        rows = nearest(table, np.ones(8, np.float32), live, k=3, columns=["encoder_version"])
        assert set(rows.column("encoder_version").to_pylist()) == {"v1"}  # as the rows of both tables say
        assert table.count_rows() == live.rows
        asked.append(live.key)

    def clean() -> None:
        settings = upkeep(max_small_fragments=3)
        report = maintain(Store(store.uri), settings, seconds=60, keep=keep)
        assert not [name for name in report.skipped if name.startswith(("protect", "tag"))]

    def embed() -> None:
        own = Store(store.uri)
        for version in ("v1", "v2"):
            write(own, 2, version=version)

    with looped(read, read, clean, clean, embed) as errors:
        started = time.monotonic()
        # Six seconds, and longer on a busy machine, until the readers have seen several releases.
        while (spent := time.monotonic() - started) < 60 and not errors and (spent < 6 or len(set(asked)) < 4):
            for version in ("v1", "v2"):
                newer = candidate(store, version, rows=3)
                store.serving.renew(newer, required=REQUIRED, by="test")
            back = store.serving.roll_back("words", by="test")
            store.history.add("roll back", move_event(back))
            promote(store, back.rollback_targets[0])
    assert errors == []
    assert len(set(asked)) > 3
    assert all(readable(store, one) for one in store.serving.pointer("words").releases)


@pytest.mark.slow
def test_a_pipeline_runs_undisturbed_while_maintenance_loops(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 120)
    index = {"min_rows": 50, "rows_per_partition": 20}
    steps = pipeline(tmp_path, compute={"device": "cpu", "offline": True, "flush_rows": 10}, index=index)
    started = time.monotonic()
    run_all(steps)
    keep = timedelta(seconds=max(2.0, 4 * (time.monotonic() - started)))  # longer than a run takes, as in the settings

    def clean() -> None:
        maintain(Store(steps.store.uri), upkeep(max_small_fragments=2), seconds=60, keep=keep)

    with looped(clean, clean) as errors:
        for number in range(6):
            for edited in range(number * 20, number * 20 + 20):
                rewrite(notes / f"note-{edited:03d}.txt", f"edited {edited} {note(edited)}")
            (notes / f"late-{number}.txt").write_text(note(1000 + number))
            run_all(steps)
    assert errors == []
    rows = all_rows(steps)
    assert len(rows) == len({row["segment_id"] for row in rows}) == 126
    assert sum(row["text"].startswith("edited") for row in rows) == 120
    live = steps.store.serving.live_release("words")
    assert live.rows == 126
    assert live.ann
    assert open_release(steps.store, live).count_rows() == 126


def test_dropping_what_is_gone_already_is_no_error(store):
    drop_leftovers(store, VersionId("words", "v1"))


@pytest.mark.slow
def test_a_bucket_is_promoted_rolled_back_maintained_and_retired_like_a_folder(s3, bucket):
    store = Store(f"s3://{bucket}/lake", s3.storage_options)
    for version in ("v1", "v2", "v3"):
        promote(store, candidate(store, version))
    write(store, 8, version="v3")
    assert store.serving.roll_back("words", by="test").held == ("v3",)
    report = maintained(store, max_small_fragments=5)
    assert report.changed == ["words__v3"]
    assert report.left == []
    assert report.skipped == {}
    assert all(readable(store, one) for one in store.serving.pointer("words").releases)
    retire(store, VersionId("words", "v1"), current="v3")
    assert traces(store, "v1") == []
    assert readable(store, store.serving.live_release("words"))


def test_a_version_is_retired_so_long_after_another_became_current_not_after_it_was_made(tmp_path, words):
    write_notes(tmp_path / "notes", 4)
    first = pipeline(tmp_path, spaces={"words": {"promotion": "manual"}})
    refresh_and_embed(first)
    old = first.current_version("words")
    assert old is not None
    other = {"words": {"model": "words", "segment": {"max_tokens": 16}}}
    keep = {"keep_hours": 1.0}
    second = pipeline(tmp_path, encoders=other, spaces={"words": {"promotion": "manual"}}, maintenance=keep)
    second.resolve("words")
    stamped = second.store.versions.get(VersionId("words", old.version))
    assert stamped is not None and stamped.at > old.at
    assert second.maintain(by="test").retired == []
    soon = {"keep_hours": 1e-9}
    third = pipeline(tmp_path, encoders=other, spaces={"words": {"promotion": "manual"}}, maintenance=soon)
    assert third.maintain(by="test").retired == [old.id]
    assert old.table not in third.store.table_names()


def test_partition_keys_go_of_what_was_retired_now_and_of_what_a_killed_retirement_left():
    report = MaintenanceReport(retired=[VersionId("words", "v2")], dropped=["words__v1", "others__v3"])
    assert report.forgotten == [VersionId("others", "v3"), VersionId("words", "v1"), VersionId("words", "v2")]
