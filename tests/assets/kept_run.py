"""A run that several tests begin with: its folder, and what its Dagster instance in memory holds."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg
import pytest

from tests.kept import Kept

T = TypeVar("T")


@dataclass
class KeptRun:
    """The folder of the module, and the databases of its tests' instances."""

    kept: Kept
    instance: dg.DagsterInstance
    databases: dict[str, list[sqlite3.Connection]]

    def once(self, name: str, build: Callable[[], T]) -> T:
        """Build, or put back what was built and the events and runs that came of it; return what building returned."""
        if self.instance.is_persistent:  # its databases are in the folder
            return self.kept.once(f"{name} on disk", build)
        value = self.kept.once(name, build)
        if name in self.databases:
            for database, kept in zip(_databases(self.instance), self.databases[name], strict=True):
                kept.backup(database)
        else:
            self.databases[name] = [_copied(database) for database in _databases(self.instance)]
        return value


@pytest.fixture(scope="module")
def databases_of_runs() -> dict[str, list[sqlite3.Connection]]:
    return {}


@pytest.fixture
def kept_run(
    kept: Kept, instance: dg.DagsterInstance, databases_of_runs: dict[str, list[sqlite3.Connection]]
) -> KeptRun:
    return KeptRun(kept, instance, databases_of_runs)


def _databases(instance: dg.DagsterInstance) -> list[sqlite3.Connection]:
    storages: list[Any] = [instance.run_storage, instance.event_log_storage]
    return [storage._held_conn.connection.driver_connection for storage in storages]


def _copied(database: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    database.backup(copy)
    return copy
