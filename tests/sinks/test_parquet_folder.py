"""Parquet sinks: read as any tool reads a folder; parts without changes stay as they are; buckets."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

from embed_assets.errors import SinkError
from embed_assets.settings import SinkSettings
from embed_assets.sinks.export_folder import ExportFolder
from embed_assets.sinks.kinds.parquet_folder import _Part
from embed_assets.store.saved_settings import save_settings
from embed_assets.store.store import Store
from tests.s3_server import S3Server
from tests.sinks.export_contract import SinkContract, assert_holds, build, changed, export_killed_after, files
from tests.support import rewrite, run_all, settings


class TestParquet(SinkContract):
    sink: ClassVar[dict[str, Any]] = {"kind": "parquet"}

    def read(self, folder: Path) -> dict[str, dict[str, Any]]:
        rows = pq.read_table(folder / "sink").to_pylist()
        assert len({row["segment_id"] for row in rows}) == len(rows)
        return {row["segment_id"]: row for row in rows}

    def remove_by_hand(self, folder: Path) -> None:
        next((folder / "sink").glob("part-*")).unlink()

    def test_only_parts_with_changes_are_rewritten(self, folder: Path) -> None:
        self.export(folder)
        before = files(folder / "sink")
        rewrite(folder / "notes" / "note-001.txt", "boat harbour tide")
        run_all(self.steps(folder))
        self.export(folder)
        after = files(folder / "sink")
        assert len(before.keys() - after.keys()) == 1  # the part of its shard
        kept = {name: at for name, at in after.items() if name in before and "manifest" not in name}
        assert len(kept) >= 2 and all(before[name] == at for name, at in kept.items())

    def test_the_manifest_says_what_the_folder_holds(self, folder: Path) -> None:
        found = self.export(folder)
        manifest = json.loads((folder / "sink" / "_manifest.json").read_text())
        assert (manifest["release"], manifest["rows"], manifest["dim"]) == (found.release, found.rows, 32)
        assert sum(facts["rows"] for facts in manifest["files"].values()) == found.rows
        sizes = {file.name: file.stat().st_size for file in (folder / "sink").glob("part-*")}
        assert {name: facts["bytes"] for name, facts in manifest["files"].items()} == sizes

    def test_a_part_of_another_size_is_seen(self, folder: Path) -> None:
        self.export(folder)
        part = next((folder / "sink").glob("part-*"))
        part.write_bytes(part.read_bytes() + b"more")
        assert self.export(folder).whole == "the sink is not as an export left it"

    def test_files_of_others_stay(self, folder: Path) -> None:
        self.export(folder)
        (folder / "sink" / "_notes.txt").write_text("mine")
        self.export(folder, whole=True)
        assert (folder / "sink" / "_notes.txt").read_text() == "mine"

    def test_some_columns_alone(self, folder: Path) -> None:
        chosen = {"space": "words", "uri": str(folder / "sink"), "kind": "parquet", "columns": ["year", "text"]}
        changed(folder, sinks={"out": chosen}).export("out")
        assert pq.read_table(folder / "sink").schema.names == ["segment_id", "media_id", "text", "year", "vector"]
        found = self.export(folder)
        assert found.whole == "another encoder version, other columns or settings"

    def test_readers_see_nothing_of_a_killed_export_and_the_next_removes_its_files(self, folder: Path) -> None:
        self.export(folder)
        before = self.read(folder)
        rewrite(folder / "notes" / "note-001.txt", "boat harbour tide")
        steps = self.steps(folder)
        run_all(steps)
        export_killed_after(steps, "close", of=_Part)
        assert len(list((folder / "sink").glob("_part-*"))) == 1
        assert self.read(folder) == before
        self.export(folder)
        manifest = json.loads((folder / "sink" / "_manifest.json").read_text())
        assert {each.name for each in (folder / "sink").iterdir()} == {"_manifest.json", *manifest["files"]}

    def test_an_empty_release_leaves_an_empty_table(self, folder: Path) -> None:
        steps = self.steps(folder, accept_deletions=True)
        steps.export("out")
        for note in (folder / "notes").glob("*.txt"):
            note.unlink()
        run_all(steps)
        found = steps.export("out")
        assert found.rows == 0 and pq.read_table(folder / "sink").num_rows == 0


def test_a_bucket_holds_the_same(tmp_path: Path, words: list[Any], s3: S3Server, bucket: str) -> None:
    build(tmp_path)
    sink = {"space": "words", "kind": "parquet", "uri": f"s3://{bucket}/out", "storage_options": s3.storage_options}
    steps = changed(tmp_path, sinks={"out": sink})
    steps.export("out")
    rewrite(tmp_path / "notes" / "note-001.txt", "boat harbour tide")
    run_all(steps)
    found = steps.export("out")
    assert (found.written, found.whole) == (1, None)
    assert not steps.export("out").changed
    assert_holds(_of_bucket(sink), steps)


def _of_bucket(sink: dict[str, Any]) -> dict[str, dict[str, Any]]:
    import fsspec.core

    fs, root = fsspec.core.url_to_fs(sink["uri"], **sink["storage_options"])
    manifest = json.loads(fs.cat_file(f"{root}/_manifest.json"))
    found = {}
    for name in manifest["files"]:
        with fs.open(f"{root}/{name}") as file:
            found |= {row["segment_id"]: row for row in pq.read_table(file).to_pylist()}
    return found


def test_the_second_of_two_exports_at_once_is_refused(tmp_path: Path) -> None:
    sink = SinkSettings(space="words", kind="parquet", uri=str(tmp_path / "sink"))
    first, second = (ExportFolder("out", sink) for _ in range(2))
    first.begin()
    second.begin()
    first.finish({"export": "a"}, {})
    with pytest.raises(SinkError, match="another export has written it meanwhile"):
        second.finish({"export": "b"}, {})
    assert first.held() == "a"


def test_a_secret_of_a_sink_is_written_nowhere(tmp_path: Path) -> None:
    sink = {"space": "words", "kind": "parquet", "uri": "s3://me:pw@b/x", "storage_options": {"secret": "hush"}}
    made = settings(tmp_path, sinks={"out": sink})
    save_settings(Store(made.store), made)
    text = (tmp_path / "store" / "pipeline.yaml").read_text()
    assert "hush" not in text and "pw" not in text
