"""The decorator: a host's function runs every step, in runs of assets and in the job `build`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.decorator import embedding_assets
from embed_assets.assets.host.step_hooks import EmbeddingStep, StepContext
from tests.assets.running import Running
from tests.support import settings, write_notes

_SHOP = dg.AssetKey("storefront")


@pytest.mark.slow
def test_a_hosts_function_runs_every_step_and_yields_events_of_its_own(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write_notes(tmp_path / "notes", 3)
    pipeline = settings(tmp_path, shards=1)

    @embedding_assets(pipeline)
    def search(context: StepContext, step: EmbeddingStep) -> Iterator[dg.AssetObservation | dg.MaterializeResult]:
        yield dg.AssetObservation(_SHOP, metadata={"step": step.kind})
        yield from step.stream()

    running = Running(pipeline, instance, definitions=search)
    assert running.materialize("notes_manifest").success
    assert running.build().success
    observed = [record.asset_observation for record in instance.fetch_observations(_SHOP, limit=20).records]
    assert Counter(each.metadata["step"].value for each in observed if each) == {
        "manifest": 2,
        **dict.fromkeys(("encoder", "vectors", "index", "serving", "dashboard"), 1),
    }
    assert running.metadata("words_serving")["candidates held back"].value == 0


def test_a_step_may_be_replaced_by_the_hosts_own_and_links_to_its_function(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write_notes(tmp_path / "notes", 3)
    pipeline = settings(tmp_path)

    @embedding_assets(pipeline)
    def search(context: StepContext, step: EmbeddingStep) -> object:
        return dg.MaterializeResult(metadata={"by": "the host"}) if step.kind == "dashboard" else step.run()

    assert Running(pipeline, instance, definitions=search).materialize("pipeline_dashboard").success
    running = Running(pipeline, instance, definitions=search)
    assert running.metadata("pipeline_dashboard")["by"].value == "the host"
    (spec,) = (spec for spec in search.resolve_all_asset_specs() if spec.key == dg.AssetKey("pipeline_dashboard"))
    hosts, own = spec.metadata["dagster/code_references"].code_references
    assert Path(hosts.file_path) == Path(__file__) and own.label == "embed_assets.assets.dashboard"
