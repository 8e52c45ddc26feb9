"""Several processes embed shards of one version, and one is killed as it writes: nothing is lost or doubled."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest

from embed_assets.pipeline.steps import Steps
from tests.faulty_s3 import Fault, FaultyS3, faulty_s3
from tests.s3_server import S3Server
from tests.support import NOT_ENCODABLE, note, pipeline, refresh_and_embed, rewrite, write_notes
from tests.writing import Rows, begin, killed_at, quarantined, rows_of, writers

pytestmark = pytest.mark.slow  # processes that are killed

KILLED, BESIDE = ("s00", "s01"), ("s02", "s03")  # shards of the one and of the other
COMPUTE = {"device": "cpu", "offline": True, "batch_tokens": 16, "flush_rows": 8, "cache_mb": 0}


def _vectors(path: str) -> bool:
    return "/words__" in path


def _data(path: str) -> bool:
    return _vectors(path) and "/data/" in path


def _commit(path: str) -> bool:
    return _vectors(path) and "/_versions/" in path


def _quarantine(path: str) -> bool:
    return "/quarantine.lance/_versions/" in path


def _deletion(path: str) -> bool:
    return _vectors(path) and "/_deletions/" in path


@dataclass(frozen=True)
class Phase:
    """The request with which a writer dies. `reset`: the server never has it; `lost`: it does it."""

    matching: Callable[[str], bool]
    fault: Fault
    occurrence: int = 1


PHASES = {
    "before the first commit": Phase(_data, "reset"),
    "between its fragments and their commit": Phase(_commit, "reset", 2),
    "after a commit": Phase(_commit, "lost", 2),
    "after what failed is in quarantine": Phase(_quarantine, "lost"),
    "between the deletion and its commit": Phase(_deletion, "lost"),
}


@dataclass(frozen=True)
class Begun:
    """A store with vectors, on whose media much has changed since: all that a run does is pending."""

    folder: Path
    plugin: Path
    rows: Rows  # of an undisturbed run
    quarantine: list[Any]

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {
            "store": str(self.folder / "store"),
            "sources": {"notes": {"uri": str(self.folder / "notes")}},
            "encoders": {"words": {"model": "words", "segment": {"max_tokens": 8}}},
            "compute": COMPUTE,
            "shards": 4,
            **changes,
        }

    def steps(self, **changes: Any) -> Steps:
        return pipeline(self.folder, **self.settings(**changes))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Iterator[Begun]:
    folder = tmp_path_factory.mktemp("writers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        made = Begun(folder, plugin_folder, {}, [])
        write_notes(folder / "notes", 64, length=24)
        steps = made.steps()
        refresh_and_embed(steps)
        files = sorted((folder / "notes").glob("*.txt"))
        for number, file in enumerate(files):
            if number % 8 == 1:
                rewrite(file, note(900 + number, length=30))
            elif number % 8 == 3:
                file.unlink()
            elif number % 8 == 5:
                rewrite(file, f"{NOT_ENCODABLE} {note(number)}")
        for number in range(24):
            (folder / "notes" / f"new-{number}.txt").write_text(note(2000 + number, length=24))
        steps.refresh("notes")
        record = steps.current_version("words")
        assert record is not None
        plan = steps.plan(record, shards=KILLED)
        assert len(plan.encode) > 12
        assert len(plan.replaced) > 2
        assert len(plan.delete) > 2
        shutil.copytree(folder / "store", folder / "undisturbed")
        undisturbed = made.steps(store=str(folder / "undisturbed"))
        undisturbed.embed(record)
        yield Begun(folder, plugin_folder, rows_of(undisturbed), quarantined(undisturbed))


@pytest.fixture
def proxies(s3: S3Server) -> Iterator[tuple[FaultyS3, FaultyS3]]:
    """A way to the server for each process, so that requests are known by whose they are."""
    with faulty_s3(s3) as one, faulty_s3(s3) as other:
        yield one, other


@pytest.mark.parametrize("phase", PHASES)
def test_a_writer_that_is_killed_loses_and_doubles_nothing_beside_another(
    phase: str, begun: Begun, proxies: tuple[FaultyS3, FaultyS3], bucket: str, tmp_path: Path, words: list[Any]
) -> None:
    behind, uri = proxies[0].behind, f"s3://{bucket}/lake"
    fsspec.filesystem("s3", **behind.storage_options).put(str(begun.folder / "store"), f"{bucket}/lake", recursive=True)
    wanted, started = PHASES[phase], []
    for proxy, shards in zip(proxies, (KILLED, BESIDE), strict=True):
        settings = tmp_path / f"{shards[0]}.yaml"
        settings.write_text(json.dumps(begun.settings(store=uri, storage_options=proxy.storage_options)))
        started.append((settings, shards))
    killed, beside = processes = writers(started, begun.plugin)
    proxies[0].fault = killed_at(killed, wanted.matching, occurrence=wanted.occurrence, fault=wanted.fault)
    begin(processes)
    assert killed.wait(timeout=120) == -9, "it ended by itself: the phase was never reached"
    assert beside.wait(timeout=120) == 0
    steps = begun.steps(store=uri, storage_options=behind.storage_options)
    left = rows_of(steps)
    assert {key for key, row in begun.rows.items() if left.get(key) == row}, "the writer beside wrote nothing"
    record = steps.current_version("words")
    assert record is not None
    steps.embed(record, shards=KILLED)
    assert rows_of(steps) == begun.rows
    assert quarantined(steps) == begun.quarantine
    assert steps.plan(record).fresh


def test_processes_that_embed_shards_of_one_version_at_once_write_every_row_once(
    begun: Begun, tmp_path: Path, words: list[Any]
) -> None:
    store = shutil.copytree(begun.folder / "store", tmp_path / "store")
    settings = tmp_path / "pipeline.yaml"
    settings.write_text(json.dumps(begun.settings(store=str(store), compute=COMPUTE | {"flush_rows": 2})))
    processes = writers([(settings, [shard]) for shard in (*KILLED, *BESIDE)], begun.plugin)
    begin(processes)
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    steps = begun.steps(store=str(store))
    assert rows_of(steps) == begun.rows
    assert quarantined(steps) == begun.quarantine
