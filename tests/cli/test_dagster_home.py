"""A store's Dagster home: what is held open while runs write their events."""

import sqlite3
from contextlib import closing
from pathlib import Path

from embed_assets.cli.shared.dagster_home import databases_held


def database(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE events (body TEXT)")
    return file


def written(file: Path) -> None:
    """One event, as Dagster writes it: by a connection of its own."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO events VALUES ('a step ended')")


def test_a_held_database_keeps_its_log_between_events_and_loses_none(tmp_path: Path) -> None:
    index = database(tmp_path / "history" / "runs" / "index.db")
    run = database(tmp_path / "history" / "runs" / "0001.db")
    logs = [Path(f"{file}-wal") for file in (index, run)]
    for file in (index, run):
        written(file)
    assert not any(log.exists() for log in logs)
    with databases_held(tmp_path), databases_held(tmp_path, "0001"):
        for file in (index, run):
            written(file)
        assert all(log.stat().st_size for log in logs)
    assert not any(log.exists() for log in logs)
    for file in (index, run):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (2,)


def test_a_home_without_these_databases_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "runs.db").write_bytes(b"no database at all, of another storage" * 40)
    with databases_held(tmp_path), databases_held(tmp_path, "0001"):
        pass
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["runs.db"]
