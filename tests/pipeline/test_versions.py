"""Encoder versions over time: swapped, renamed and restored weights, canaries, versions that are kept fresh."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from embed_assets.errors import EncoderVersionError, PromotionError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.store.serving.releases import Release
from embed_assets.store.versions import VersionId, VersionRecord
from embed_assets.versions import load_version as loading
from tests.kept import Kept
from tests.support import note, pipeline, rewrite, run_all, table_versions, write_notes


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def own_model(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, kept: Kept) -> Steps:
    """A pipeline on a model folder of its own, embedded and promoted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run() -> None:
        shutil.copytree(tiny_bert, tmp_path / "model")
        write_notes(tmp_path / "notes", 5)
        run_all(of(tmp_path))

    kept.once("own-model", run)
    return of(tmp_path)


def current(steps: Steps) -> VersionRecord:
    record = steps.current_version("words")
    assert record is not None
    return record


def live(steps: Steps) -> Release:
    release = steps.store.serving.pointer("text").live
    assert release is not None
    return release


def canaries_of(steps: Steps) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    found = steps.store.canaries.get(VersionId("words", current(steps).version))
    assert found is not None
    return found


def of(folder: Path, *, model: str = "model", compute: dict | None = None, **encoder) -> Steps:
    compute = {"device": "cpu", "offline": True} | (compute or {})
    return pipeline(folder, encoders={"words": {"model": str(folder / model), **encoder}}, compute=compute)


def swap(folder: Path, *, scale: float = 1.5) -> None:
    """Other weights under the same name, as a training run leaves them."""
    from safetensors.numpy import load_file, save_file

    file = folder / "model" / "model.safetensors"
    weights = load_file(file)
    rows = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = rows[::-1].copy() * np.float32(scale)
    save_file(weights, file, metadata={"format": "pt"})
    loading.forget_models()  # another process would not have the old weights in memory


def found(steps: Steps, words: str, k: int = 5) -> list[tuple[str, float]]:
    searcher = Searcher(steps.store, compute=steps.settings.compute)
    return [(hit.key, hit.score or 0.0) for hit in searcher.search(words, space="text", k=k)]


def advance(steps: Steps) -> None:
    """What an automatic run does: every kept version is embedded, indexed, checked and served."""
    for source in steps.settings.sources:
        steps.refresh(source)
    steps.resolve("words")
    for record in reversed(steps.active_versions("words")):
        steps.embed(record)
        steps.index(record)
        steps.check(record)
        steps.serve(record, by="test")


def test_swapped_weights_make_a_candidate_while_live_answers_as_before(own_model, tmp_path):
    before = found(own_model, note(3))
    first = current(own_model)
    swap(tmp_path)
    resolved = own_model.resolve("words")
    assert resolved.is_new
    assert [change.partition(":")[0] for change in resolved.changes] == ["weights"]
    assert {"tokenizer", "pooling"} <= set(resolved.same)
    assert found(own_model, note(3)) == before  # asked with the model that the store kept
    assert [record.version for record in own_model.active_versions("words")] == [resolved.record.version, first.version]
    advance(own_model)
    serving = [release.encoder_version for release in own_model.store.serving.pointer("text").releases]
    assert serving == [resolved.record.version, first.version]


def test_without_kept_models_swapped_weights_are_refused_by_name(tmp_path, tiny_bert, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(tiny_bert, tmp_path / "model")
    write_notes(tmp_path / "notes", 5)
    steps = of(tmp_path, compute={"keep_models": False})
    run_all(steps)
    assert not (tmp_path / "store" / "models").exists()
    swap(tmp_path)
    with pytest.raises(EncoderVersionError, match=r"weights: \w{4}… → \w{4}….*Restore its files"):
        found(steps, "granite")
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(EncoderVersionError, match="Restore its files"):
        found(steps, "granite")


def test_a_model_that_was_renamed_is_the_same_version_and_writes_no_vector(own_model, tmp_path):
    before = current(own_model)
    tables = table_versions(own_model.store)
    (tmp_path / "model").rename(tmp_path / "renamed")
    loading.forget_models()
    steps = of(tmp_path, model="renamed")
    resolved = steps.resolve("words")
    assert not resolved.is_new
    assert resolved.record.version == before.version
    assert steps.plan(resolved.record).fresh
    assert {n for n, v in table_versions(steps.store).items() if v != tables[n]} == {"encoder_versions"}
    assert current(steps).spec.model == str(tmp_path / "renamed")
    assert found(steps, note(2))[0][0] == "note-002.txt"


@pytest.mark.slow
def test_new_media_reaches_the_candidate_the_live_and_the_previous_version(own_model, tmp_path):
    swap(tmp_path)
    advance(own_model)  # the swapped one is live, the first one previous
    write_notes(tmp_path / "notes", 6)
    rewrite(tmp_path / "notes" / "note-001.txt", "copper fennel ferry")
    advance(own_model)
    tables = {r.version: own_model.vectors(r).open().count_rows() for r in own_model.active_versions("words")}
    assert list(tables.values()) == [6, 6]
    assert all(
        own_model.plan(record).fresh and own_model.is_up_to_date(record)
        for record in own_model.active_versions("words")
    )
    before = table_versions(own_model.store)
    pointer = own_model.roll_back("text", by="me")
    assert pointer.live and pointer.live.rows == 6  # what roll-back returns to is fresh
    changed = {n: v - before[n] for n, v in table_versions(own_model.store).items() if v != before[n]}
    assert changed == {"serving": 1, "history": 1}
    assert found(own_model, "copper fennel ferry")[0][0] == "note-001.txt"


@pytest.mark.slow
def test_a_version_that_was_rolled_back_from_is_not_promoted_by_itself(own_model, tmp_path):
    first = current(own_model)
    swap(tmp_path)
    advance(own_model)
    own_model.roll_back("text", by="me")
    write_notes(tmp_path / "notes", 7)
    advance(own_model)
    pointer = own_model.store.serving.pointer("text")
    last = current(own_model).version
    assert [(release.encoder_version, release.rows) for release in pointer.releases] == [(first.version, 7), (last, 7)]
    assert pointer.held == (last,)
    own_model.promote(current(own_model), by="me")
    assert live(own_model).encoder_version == last
    assert own_model.store.serving.pointer("text").held == ()


def test_a_space_that_is_promoted_by_hand_leaves_the_candidate(own_model, tmp_path):
    by_hand = own_model.settings.model_copy(
        update={"spaces": pipeline(tmp_path, spaces={"text": {"promotion": "manual"}}).settings.spaces}
    )
    steps = Steps(by_hand)
    first = current(steps)
    swap(tmp_path)
    advance(steps)
    assert live(steps).encoder_version == first.version
    assert steps.is_up_to_date(current(steps))
    steps.promote(current(steps), by="me")
    assert live(steps).encoder_version != first.version


def test_weights_that_come_back_are_the_current_version_again(own_model, tmp_path, tiny_bert):
    first = current(own_model).version
    swap(tmp_path)
    advance(own_model)
    shutil.copy(tiny_bert / "model.safetensors", tmp_path / "model" / "model.safetensors")
    loading.forget_models()
    resolved = own_model.resolve("words")
    assert not resolved.is_new
    assert resolved.record.version == first
    assert current(own_model).version == first


def test_a_higher_generation_is_another_version(own_model, tmp_path):
    assert of(tmp_path, generation=2).resolve("words").is_new
    assert not of(tmp_path, generation=1).resolve("words", register=False).is_new


def test_planning_registers_nothing(own_model, tmp_path):
    tables = table_versions(own_model.store)
    swap(tmp_path)
    assert own_model.resolve("words", register=False).is_new
    assert table_versions(own_model.store) == tables


def test_canaries_that_moved_stop_the_run_before_it_writes(own_model, tmp_path):
    record = current(own_model)
    canaries = own_model.store.canaries
    vectors, libraries = canaries_of(own_model)
    assert vectors["text"].shape == (4, 32)
    moved = {"text": vectors["text"] + np.float32(1e-3)}
    canaries.put(record.id, moved, libraries | {"torch": "1.0"})  # as an upgrade of torch would
    write_notes(tmp_path / "notes", 6)
    rows = own_model.vectors(record).open().version
    steps = of(tmp_path)
    steps.refresh("notes")
    with pytest.raises(EncoderVersionError, match=r"text by 1\.0e-03; allowed 1e-05.*torch 1\.0 → .*generation by one"):
        steps.embed(record)
    assert own_model.vectors(record).open().version == rows


def test_canaries_within_the_noise_are_no_movement(own_model, tmp_path):
    record = current(own_model)
    canaries = own_model.store.canaries
    vectors, libraries = canaries_of(own_model)
    canaries.put(VersionId("words", record.version), {"text": vectors["text"] + np.float32(5e-7)}, libraries)
    write_notes(tmp_path / "notes", 6)
    steps = of(tmp_path)
    steps.refresh("notes")
    assert steps.embed(record).total("embedded") == 1


def test_equal_files_and_canaries_under_other_libraries_are_the_same_version(own_model, tmp_path):
    """Another library version hashes the same files otherwise: nothing is encoded again."""
    record = current(own_model)
    versions = own_model.store.versions
    vectors, libraries = canaries_of(own_model)
    versions.remove(VersionId("words", record.version))
    older = replace(record, version="0123456789ab", libraries=libraries | {"transformers": "4.0"})
    versions.add(older)
    assert own_model.resolve("words", register=False).is_new  # no canaries of it: another version
    own_model.store.canaries.put(VersionId("words", older.version), vectors, older.libraries)
    resolved = own_model.resolve("words")
    assert (resolved.is_new, resolved.record.version, resolved.record.aliases) == (
        False, "0123456789ab", (record.version,),
    )  # fmt: skip
    assert own_model.encoder(current(own_model)).dim == 32
    tables = table_versions(own_model.store)
    assert not own_model.resolve("words").is_new
    assert table_versions(own_model.store) == tables


def test_other_files_under_other_libraries_are_another_version(own_model, tmp_path):
    record = current(own_model)
    versions = own_model.store.versions
    vectors, libraries = canaries_of(own_model)
    versions.remove(VersionId("words", record.version))
    files = dict(record.files) | {"config.json": "0" * 64}
    versions.add(replace(record, version="0123456789ab", libraries=libraries | {"transformers": "4.0"}, files=files))
    own_model.store.canaries.put(VersionId("words", "0123456789ab"), vectors, libraries)
    assert own_model.resolve("words").is_new


def test_kept_models_are_copied_once_and_cleaned_when_nothing_wants_them(own_model, tmp_path):
    kept = own_model.store.model_copies
    record = current(own_model)
    blobs = sorted(path.name for path in (tmp_path / "store" / "models").iterdir())
    assert blobs == sorted(set(record.files.values()))
    swap(tmp_path)
    other = own_model.resolve("words").record
    grown = sorted(path.name for path in (tmp_path / "store" / "models").iterdir())
    assert len(grown) == len(blobs) + 1  # the tokenizer and the config are the same files
    now = datetime.now(UTC)
    assert kept.clean(set(other.files.values()), before=now - timedelta(hours=1)) == 0  # may be of a new version
    freed = kept.clean(set(other.files.values()), before=now + timedelta(hours=1))
    assert freed == (tmp_path / "model" / "model.safetensors").stat().st_size
    assert kept.folder(record.files) is None
    folder = kept.folder(other.files)
    assert folder is not None
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == sorted(other.files)


def test_the_loser_of_two_roll_backs_is_reported(own_model, tmp_path):
    with pytest.raises(PromotionError, match="no previous release"):
        own_model.roll_back("text", by="me")


def test_a_kept_version_is_loaded_by_its_canaries_where_other_libraries_hash_its_files_otherwise(own_model, tmp_path):
    """Live's model after an upgrade, while the settings mean another version."""
    record = current(own_model)
    versions, canaries = own_model.store.versions, own_model.store.canaries
    vectors, libraries = canaries_of(own_model)
    versions.remove(VersionId("words", record.version))
    older = replace(record, version="0123456789ab", libraries=libraries | {"transformers": "4.0"})
    versions.add(older)
    with pytest.raises(EncoderVersionError):
        own_model.encoder(older)  # no canaries of it
    canaries.put(VersionId("words", older.version), {"text": vectors["text"] + np.float32(1e-3)}, older.libraries)
    with pytest.raises(EncoderVersionError):
        own_model.encoder(older)  # they moved
    canaries.put(VersionId("words", older.version), vectors, older.libraries)
    assert own_model.encoder(older).dim == 32
    swap(tmp_path)
    assert own_model.encoder(older).dim == 32  # the store's copy
