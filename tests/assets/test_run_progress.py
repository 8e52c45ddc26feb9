"""Progress of a run in its log, and as observations."""

import dagster as dg
import pytest

from embed_assets import progress
from embed_assets.assets.ui import run_progress


@dg.asset
def work(context: dg.AssetExecutionContext) -> None:
    with run_progress.progress_in_log(context, observed=context.asset_key):
        progress.report("load", "words", 0)
        for done in (0, 250, 1000):
            progress.report("encode", "words", done, 1000, quarantined=done // 100)


def run(instance: dg.DagsterInstance) -> tuple[list[str], list[dg.AssetObservation]]:
    result = dg.materialize([work], instance=instance)
    lines = [e.user_message for e in instance.all_logs(result.run_id) if e.user_message.startswith("words: ")]
    return lines, [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]


def test_a_long_run_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    monkeypatch.setattr(run_progress, "LOG_SECONDS", 0)
    monkeypatch.setattr(run_progress, "OBSERVE_SECONDS", 0)
    lines, observed = run(instance)
    assert len(lines) == 2
    assert lines[0].startswith("words: 250 of 1,000 items encoded, ")
    assert lines[0].endswith(" left, 2 quarantined so far")
    assert [event.metadata["progress items left"].value for event in observed] == [750, 0]
    assert all(
        isinstance(value, (dg.IntMetadataValue, dg.FloatMetadataValue)) for value in observed[0].metadata.values()
    )


def test_a_short_run_tells_nothing(instance: dg.DagsterInstance) -> None:
    assert run(instance) == ([], [])
