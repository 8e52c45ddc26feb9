"""Finished runs go when there are too many or they are old; what assets and checks show stays."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.runs.pruning import prune_runs
from embed_assets.cli.shared.dagster_home import dagster_home
from tests.support import settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_PARTS = dg.StaticPartitionsDefinition(["a", "b"])
_CHECK = dg.AssetCheckKey(dg.AssetKey("whole"), "sound")


@dg.asset
def whole() -> None: ...


@dg.asset(partitions_def=_PARTS)
def parts() -> None: ...


@dg.asset_check(asset=whole)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.job
def idle() -> None: ...


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    yield dagster_home(settings(tmp_path))
    os.environ.pop("DAGSTER_HOME", None)


@pytest.mark.slow
def test_runs_beyond_those_kept_go_but_for_what_is_shown(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        shown = [
            dg.materialize([parts], partition_key="a", instance=instance, run_config=_QUIET).run_id,
            dg.materialize([parts], partition_key="b", instance=instance, run_config=_QUIET).run_id,
            dg.materialize([whole, sound], instance=instance, run_config=_QUIET).run_id,
        ]
        replaced = dg.materialize([parts], partition_key="b", instance=instance, run_config=_QUIET).run_id
        shown[1], replaced = replaced, shown[1]
        others = [idle.execute_in_process(instance=instance, run_config=_QUIET).run_id for _ in range(6)]
        assert prune_runs(instance, home, checks=[_CHECK], keep=2, older_than=timedelta(days=30)) == 5
        left = {run.run_id for run in instance.get_runs()}
        assert left == {*shown, *others[-2:]}
        assert {file.stem for file in (home / "history" / "runs").glob("*.db")} - {"index"} == left
        assert instance.get_materialized_partitions(parts.key) == {"a", "b"}
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([_CHECK])
        assert latest[_CHECK].run_id == shown[2]
        assert replaced not in left


def test_a_few_runs_are_left_alone_until_they_are_old_which_is_looked_for_once_a_day(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        for _ in range(3):
            idle.execute_in_process(instance=instance, run_config=_QUIET)
        assert prune_runs(instance, home, checks=[], keep=10, older_than=timedelta(days=30)) == 0
        assert prune_runs(instance, home, checks=[], keep=10, older_than=timedelta(0)) == 0
        os.utime(home / "pruned", (0, 0))
        assert prune_runs(instance, home, checks=[], keep=10, older_than=timedelta(0)) == 3
        assert instance.get_runs_count() == 0
