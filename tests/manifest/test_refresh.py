"""Refresh: what became of every file, shown from listing and bytes, and written in one commit."""

import json
import wave
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import SourceError
from embed_assets.manifest.refresh import RefreshReport, refresh, shard_names, shard_of
from embed_assets.manifest.source_changes import find_changes
from embed_assets.manifest.user_column_counts import column_kinds
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.pipeline.steps import Steps
from embed_assets.run_cache import run_cache
from embed_assets.store.manifest import Manifest
from embed_assets.store.upsert import upsert
from tests.installing import install
from tests.support import pipeline, rewrite, touch, write_notes

BINARY = b"\x00\x01\x02\xff" * 8


def source(tmp_path: Path, count: int, **settings: Any) -> tuple[Path, Steps]:
    """A folder of notes, refreshed once."""
    folder = write_notes(tmp_path / "notes", count)
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(folder), **settings}})
    steps.refresh("notes")
    return folder, steps


def rows(steps: Steps) -> dict[str, dict[str, Any]]:
    return {row["key"]: dict(row) for row in steps.manifest.rows("notes") if row["status"] != "deleted"}


def found(report: RefreshReport) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("new", "edited", "renamed", "relabelled", "deleted", "restored")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def version(steps: Steps) -> int:
    return steps.store.open("manifest").version


def test_new_files_get_a_row_with_what_their_bytes_say(tmp_path):
    write_notes(tmp_path / "notes", 2)
    (tmp_path / "notes" / "page.txt").write_text("<!doctype html><html><body>x</body></html>")
    steps = pipeline(tmp_path)
    report = steps.refresh("notes")
    assert report.items == 3
    assert found(report) == {"new": 3}
    assert report.files_read == 3
    row = rows(steps)["page.txt"]
    assert row["status"] == "ok"
    assert row["mime"] == "text/html"
    assert row["modality"] == "text"
    assert row["uri"] == str(tmp_path / "notes" / "page.txt")
    assert row["shard"] == shard_of(row["media_id"], 4)


def test_nothing_changed_reads_and_writes_nothing(tmp_path):
    _, steps = source(tmp_path, 3)
    before = version(steps)
    report = steps.refresh("notes")
    assert report.changed == 0
    assert report.files_read == 0
    assert version(steps) == before
    assert len(steps.store.open("history").to_arrow()) == 1


def test_an_edited_file_keeps_its_media_id(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = rows(steps)["note-001.txt"]
    rewrite(folder / "note-001.txt", "other words")
    report = steps.refresh("notes")
    after = rows(steps)["note-001.txt"]
    assert found(report) == {"edited": 1}
    assert report.files_read == 1
    assert after["media_id"] == before["media_id"]
    assert after["content_hash"] != before["content_hash"]


def test_a_touched_file_of_equal_bytes_is_no_change_and_is_read_once(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = steps.refresh("notes").data_version
    touch(folder / "note-001.txt")
    first, second = steps.refresh("notes"), steps.refresh("notes")
    assert first.changed == 0
    assert first.files_read == 1
    assert second.files_read == 0
    assert first.data_version == before


def test_a_renamed_file_keeps_its_media_id_and_shard(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = rows(steps)["note-001.txt"]
    (folder / "deeper").mkdir()
    (folder / "note-001.txt").rename(folder / "deeper" / "moved.txt")
    report = steps.refresh("notes")
    after = rows(steps)["deeper/moved.txt"]
    assert report.items == 3
    assert found(report) == {"renamed": 1}
    assert after["media_id"] == before["media_id"]
    assert after["shard"] == before["shard"]
    assert after["uri"].endswith("notes/deeper/moved.txt")


def test_two_equal_files_renamed_at_once_keep_two_media_ids(tmp_path):
    folder, steps = source(tmp_path, 2)
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("the same")
    steps.refresh("notes")
    before = {rows(steps)[name]["media_id"] for name in ("a.txt", "b.txt")}
    for name in ("a.txt", "b.txt"):
        (folder / name).rename(folder / f"moved-{name}")
    assert found(steps.refresh("notes")) == {"renamed": 2}
    assert {rows(steps)[name]["media_id"] for name in ("moved-a.txt", "moved-b.txt")} == before
    assert len(before) == 2


def test_a_copy_is_a_new_item(tmp_path):
    folder, steps = source(tmp_path, 2)
    (folder / "copy.txt").write_bytes((folder / "note-000.txt").read_bytes())
    assert found(steps.refresh("notes")) == {"new": 1}
    assert rows(steps)["copy.txt"]["media_id"] != rows(steps)["note-000.txt"]["media_id"]


def test_a_deleted_file_leaves_a_row_that_says_so(tmp_path):
    folder, steps = source(tmp_path, 3)
    (folder / "note-001.txt").unlink()
    report = steps.refresh("notes")
    assert report.items == 2
    assert found(report) == {"deleted": 1}
    assert [row["key"] for row in steps.manifest.rows("notes") if row["status"] == "deleted"] == ["note-001.txt"]
    assert steps.manifest.media("notes", "note-001.txt") is None


def test_a_restored_file_is_the_same_item_again(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = rows(steps)["note-001.txt"]["media_id"]
    text = (folder / "note-001.txt").read_text()
    (folder / "note-001.txt").unlink()
    steps.refresh("notes")
    (folder / "note-001.txt").write_text(text)
    report = steps.refresh("notes")
    assert report.items == 3
    assert found(report) == {"restored": 1}
    assert rows(steps)["note-001.txt"]["media_id"] == before


def test_a_file_renamed_away_and_written_again_is_two_items(tmp_path):
    folder, steps = source(tmp_path, 3)
    text = (folder / "note-001.txt").read_text()
    (folder / "note-001.txt").rename(folder / "moved.txt")
    steps.refresh("notes")
    (folder / "note-001.txt").write_text(text)
    assert found(steps.refresh("notes")) == {"new": 1}
    ids = [row["media_id"] for row in steps.manifest.rows("notes")]
    assert len(ids) == len(set(ids)) == 4


def test_names_swapped_between_two_files_are_two_edits(tmp_path):
    folder, steps = source(tmp_path, 2)
    one, other = (folder / f"note-00{number}.txt" for number in (0, 1))
    first, second = one.read_text(), other.read_text()
    rewrite(one, second)
    rewrite(other, first)
    assert found(steps.refresh("notes")) == {"edited": 2}


def test_another_caption_in_the_sidecar_is_a_relabelling_that_reads_no_file(tmp_path):
    folder = write_notes(tmp_path / "notes", 2)
    sidecar = tmp_path / "captions.jsonl"
    sidecar.write_text(json.dumps({"file": "note-000.txt", "caption": "old", "label": "a"}))
    settings = {"uri": str(folder), "sidecar": str(sidecar)}
    steps = pipeline(tmp_path, sources={"notes": settings})
    steps.refresh("notes")
    sidecar.write_text(json.dumps({"file": "note-000.txt", "caption": "new", "labels": ["b", "c"], "year": 2020}))
    report = steps.refresh("notes")
    row = rows(steps)["note-000.txt"]
    assert found(report) == {"relabelled": 1}
    assert report.files_read == 0
    assert row["caption"] == "new"
    assert row["labels"] == ["b", "c"]
    assert json.loads(row["extra"]) == {"year": 2020}


def test_labels_by_folder_follow_a_rename(tmp_path):
    folder, steps = source(tmp_path, 0, labels="folder")
    (folder / "cats").mkdir()
    (folder / "cats" / "x.txt").write_text("purr")
    steps.refresh("notes")
    assert rows(steps)["cats/x.txt"]["labels"] == ["cats"]
    (folder / "cats").rename(folder / "dogs")
    assert found(steps.refresh("notes")) == {"renamed": 1}
    assert rows(steps)["dogs/x.txt"]["labels"] == ["dogs"]


def test_a_file_of_no_known_kind_is_quarantined_with_the_reason(tmp_path):
    folder, steps = source(tmp_path, 1)
    (folder / "data.bin").write_bytes(BINARY)
    (folder / "nothing.txt").write_bytes(b"")
    report = steps.refresh("notes")
    assert report.quarantined == {unsupported("application/octet-stream"): 1, "empty file": 1}
    assert rows(steps)["data.bin"]["status"] == "quarantined"


def test_a_quarantined_file_becomes_good_again_when_its_bytes_do(tmp_path):
    folder, steps = source(tmp_path, 2)
    before = rows(steps)["note-001.txt"]
    rewrite(folder / "note-001.txt", BINARY)
    assert sum(steps.refresh("notes").quarantined.values()) == 1
    spoiled = rows(steps)["note-001.txt"]
    assert spoiled["status"] == "quarantined"
    assert spoiled["modality"] == "text"
    assert spoiled["media_id"] == before["media_id"]
    rewrite(folder / "note-001.txt", "good again")
    report = steps.refresh("notes")
    assert report.quarantined == {}
    assert found(report) == {"edited": 1}
    assert rows(steps)["note-001.txt"]["status"] == "ok"
    assert rows(steps)["note-001.txt"]["reason"] is None


def test_a_file_over_the_limit_of_bytes_is_quarantined(tmp_path):
    folder = write_notes(tmp_path / "notes", 1)
    (folder / "long.txt").write_text("x" * 5000)
    steps = pipeline(tmp_path, limits={"max_bytes": 1000})
    assert steps.refresh("notes").quarantined == {"too large": 1}


def test_a_listing_that_lacks_most_items_stops_before_anything_is_written(tmp_path):
    folder, steps = source(tmp_path, 20)
    (folder / "fresh.txt").write_text("new")
    for number in range(11):
        (folder / f"note-{number:03d}.txt").unlink()
    before = version(steps)
    with pytest.raises(SourceError, match=r"lists 9 of 20 known items: 55% would be deleted") as caught:
        steps.refresh("notes")
    assert "embed-assets run --accept-deletions" in str(caught.value)
    assert version(steps) == before


def test_half_of_the_items_may_go_and_a_raised_share_lets_all_go(tmp_path):
    folder, steps = source(tmp_path, 20)
    for number in range(10):
        (folder / f"note-{number:03d}.txt").unlink()
    assert found(steps.refresh("notes")) == {"deleted": 10}
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(SourceError):
        steps.refresh("notes")
    sources = {"notes": {"uri": str(folder), "max_deleted_share": 1.0}}
    assert found(pipeline(tmp_path, sources=sources).refresh("notes")) == {"deleted": 10}


def test_when_most_items_can_not_be_used_any_more_nothing_is_quarantined_before_someone_looked(tmp_path):
    folder, steps = source(tmp_path, 20)
    for number in range(11):
        rewrite(folder / f"note-{number:03d}.txt", "")  # a copy that broke off
    before = version(steps)
    with pytest.raises(SourceError, match=r"11 of them can't be read or used any more: 55% would be deleted or qu"):
        steps.refresh("notes")
    assert version(steps) == before


def test_what_could_not_be_read_is_read_again_once_it_can_be_though_its_time_is_the_same(tmp_path):
    folder, steps = source(tmp_path, 3)
    file, elsewhere = folder / "note-001.txt", tmp_path / "elsewhere.txt"
    rewrite(file, "other words")
    listed = steps.sources.changes("notes")
    file.rename(elsewhere)  # unmounted after it was listed
    assert refresh(listed, steps.manifest, shards=steps.settings.shards).quarantined == {"vanished": 1}
    elsewhere.rename(file)
    assert steps.listing_differs("notes")
    assert found(steps.refresh("notes")) == {"edited": 1}
    assert rows(steps)["note-001.txt"]["status"] == "ok"
    assert not steps.listing_differs("notes")


def test_what_another_refresh_found_since_this_listing_is_not_deleted_by_it(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = steps.sources.listing("notes")
    (folder / "late.txt").write_text("late")
    assert found(steps.refresh("notes")) == {"new": 1}
    report = refresh(find_changes(before, steps.manifest), steps.manifest, shards=steps.settings.shards)
    assert found(report) == {}
    assert rows(steps)["late.txt"]["status"] == "ok"


def test_moving_all_files_to_another_folder_is_no_deletion(tmp_path):
    folder, steps = source(tmp_path, 12)
    (folder / "2024").mkdir()
    for file in list(folder.glob("*.txt")):
        file.rename(folder / "2024" / file.name)
    assert found(steps.refresh("notes")) == {"renamed": 12}


def test_the_data_version_follows_content_and_not_time(tmp_path):
    folder, steps = source(tmp_path, 3)
    before = steps.refresh("notes").data_version
    text = (folder / "note-001.txt").read_text()
    rewrite(folder / "note-001.txt", "other")
    assert steps.refresh("notes").data_version != before
    rewrite(folder / "note-001.txt", text)
    assert steps.refresh("notes").data_version == before


def test_shards_are_stable_and_named_in_order():
    assert shard_names(3) == ["s00", "s01", "s02"]
    assert shard_names(101)[-1] == "s100"
    assert shard_of("0000000fabc", 4) == "s03"


@pytest.mark.slow
def test_a_file_that_a_decoder_dies_of_is_quarantined_alone(tmp_path, words, monkeypatch):
    code = (
        "import os, signal, time\n"
        "from embed_assets.media.kinds.decoder import Decoder\n"
        "def detect(head):\n"
        "    return head == b'crash' and os.kill(os.getpid(), signal.SIGSEGV) or head == b'hang' and time.sleep(600)\n"
        "facts = dict(name='odd', version='1', mime='text/x-odd', modality='text')\n"
        "odd = Decoder(**facts, detect=detect, decode=lambda data, limits: '')\n"
    )
    install(tmp_path / "site", "odd-plugin", code, {"embed_assets.decoders": {"odd": "odd_plugin:odd"}}, monkeypatch)
    folder = write_notes(tmp_path / "notes", 3)
    for name in ("crash", "hang"):
        (folder / f"{name}.bin").write_text(name)
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(folder)}}, limits={"decode_seconds": 1})
    report = steps.refresh("notes")
    assert report.quarantined == {"decoder crashed": 1, "decoder timed out": 1}
    assert [row["status"] for _, row in sorted(rows(steps).items())] == ["quarantined"] * 2 + ["ok"] * 3
    assert steps.refresh("notes").files_read == 0


def test_deletions_are_found_by_a_clock_that_was_ahead_and_came_back(tmp_path):
    folder, steps = source(tmp_path, 4)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    steps.store.open("manifest").update(values={"updated_at": tomorrow})
    (folder / "note-001.txt").unlink()
    assert found(steps.refresh("notes")) == {"deleted": 1}


def test_what_another_refresh_found_after_a_listing_began_is_not_deleted_by_it(tmp_path):
    folder, steps = source(tmp_path, 4)
    change = find_changes(steps.sources.listing("notes"), steps.manifest)
    (folder / "late.txt").write_text("written after that listing")
    steps.refresh("notes")
    assert found(refresh(change, steps.manifest, shards=4)) == {}
    assert "late.txt" in rows(steps)


@pytest.mark.parametrize("within_a_run", [True, False])
def test_a_worker_that_looked_at_a_file_is_there_for_the_next_step_of_a_run(tmp_path, within_a_run):
    _, steps = source(tmp_path, 1)
    with wave.open(str(tmp_path / "notes" / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    with run_cache() if within_a_run else nullcontext():
        assert steps.refresh("notes").new == 1
        assert rows(steps)["a.wav"]["modality"] == "audio"
        assert steps.context.decoders is not None and len(steps.context.decoders._idle) == within_a_run


def test_the_marks_of_tables_are_read_once_a_look(tmp_path):
    _, steps = source(tmp_path, 1)
    read = []

    class Counted(Manifest):
        def table_marks(self, source: str) -> dict[str, str]:
            read.append(source)
            return super().table_marks(source)

    assert not find_changes(steps.sources.listing("notes"), Counted(steps.store)).has_changes
    assert read == ["notes"]


def test_very_many_new_items_follow_in_commits_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, steps = source(tmp_path, 3)
    monkeypatch.setattr("embed_assets.store.manifest.MOST_NEW", 2)
    (folder / "note-000.txt").unlink()
    for name in ("note-001.txt", "note-002.txt"):
        rewrite(folder / name, f"other words in {name}")
    for number in range(10, 16):
        (folder / f"note-{number:03d}.txt").write_text(f"new words {number}")
    before = steps.manifest.version
    assert found(steps.refresh("notes")) == {"new": 6, "edited": 2, "deleted": 1}
    assert steps.manifest.version == before + 4
    table = steps.store.open("manifest")
    known = {"note-000.txt", "note-001.txt", "note-002.txt"}
    keys_at = []
    for version in range(before + 1, before + 5):
        table.checkout(version)
        keys_at.append({row["key"] for row in table.search().to_list()} - known)
    assert [len(keys) for keys in keys_at] == [0, 2, 4, 6]  # in the first commit all that is replaced or deleted
    assert sorted(rows(steps)) == sorted(path.name for path in folder.iterdir())


def test_columns_are_counted_again_where_a_refresh_was_killed_between_its_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar, names = tmp_path / "sizes.jsonl", ("note-000.txt", "note-001.txt")
    sidecar.write_text("".join(json.dumps({"file": name, "size": 1}) + "\n" for name in names))
    folder, steps = source(tmp_path, 2, sidecar=str(sidecar))
    assert column_kinds(steps.manifest.state("notes").columns) == {"size": {"int": 2}}
    rewrite(sidecar, "".join(json.dumps({"file": name, "size": "large"}) + "\n" for name in names))
    write_notes(folder, 8)
    monkeypatch.setattr("embed_assets.store.manifest.MOST_NEW", 2)
    monkeypatch.setattr("embed_assets.manifest.refresh.MOST_NEW", 2)
    calls = []

    def killed(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return upsert(*arguments, **named)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("embed_assets.store.manifest.upsert", killed)
        steps.refresh("notes")
    steps.refresh("notes")
    assert len(rows(steps)) == 8
    assert column_kinds(steps.manifest.state("notes").columns) == {"size": {"text": 2}}
