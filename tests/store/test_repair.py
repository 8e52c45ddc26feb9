"""Damaged tables: named with what is wrong, brought back or made anew, and the next run ends as if nothing had been."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from embed_assets.errors import StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.store.store import Store
from embed_assets.store.upkeep.repair import find_damage, repair
from tests.kept import Kept
from tests.support import all_rows, note, pipeline, rewrite, run_all, write_notes

TABLES = ("canaries", "encoder_versions", "history", "manifest", "releases", "serving", "words__")


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def store(tmp_path: Path, words: list, kept: Kept) -> Path:
    """A store that two runs have written: each table has several versions."""

    def run_twice() -> None:
        write_notes(tmp_path / "notes", 6)
        run_all(pipeline(tmp_path))
        rewrite(tmp_path / "notes" / "note-002.txt", note(40))
        run_all(pipeline(tmp_path))

    kept.once("store", run_twice)
    return tmp_path / "store"


def rows(steps: Steps) -> dict[str, tuple[str, str]]:
    found = all_rows(steps)
    made = {row["key"]: (row["content_hash"], str(row["vector"])) for row in found}
    assert len(made) == len(found)
    return made


def damaged(store: Path, table: str) -> Path:
    """A copy of the store, and the folder of a table in it: of another path, so that nothing of it is in a cache."""
    copy = Path(shutil.copytree(store, store.with_name("damaged")))
    return next(folder for folder in copy.glob(f"{table}*.lance") if "queries" not in folder.name)


def cut_version(table: Path) -> None:
    latest = min((table / "_versions").glob("*.manifest"))
    latest.write_bytes(latest.read_bytes()[:20])


def cut_all_versions(table: Path) -> None:
    for file in (table / "_versions").glob("*.manifest"):
        file.write_bytes(file.read_bytes()[:20])


def cut_data(table: Path) -> None:
    for file in (table / "data").glob("*.lance"):
        file.write_bytes(file.read_bytes()[:30])


def remove_data(table: Path) -> None:
    newest = max((table / "data").glob("*.lance"), key=lambda file: file.stat().st_mtime_ns)
    newest.unlink()


@pytest.mark.parametrize("damage", [cut_version, cut_all_versions, cut_data, remove_data])
@pytest.mark.parametrize(
    "table", ["words__", *(pytest.param(name, marks=pytest.mark.slow) for name in TABLES if name != "words__")]
)
def test_a_damaged_table_is_named_and_repaired_and_the_next_run_completes_it(
    damage: Callable[[Path], None], table: str, store: Path, tmp_path: Path
) -> None:
    expected = rows(pipeline(tmp_path))
    folder = damaged(store, table)
    damage(folder)
    opened = Store(str(folder.parent))
    (found,) = find_damage(opened)
    assert found.table == folder.stem
    assert "can't be read" in found.what
    (mended,) = repair(opened)
    assert mended.way.startswith(("version ", "no version can be read"))
    assert find_damage(opened) == []
    steps = pipeline(tmp_path, store=str(folder.parent))
    run_all(steps)
    assert rows(steps) == expected
    (hit,) = Searcher(steps.store, compute=steps.settings.compute).search(note(40), space="words", k=1)
    assert hit.key == "note-002.txt"


def test_a_sound_store_has_no_damage_and_is_left_alone(store: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in store.rglob("*") if file.is_file()}
    assert repair(Store(str(store))) == []
    assert {file: file.stat().st_mtime_ns for file in store.rglob("*") if file.is_file()} == before


def test_a_table_whose_latest_version_was_lost_is_indexed_and_checked_again(store: Path, tmp_path: Path) -> None:
    folder = damaged(store, "words__")
    cut_version(folder)
    repair(Store(str(folder.parent)))
    steps = pipeline(tmp_path, store=str(folder.parent))
    record = steps.current_version("words")
    assert record is not None
    assert not steps.is_up_to_date(record)  # its number, which the release names, may not come again with other rows


def test_rows_of_a_table_that_a_restored_manifest_lacks_are_read_again(tmp_path: Path, words: list) -> None:
    (tmp_path / "notes").mkdir()
    table = tmp_path / "notes" / "rows.csv"
    source = {"notes": {"uri": str(tmp_path / "notes"), "table": {"text": "text"}}}
    table.write_text("text\namber anchor\n")
    run_all(pipeline(tmp_path, sources=source))
    table.write_text("text\namber anchor\ncopper ferry\n")
    run_all(pipeline(tmp_path, sources=source))
    folder = damaged(tmp_path / "store", "manifest")
    cut_version(folder)
    repair(Store(str(folder.parent)))
    steps = pipeline(tmp_path, sources=source, store=str(folder.parent))
    steps.refresh("notes")
    assert sorted(row["status"] for row in steps.manifest.rows("notes")) == ["ok", "ok"]


def test_where_no_table_can_be_read_nothing_is_touched(store: Path) -> None:
    folder = damaged(store, "manifest").parent
    for table in folder.glob("*.lance"):
        cut_all_versions(table)
    before = sorted(folder.iterdir())
    with pytest.raises(StoreError, match=r"No table of store .* can be read .* Nothing was changed"):
        repair(Store(str(folder)))
    assert sorted(folder.iterdir()) == before


def test_what_is_the_machines_fault_is_no_damage(store: Path) -> None:
    folder = damaged(store, "manifest").parent
    Store(str(folder)).table_names()  # what is imported is imported
    find_damage(Store(str(store)))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises((StoreError, OSError), match=r"[Tt]oo many open files"):
            repair(Store(str(folder)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not list(folder.rglob("*.damaged"))
