"""Observations of sources: the sensor's look at a listing shows on the manifest, whether or not it asks for a run."""

from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.automation.sensors import build_new_media_sensor
from embed_assets.assets.metadata_keys import DATA_VERSION
from tests.assets.running import Running
from tests.support import rewrite, settings, write_notes

_MANIFEST = dg.AssetKey("notes_manifest")


@pytest.fixture
def running(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    write_notes(tmp_path / "notes", 4)
    return Running(settings(tmp_path), instance)


def _tick(running: Running, cursor: str | None = None) -> tuple[list[dict[str, object]], str | None]:
    """Metadata of what a tick observes, and its cursor; events are kept as the daemon keeps them."""
    sensor = build_new_media_sensor(running.names, "notes", running.jobs)
    context = dg.build_sensor_context(instance=running.instance, cursor=cursor, definitions=running.definitions)
    data = sensor.evaluate_tick(context)
    found = []
    for event in data.asset_events:
        assert isinstance(event, dg.AssetObservation) and event.asset_key == _MANIFEST
        running.instance.report_runless_asset_event(event)
        found.append({name: value.value for name, value in event.metadata.items()})
    return found, data.cursor


def _materialized_data_version(running: Running) -> str:
    event = running.instance.get_latest_materialization_event(_MANIFEST)
    assert event is not None and event.asset_materialization is not None
    return (event.asset_materialization.tags or {})[DATA_VERSION]


def test_a_listing_is_observed_when_it_changes_and_once_an_hour_while_it_does_not(
    running: Running, tmp_path: Path
) -> None:
    ((before,), cursor) = _tick(running)
    assert before == {
        "listed": 4,
        "to read": 4,
        "gone": 0,
        "changed since materialized": True,
        "materialized data version": "",
    }
    assert running.materialize("notes_manifest").success
    assert _tick(running, cursor) == ([], cursor)  # observed within the hour
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    (tmp_path / "notes" / "note-002.txt").unlink()
    ((after,), _) = _tick(running, cursor)
    assert after == {
        "listed": 3,
        "to read": 1,
        "gone": 1,
        "changed since materialized": True,
        "materialized data version": _materialized_data_version(running),
    }


def test_an_unchanged_source_is_observed_as_such_and_makes_nothing_stale(running: Running) -> None:
    assert running.materialize("notes_manifest").success
    version = _materialized_data_version(running)
    ((seen,), _) = _tick(running)
    assert (seen["changed since materialized"], seen["to read"], seen["gone"]) == (False, 0, 0)
    assert _materialized_data_version(running) == version
    record = running.instance.get_latest_data_version_record(_MANIFEST)
    assert record is not None and record.asset_materialization is not None
