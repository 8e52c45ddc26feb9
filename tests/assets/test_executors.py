"""Executors and shards by settings: which runs the jobs, how many runs and steps the shards of a version are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import SettingsError
from tests.assets.running import Running
from tests.support import rows_by_key, settings, write_notes

JOBS = ["build", "words_embed", "words_reembed", "words_promote", "words_recall"]
EXECUTORS = {
    "in_process": dg.in_process_executor,
    "multiprocess": dg.multiprocess_executor,
    "dagster:multi_or_in_process_executor": dg.multi_or_in_process_executor,
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_jobs_run_by_the_executor_that_the_settings_name(words: list, tmp_path: Path, name: str) -> None:
    definitions = build_definitions(settings(tmp_path, executor=name))
    assert {definitions.resolve_job_def(job).executor_def for job in JOBS} == {EXECUTORS[name]}


def test_an_executor_that_is_given_replaces_that_of_the_settings(words: list, tmp_path: Path) -> None:
    chosen = settings(tmp_path, executor="nowhere:nothing")
    definitions = build_definitions(chosen, executor=dg.multiprocess_executor)
    assert {definitions.resolve_job_def(job).executor_def for job in JOBS} == {dg.multiprocess_executor}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package:executor", "pip install no-such-package"),
        ("dagster:no_executor", "module 'dagster' has no 'no_executor'"),
        ("dagster:asset", "'asset' is no ExecutorDefinition"),
    ],
)
def test_what_is_no_executor_is_refused(words: list, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_definitions(settings(tmp_path, executor=name))
    assert str(caught.value).startswith(f"executor: '{name}' ")
    assert message in str(caught.value)


def test_a_backfill_of_vectors_is_a_run_for_so_many_shards(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, run_shards=3))
    node = definitions.resolve_asset_graph().get(dg.AssetKey("words_vectors"))
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=3)
    assert definitions.resolve_job_def("words_reembed").backfill_policy == node.backfill_policy


def _rows(running: Running) -> Mapping[str, Any]:
    kept = ("shard", "text", "content_hash", "vector")
    return {key: {name: row[name] for name in kept} for key, row in rows_by_key(running.steps, "words").items()}


@pytest.mark.slow
def test_a_build_in_several_steps_makes_what_one_step_makes(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write_notes(tmp_path / "notes", 12)
    one = Running(settings(tmp_path, store=str(tmp_path / "one")), instance)
    assert one.build().success
    with dg.DagsterInstance.ephemeral() as other:
        several = Running(settings(tmp_path, run_shards=3), other)
        result = several.build()
        assert result.success
        steps = {event.step_key for event in result.all_events if event.event_type_value == "STEP_SUCCESS"}
        assert {"resolve_words", "embed_words_s00_s02", "embed_words_s03", "index_words"} <= steps
        assert other.get_materialized_partitions(dg.AssetKey("words_vectors")) == instance.get_materialized_partitions(
            dg.AssetKey("words_vectors")
        )
        assert _rows(several) == _rows(one)
        words.clear()
        assert several.build().success
        assert words == []
