"""Assets of saved queries: what they show, what a host's sensor sees of it, and that nothing new is lost."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.host.step_hooks import EmbeddingStep, StepContext
from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import SettingsError
from embed_assets.store.serving.kept_matches import read_matches
from tests.assets.kept_run import KeptRun
from tests.assets.running import Running
from tests.kept import Kept
from tests.support import REPOSITORY, picture, rewrite, settings, write_notes

KEY = dg.AssetKey("boats_matches")
SAVED: dict[str, Any] = {"boats": {"space": "words", "query": "boat harbour tide", "min_percentile": 99}}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def served(words: list, tmp_path: Path, instance: dg.DagsterInstance, kept_run: KeptRun) -> Running:
    """A hundred notes and two boats, promoted: the saved query has its first report."""
    write_notes(tmp_path / "notes", 100)
    boat(tmp_path, "ann")
    boat(tmp_path, "ben")
    running = Running(settings(tmp_path, saved_queries=SAVED), instance)

    def run() -> None:
        assert running.embed().success
        assert running.promote().success

    kept_run.once("served", run)
    return running


def boat(folder: Path, name: str) -> None:
    (folder / "notes" / f"{name}.txt").write_text(f"boat harbour tide {name}")


def promoted(running: Running) -> dg.AssetMaterialization:
    assert running.embed().success
    assert running.promote().success
    return latest(running.instance)


def latest(instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization


def shown(materialization: dg.AssetMaterialization, name: str) -> Any:
    return materialization.metadata[name].value


def data_version(materialization: dg.AssetMaterialization) -> str:
    return (materialization.tags or {})["dagster/data_version"]


def tag(materialization: dg.AssetMaterialization) -> str:
    return (materialization.tags or {})["embed_assets/new_matches"]


def test_the_promote_job_reports_the_first_matches(served: Running) -> None:
    first = latest(served.instance)
    assert tag(first) == "0"
    assert [shown(first, f"embed_assets/{name}") for name in ("matches", "new_matches", "gone_matches")] == [2, 0, 0]
    assert shown(first, "first report") is True
    kept = read_matches(served.steps.store, "boats")
    assert kept is not None and len(kept.items) == 2


def test_new_matches_are_shown_and_tagged(served: Running, tmp_path: Path) -> None:
    before = data_version(latest(served.instance))
    boat(tmp_path, "cat")
    rewrite(tmp_path / "notes" / "ann.txt", "amber anchor autumn")
    found = promoted(served)
    assert tag(found) == "1"
    assert [record.data["item"] for record in shown(found, "new matches").records] == ["notes/cat.txt"]
    (item,) = shown(found, "embed_assets/new_items")
    assert (item["source"], item["key"], item["uri"]) == ("notes", "cat.txt", str(tmp_path / "notes" / "cat.txt"))
    assert [record.data["name"] for record in shown(found, "gone").records] == ["notes/ann.txt"]
    assert shown(found, "highest percentile") >= shown(found, "lowest percentile") >= 99
    assert data_version(found) != before


def test_the_data_version_changes_with_the_set_alone(served: Running, tmp_path: Path) -> None:
    before = data_version(latest(served.instance))
    rewrite(tmp_path / "notes" / "ann.txt", "boat harbour tide again")
    (tmp_path / "notes" / "note-007.txt").unlink()
    assert data_version(promoted(served)) == before
    boat(tmp_path, "cat")
    assert data_version(promoted(served)) != before
    (tmp_path / "notes" / "cat.txt").unlink()
    assert data_version(promoted(served)) == before


def test_the_build_job_reports_it_too(served: Running, tmp_path: Path) -> None:
    boat(tmp_path, "cat")
    assert served.build().success
    found = latest(served.instance)
    assert tag(found) == "1" and shown(found, "embed_assets/matches") == 3
    assert data_version(found) == data_version(promoted(served)), "both say the same of the same matches"


@pytest.mark.slow
def test_a_run_that_ends_before_it_has_reported_loses_nothing(served: Running, tmp_path: Path) -> None:
    def killed(context: StepContext, step: EmbeddingStep) -> Any:
        result = step.run()
        if step.kind == "matches":
            raise RuntimeError("killed after the search")
        return result

    boat(tmp_path, "cat")
    assert served.embed().success
    assert not hosted(served, killed).promote().success
    assert tag(latest(served.instance)) == "0"
    assert tag(promoted(served)) == "1"


@pytest.mark.slow
def test_a_run_that_ends_before_it_has_kept_what_matched_reports_it_twice(served: Running, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "store" / "saved_queries", tmp_path / "elsewhere"

    def unwritable(context: StepContext, step: EmbeddingStep) -> Any:
        result = step.run()
        if step.kind == "matches":
            folder.rename(elsewhere)
            folder.write_text("a file where the folder was")
        return result

    boat(tmp_path, "cat")
    assert served.embed().success
    assert not hosted(served, unwritable).promote().success
    assert tag(latest(served.instance)) == "1", "it is in Dagster's log before it is kept"
    folder.unlink()
    elsewhere.rename(folder)
    assert tag(promoted(served)) == "1", "twice rather than never"
    assert tag(promoted(served)) == "0"


def hosted(running: Running, execute: Any) -> Running:
    """The same pipeline, with a host's function around its steps."""
    definitions = build_definitions(running.settings, jobs=running.jobs, execute=execute)
    return Running(running.settings, running.instance, definitions=definitions)


@pytest.mark.slow
def test_pictures_are_shown(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(110):
        (tmp_path / "notes" / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "query.png").write_bytes(picture(7))
    wanted = {"boats": {"space": "pictures", "file": str(tmp_path / "query.png")}}
    pixels = {"pixels": {"model": "pixels", "space": "pictures"}}
    running = Running(settings(tmp_path, encoders=pixels, saved_queries=wanted), instance)
    assert running.build().success
    assert shown(latest(instance), "pictures").startswith("![pictures](data:image/")


def test_a_wrong_saved_query_is_refused_as_the_definitions_load(tmp_path: Path, words: list) -> None:
    def message(**changes: Any) -> str:
        wrong = {"boats": SAVED["boats"] | changes}
        with pytest.raises(SettingsError) as raised:
            build_definitions(settings(tmp_path, saved_queries=wrong))
        return str(raised.value)

    assert message(space="pictures") == (
        "saved_queries.boats.space: no encoder of the settings has the space 'pictures'. Spaces: words."
    )
    assert message(filter={"label": {"equals": 1}}).startswith("saved_queries.boats.filter: where.'label': 'equals'")
    assert message(like="notes/a.txt").endswith("is one of query, file and like; found query and like; keep one")
    assert message(query=None).endswith("found none of them; keep one")


def test_a_query_that_fails_holds_back_nothing(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write_notes(tmp_path / "notes", 100)
    lost = {"boats": {"space": "words", "like": "notes/nobody.txt"}}
    running = Running(settings(tmp_path, saved_queries=lost), instance)
    assert running.embed().success
    result = running.promote()
    assert not result.success
    failed = [event.step_key for event in result.all_node_events if event.is_step_failure]
    assert failed == ["boats_matches"]
    assert running.steps.store.serving.live_release("words").rows == 100


@pytest.mark.slow
def test_the_sensor_of_the_page_launches_a_run_for_new_matches(served: Running, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "dagster.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n([^`]*new_matches\(context, event\)[^`]*)```", page)
    assert example is not None
    made: dict[str, Any] = {}
    exec(example[1], made)
    host = dg.Definitions.merge(build_definitions(served.settings), made["defs"])
    sensor = host.resolve_sensor_def("new_boats")
    job = host.resolve_job_def("look_at_boats")
    cursor = None

    def look() -> Any:
        nonlocal cursor
        context = dg.build_sensor_context(instance=served.instance, cursor=cursor, definitions=host)
        data = sensor.evaluate_tick(context)
        cursor = data.cursor
        return data.run_requests or []

    assert look() == [], "the first report has nothing new"
    boat(tmp_path, "cat")
    promoted(served)
    boat(tmp_path, "dot")
    promoted(served)
    promoted(served)  # with nothing new: the one event that Dagster hands to the sensor
    (request,) = look()
    assert look() == []
    result = job.execute_in_process(instance=served.instance, run_config=request.run_config)
    assert result.success
    logged = [entry.user_message for entry in served.instance.all_logs(result.run_id)]
    assert [line for line in logged if line.startswith("new: ")] == ["new: notes/cat.txt", "new: notes/dot.txt"]
