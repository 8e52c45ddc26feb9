"""Steps on a folder of real files: cost follows change, accounts close, a killed run loses little."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import SettingsError, SourceError, StoreError, UnknownEncoderError
from embed_assets.manifest.refresh import shard_names
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.pipeline.status import SourceStatus, read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.store.versions import VersionId
from tests.support import (
    NOT_ENCODABLE,
    REPOSITORY,
    all_rows,
    note,
    picture,
    pipeline,
    refresh_and_embed,
    rewrite,
    rows_by_key,
    run_all,
    table_versions,
    touch,
    write_notes,
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
@pytest.mark.slow
def test_the_next_run_does_what_changed_and_nothing_else(tmp_path, tiny_bert):
    notes = write_notes(tmp_path / "notes", 200)
    steps = pipeline(tmp_path, encoders={"words": {"model": str(tiny_bert)}})
    run_all(steps)
    before = rows_by_key(steps)

    rewrite(notes / "note-010.txt", "an edited note about granite and velvet.")
    (notes / "added.txt").write_text("an added note about willow and winter.")
    (notes / "note-020.txt").unlink()
    (notes / "note-030.txt").rename(notes / "renamed.txt")
    rewrite(notes / "note-040.txt", b"\x00\x01\x02\xff" * 50)
    report = refresh_and_embed(steps)

    after = rows_by_key(steps)
    encoded = {key for key, row in after.items() if row["embedded_at"] > before["note-000.txt"]["embedded_at"]}
    assert encoded == {"note-010.txt", "added.txt"}
    assert report.segments_encoded == 2
    assert set(before) - set(after) == {"note-020.txt", "note-030.txt", "note-040.txt"}
    old, new = before["note-030.txt"], after["renamed.txt"]
    assert new["vector"] == old["vector"]
    assert new["segment_id"] == old["segment_id"]
    assert new["uri"] == str(notes / "renamed.txt")
    kept = set(before) & set(after) - {"note-010.txt"}
    assert len(kept) == 196
    assert all(after[key] == before[key] for key in kept)

    shown = read_status(steps)
    why = {unsupported("application/octet-stream"): 1}
    assert shown.sources == (
        SourceStatus(source="notes", encoder="words", embedded=2, unchanged=197, quarantined=1, deleted=1, reasons=why),
    )
    assert shown.encoders[0].stale == 0


def test_a_second_run_encodes_nothing_and_writes_nothing(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    steps = pipeline(tmp_path)
    run_all(steps)
    before = table_versions(steps.store)
    words.clear()
    report = refresh_and_embed(steps)
    record = steps.resolve("words").record
    indexed = steps.index(record)
    steps.promote(record, by="test")
    assert words == []
    assert table_versions(steps.store) == before
    assert report.items == {"notes": {"unchanged": 40}}
    assert indexed.release.table_version == before[record.table]


def test_a_touched_file_is_not_encoded_again(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    before = steps.store.open(steps.resolve("words").record.table).version
    touch(notes / "note-001.txt")
    refresh_and_embed(steps)
    assert len(words) == 3
    assert steps.store.open(steps.resolve("words").record.table).version == before


def test_identical_bytes_under_two_names_are_encoded_once(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    (notes / "copy.txt").write_bytes((notes / "note-001.txt").read_bytes())
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    assert sorted(words) == sorted(note(number) for number in range(3))
    found = rows_by_key(steps)
    assert found["copy.txt"]["vector"] == found["note-001.txt"]["vector"]
    (notes / "late-copy.txt").write_bytes((notes / "note-002.txt").read_bytes())
    report = refresh_and_embed(steps)
    assert len(words) == 3
    assert report.total("embedded") == 0
    assert report.total("reused") == 1
    assert rows_by_key(steps)["late-copy.txt"]["vector"] == found["note-002.txt"]["vector"]


def test_of_an_edited_long_text_only_the_changed_chunks_are_encoded(tmp_path, words):
    notes = tmp_path / "notes"
    notes.mkdir()
    parts = [note(number, length=25) for number in range(6)]
    (notes / "long.txt").write_text("\n\n".join(parts))
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    assert words == parts
    words.clear()
    parts[3] = note(99, length=25)
    rewrite(notes / "long.txt", "\n\n".join(parts[:5]))
    report = refresh_and_embed(steps)
    assert words == [parts[3]]
    assert report.segments_encoded == 1
    assert report.segments_reused == 4
    rows = sorted(all_rows(steps), key=lambda row: row["start"])
    assert [row["text"] for row in rows] == parts[:5]
    assert {row["segment_count"] for row in rows} == {5}


def test_chosen_shards_embed_their_own_items_only(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    steps = pipeline(tmp_path)
    steps.refresh("notes")
    record = steps.resolve("words").record
    first, *others = shard_names(4)
    report = steps.embed(record, shards={first})
    own = [row for row in steps.manifest.rows("notes") if row["shard"] == first]
    assert 0 < len(own) < 40
    assert len(words) == report.total("embedded") == len(own)
    assert {row["shard"] for row in all_rows(steps)} == {first}
    steps.embed(record, shards=set(others))
    assert len(words) == len(all_rows(steps)) == 40


def test_chosen_shards_delete_nothing_of_the_others(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 40)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    shard_of = {row["key"]: row["shard"] for row in all_rows(steps)}
    gone = sorted(notes.iterdir())[:10]
    for file in gone:
        file.unlink()
    report = refresh_and_embed(steps, shards={"s01"})
    expected = sum(shard_of[file.name] == "s01" for file in gone)
    assert report.total("deleted") == expected
    assert len(all_rows(steps)) == 40 - expected


def test_one_undecodable_picture_does_not_take_its_batch_down(tmp_path, words):
    (tmp_path / "notes").mkdir()
    for seed in range(6):
        (tmp_path / "notes" / f"{seed}.png").write_bytes(picture(seed))
    broken = picture(9, side=64)
    (tmp_path / "notes" / "broken.png").write_bytes(broken[: len(broken) // 2])
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["image"]}})
    report = refresh_and_embed(steps)
    assert report.items == {"notes": {"embedded": 6, "quarantined": 1}}
    assert report.reasons == {"notes": {"broken image": 1}}
    assert set(rows_by_key(steps)) == {f"{seed}.png" for seed in range(6)}


def test_an_item_without_a_finite_vector_is_quarantined_until_its_bytes_change(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    (notes / "bad.txt").write_text(f"a {NOT_ENCODABLE} text")
    steps = pipeline(tmp_path)
    assert refresh_and_embed(steps).reasons == {"notes": {"vector not finite": 1}}
    words.clear()
    assert refresh_and_embed(steps).items == {"notes": {"unchanged": 3, "quarantined": 1}}
    assert words == []
    rewrite(notes / "bad.txt", "a good text")
    assert refresh_and_embed(steps).items == {"notes": {"unchanged": 3, "embedded": 1}}
    assert words == ["a good text"]


def test_an_item_that_stops_being_encodable_loses_its_old_rows(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    rewrite(notes / "note-001.txt", f"now {NOT_ENCODABLE}")
    assert refresh_and_embed(steps).items == {"notes": {"unchanged": 2, "quarantined": 1}}
    assert set(rows_by_key(steps)) == {"note-000.txt", "note-002.txt"}
    assert steps.plan(steps.resolve("words").record).fresh


def test_a_quarantined_item_is_retried_once_it_is_cleared(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 1)
    (notes / "bad.txt").write_text(NOT_ENCODABLE)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    words.clear()
    assert steps.store.quarantine(steps.resolve("words").record.table).clear() == 1
    refresh_and_embed(steps)
    assert words == [NOT_ENCODABLE]


def test_a_new_label_is_written_without_encoding(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    sidecar = tmp_path / "labels.csv"
    sidecar.write_text("file,label,caption\nnote-001.txt,old,\n")
    sources = {"notes": {"uri": str(notes), "sidecar": str(sidecar)}}
    steps = pipeline(tmp_path, sources=sources)
    refresh_and_embed(steps)
    before = rows_by_key(steps)["note-001.txt"]
    sidecar.write_text("file,label,caption\nnote-001.txt,new,a caption\n")
    report = refresh_and_embed(steps)
    after = rows_by_key(steps)["note-001.txt"]
    assert len(words) == 3
    assert report.items == {"notes": {"unchanged": 3, "rewritten": 1}}
    assert before["labels"] == ["old"]
    assert after["labels"] == ["new"]
    assert after["vector"] == before["vector"]
    assert after["text"] == before["text"]
    assert after["embedded_at"] == before["embedded_at"]


def test_every_outcome_of_a_run_is_counted_once(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 20)
    (notes / "bad.txt").write_text(NOT_ENCODABLE)
    (notes / "data.bin").write_bytes(b"\x00\x01\x02\xff" * 8)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    (notes / "note-000.txt").unlink()
    rewrite(notes / "note-001.txt", "edited")
    (notes / "copy.txt").write_text((notes / "note-002.txt").read_text())
    items = refresh_and_embed(steps).items["notes"]
    assert items == {"unchanged": 18, "embedded": 1, "reused": 1, "quarantined": 1, "deleted": 1}
    of_no_kind = read_status(steps).sources[1]
    assert of_no_kind.encoder == ""
    assert of_no_kind.quarantined == 1


def test_items_of_a_kind_that_the_encoder_does_not_read_are_left_alone(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 2)
    (notes / "photo.png").write_bytes(picture(1))
    steps = pipeline(tmp_path)
    assert refresh_and_embed(steps).items == {"notes": {"embedded": 2}}


@pytest.mark.slow
def test_a_smaller_chunk_is_another_encoder_version_beside_the_old(tmp_path, words):
    write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    run_all(steps)
    cut = pipeline(tmp_path, encoders={"words": {"model": "words", "segment": {"max_tokens": 8}}})
    found = cut.resolve("words")
    assert found.is_new
    assert list(found.changes) == ["segment.max_tokens: None → 8"]
    run_all(cut)
    pointer = steps.store.serving.pointer("words")
    assert pointer.live and pointer.previous
    assert pointer.live.rows == len(all_rows(cut))
    assert pointer.previous.rows == len(all_rows(steps))
    assert len(all_rows(cut)) > len(all_rows(steps)) == 3


def test_a_known_encoder_is_loaded_from_the_model_that_its_declaration_names(tmp_path, words, plugin_folder):
    record = pipeline(tmp_path).resolve("words").record
    assert record.spec.model == str(plugin_folder / "weights")
    assert record.spec.name == "words"


def test_an_embedded_model_is_recorded_by_its_name_and_not_by_a_path_of_this_machine(tmp_path, words):
    record = pipeline(tmp_path, encoders={"pictures": {"model": "embedded:clip"}}).resolve("pictures").record
    assert record.spec.model == "embedded:clip"


def test_an_encoder_is_not_fed_what_it_cannot_encode(tmp_path, words):
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["audio"]}})
    with pytest.raises(
        SettingsError, match=r"encoders\.words\.media: words can't encode audio; it encodes text, image"
    ):
        steps.resolve("words")


def test_an_unknown_encoder_suggests_the_nearest(tmp_path, words):
    with pytest.raises(UnknownEncoderError, match="Did you mean 'words'"):
        pipeline(tmp_path, encoders={"words": {"model": "word"}}).resolve("words")


def test_steps_in_the_wrong_order_say_which_comes_first(tmp_path, words):
    write_notes(tmp_path / "notes", 1)
    steps = pipeline(tmp_path)
    record = steps.resolve("words").record
    with pytest.raises(StoreError, match="embed first"):
        steps.index(record)
    with pytest.raises(StoreError, match="index it first"):
        steps.check(record)
    with pytest.raises(StoreError, match="index it first"):
        steps.promote(record, by="test")
    with pytest.raises(StoreError, match="no version 'other'"):
        steps.version(VersionId("words", "other"))


def test_a_source_that_is_not_there_deletes_nothing(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    notes.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="does not exist"):
        steps.refresh("notes")
    assert len(all_rows(steps)) == 3


@pytest.mark.slow
def test_text_and_pictures_go_into_one_space_of_two_modalities(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 2)
    (notes / "photo.png").write_bytes(picture(1))
    steps = pipeline(tmp_path, encoders={"words": {"model": "words", "media": ["text", "image"]}})
    run_all(steps)
    assert {row["modality"] for row in all_rows(steps)} == {"text", "image"}
    assert Searcher(steps.store).search(picture(1), space="words")[0].key == "photo.png"


@pytest.mark.slow
def test_the_whole_pipeline_runs_on_a_bucket(tmp_path, words, s3, bucket):
    client = s3.client()
    for number in range(12):
        client.put_object(Bucket=bucket, Key=f"media/{number:02d}.txt", Body=note(number).encode())
    options = s3.storage_options
    steps = pipeline(
        tmp_path,
        store=f"s3://{bucket}/lake",
        storage_options=options,
        sources={"notes": {"uri": f"s3://{bucket}/media", "storage_options": options}},
    )
    run_all(steps)
    assert Searcher(steps.store).search(note(7), space="words")[0].uri == f"s3://{bucket}/media/07.txt"

    client.put_object(Bucket=bucket, Key="media/07.txt", Body=b"an edited note")
    client.delete_object(Bucket=bucket, Key="media/08.txt")
    words.clear()
    run_all(steps)
    assert words == ["an edited note"]
    assert Searcher(steps.store).search("edited note", space="words", k=1)[0].key == "07.txt"
    before = table_versions(steps.store)
    refresh_and_embed(steps)
    assert table_versions(steps.store) == before


_KILLED = """
import sys
from pathlib import Path
from tests.support import pipeline, refresh_and_embed
refresh_and_embed(pipeline(Path(sys.argv[1]), **{settings}))
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_is_finished_by_the_next(tmp_path, words, plugin_folder):
    notes = write_notes(tmp_path / "notes", 300)
    compute = {"device": "cpu", "offline": True, "batch_tokens": 8, "flush_rows": 10}
    slow = {"compute": compute, "encoders": {"words": {"model": "slow-words"}}}
    environ = os.environ | {"PYTHONPATH": f"{plugin_folder}{os.pathsep}{REPOSITORY}"}
    program = _KILLED.replace("{settings}", repr(slow))
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environ)
    steps = pipeline(tmp_path, compute=compute)
    _wait_for_commits(steps, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL

    kept = {row["segment_id"] for row in all_rows(steps)}
    assert 0 < len(kept) < 300
    report = refresh_and_embed(steps)
    assert report.total("unchanged") == len(kept)
    assert report.total("embedded") == 300 - len(kept)
    assert len(words) == 300 - len(kept)

    undisturbed = pipeline(tmp_path, store=str(tmp_path / "other"), sources={"notes": {"uri": str(notes)}})
    refresh_and_embed(undisturbed)
    assert _without_time(all_rows(steps)) == _without_time(all_rows(undisturbed))


def _wait_for_commits(steps: Steps, process: subprocess.Popen[bytes]) -> None:
    table = steps.resolve("words").record.table
    patience = time.monotonic() + 120
    while time.monotonic() < patience and process.poll() is None:
        found = steps.store.open_or_none(table)
        if found is not None and found.count_rows() >= 30:
            return
        time.sleep(0.02)
    raise AssertionError("the other process committed nothing")


def _without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "embedded_at"} for row in rows]


def test_float16_vectors_are_of_unit_length_and_near_the_encoders_own(tmp_path, words):
    write_notes(tmp_path / "notes", 5)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    encoder = steps.encoder(steps.resolve("words").record)
    for row in all_rows(steps):
        own = encoder.encode([encoder.prepare("text", row["text"])])[0]
        assert np.abs(np.array(row["vector"]) - own).max() < 1e-3


def test_the_library_below_the_assets_imports_no_dagster():
    found = []
    for file in sorted((REPOSITORY / "embed_assets").rglob("*.py")):
        if file.relative_to(REPOSITORY / "embed_assets").parts[0] in ("assets", "cli", "component.py", "location.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            above = [name for name in names if name.split(".")[0] in ("dagster", "jobs", "resources")]
            above += [name for name in names if name.startswith(("embed_assets.assets", "embed_assets.cli"))]
            found += [f"{file.name}: {name}" for name in above]
    assert found == []


def test_importing_the_steps_loads_no_model_and_no_database():
    heavy = ("torch", "transformers", "sentence_transformers", "lancedb", "lance", "dagster", "PIL", "s3fs")
    heavy += ("http.client", "ssl")
    loaded = "embed_assets.pipeline.steps, embed_assets.pipeline.status"
    code = f"import sys, {loaded}; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_source_by_another_name_keeps_its_vectors(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 6)
    run_all(pipeline(tmp_path))
    words.clear()
    steps = pipeline(tmp_path, sources={"texts": {"uri": str(notes)}})
    report = refresh_and_embed(steps)
    assert report.total("reused") == 6
    assert report.total("deleted") == 6
    assert words == []
    record = steps.resolve("words").record
    assert steps.plan(record).fresh
    assert {row["source"] for row in all_rows(steps)} == {"texts"}


def test_the_accounts_are_those_of_the_table_version_that_is_checked(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 6)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    record = steps.resolve("words").record
    release = steps.index(record).release
    (notes / "late.txt").write_text(note(99))
    refresh_and_embed(steps)  # another run, before the checks
    checked, verdicts = steps.check(record)
    assert checked.key == release.key
    (accounts,) = (verdict for verdict in verdicts if verdict.name == "accounts")
    assert not accounts.passed
    assert accounts.figures["missing"] == 1


@pytest.mark.slow
def test_other_settings_of_index_and_checks_are_no_news_to_the_vectors_but_to_all_behind_them(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    index = {"min_rows": 30, "rows_per_partition": 16}
    first = pipeline(tmp_path, index=index)
    run_all(first)
    record = first.resolve("words").record
    assert first.is_up_to_date(record)
    words.clear()
    changes: list[dict[str, Any]] = [
        {"index": index | {"num_bits": 8}},
        {"index": index, "checks": {"min_ann_recall": 0.5}},
        {"index": index, "spaces": {"words": {"min_ndcg": 0.1}}},
    ]
    for changed in changes:
        steps = pipeline(tmp_path, **changed)
        assert steps.plan(record).fresh and not steps.is_up_to_date(record)
        before = steps.store.serving.pointer("words")
        steps.index(record)
        steps.check(record)
        after = steps.serve(record, by="test")
        assert after.generation == before.generation + 1
        assert after.live is not None and before.live is not None
        assert after.live.identity != before.live.identity
        assert steps.is_up_to_date(record)
    assert [text for text in words if text.startswith("note")] == []


def test_an_index_of_other_settings_is_built_again(tmp_path, words):
    write_notes(tmp_path / "notes", 40)
    run_all(pipeline(tmp_path, index={"min_rows": 30, "rows_per_partition": 16}))
    steps = pipeline(tmp_path, index={"min_rows": 30, "rows_per_partition": 20})
    record = steps.resolve("words").record
    before = steps.index(record).release.table_version
    stats = steps.store.dataset(record.table).stats.index_stats("vector_idx")
    assert sum(len(index["partitions"]) for index in stats["indices"]) == 2
    assert steps.index(record).release.table_version == before


def test_the_manifest_is_the_stores_again_where_a_plan_failed(unprivileged):
    write_notes(unprivileged / "notes", 1)
    steps = pipeline(unprivileged)
    steps.refresh("notes")
    kept = steps.manifest
    (unprivileged / "store").chmod(0o500)
    with pytest.raises(KeyError), steps.scratch_manifest():
        assert steps.manifest is not kept
        raise KeyError
    assert steps.manifest is kept
