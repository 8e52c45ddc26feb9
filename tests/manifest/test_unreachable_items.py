"""Gone, or out of reach: what can't be got at keeps its rows and vectors, is shown, and tried again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_assets.errors import SourceError
from embed_assets.manifest.unreachable_items import read_unreachable
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.run_cache import run_cache
from tests.support import note, pipeline, refresh_and_embed, rewrite, rows_by_key, run_all, table_versions, write_notes
from tests.web_server import WebServer, web_server


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as made:
        yield made


def named(folder: Path, uris: list[str], **table: Any) -> Steps:
    """A table of addresses, by row d00, d01, …"""
    (folder / "table").mkdir(exist_ok=True)
    rows = [{"doc": f"d{number:02d}", "uri": uri, "day": 1} for number, uri in enumerate(uris)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "table" / "rows.parquet")
    allow = sorted({uri.rpartition("/")[0] + "/" for uri in uris if "://" in uri})
    columns = {"format": "parquet", "uri": "uri", "id": "doc", "allow": allow, **table}
    return pipeline(folder, sources={"notes": {"uri": str(folder / "table"), "table": columns}})


def on(server: WebServer, count: int) -> list[str]:
    return [server.put(f"/{number}.txt", note(number)) for number in range(count)]


def statuses(steps: Steps) -> dict[str, tuple[str, str | None]]:
    return {row["key"].partition("#")[2]: (row["status"], row["reason"]) for row in steps.manifest.rows("notes")}


def beyond(steps: Steps) -> list[tuple[str, str, int, str]]:
    kept = read_unreachable(steps.manifest.state("notes").unreachable)
    return [(each.place, each.reason, each.items, each.why) for each in kept]


def live(steps: Steps) -> list[str]:
    """What the rows are that are not deleted."""
    return [row["status"] for row in steps.manifest.rows("notes") if row["status"] != "deleted"]


@pytest.mark.slow
def test_a_host_that_is_down_keeps_its_rows_and_vectors_and_is_reported(tmp_path: Path, words: list) -> None:
    with web_server() as server:
        steps = named(tmp_path, on(server, 4))
        run_all(steps)
        assert len(rows_by_key(steps)) == 4
        url, port = server.url, server.port
    words.clear()
    report = steps.refresh("notes")
    assert report.changed == 0
    assert report.quarantined == {}
    assert report.items == 4
    assert beyond(steps) == [(url, "unreachable", 4, "connection refused")]
    assert [each.summary() for each in read_status(steps).out_of_reach["notes"]] == [
        f"unreachable (connection refused): 4 items at {url} stay as they were; the next run tries again"
    ]
    before = table_versions(steps.store)
    assert not steps.listing_differs("notes")  # it is known by now
    assert steps.refresh("notes").changed == 0 and table_versions(steps.store) == before
    run_all(steps)
    assert len(rows_by_key(steps)) == 4 and words == []
    with web_server(port) as server:
        on(server, 4)
        server.put("/1.txt", "other words")
        assert steps.listing_differs("notes")
        assert steps.refresh("notes").edited == 1
        refresh_and_embed(steps)
    assert words == ["other words"] and beyond(steps) == []


@pytest.mark.parametrize(
    ("status", "reason", "why"),
    [
        (403, "access denied", "HTTP 403"),
        (429, "unreachable", "HTTP 429, asks to wait 99 s"),
        (500, "unreachable", "HTTP 500"),
    ],
)
@pytest.mark.slow
def test_a_host_that_refuses_or_is_in_trouble_deletes_nothing(
    tmp_path: Path, words: list, server: WebServer, status: int, reason: str, why: str
) -> None:
    steps = named(tmp_path, on(server, 3))
    refresh_and_embed(steps)
    for number in range(3):
        server.put(f"/{number}.txt", status=status, headers={"Retry-After": "99"})
    assert steps.refresh("notes").changed == 0
    refresh_and_embed(steps)
    assert len(rows_by_key(steps)) == 3
    assert beyond(steps) == [(server.url, reason, 3, why)]


def test_a_host_that_was_given_up_is_not_asked_again_by_the_same_run(tmp_path: Path, server: WebServer) -> None:
    uris = on(server, 2)
    steps = named(tmp_path, uris)
    for number in range(2):
        server.put(f"/{number}.txt", status=429, headers={"Retry-After": "99"})
    with run_cache():
        for _ in range(3):
            assert steps.listing_differs("notes")
        requests = sum(server.asked.values())
        assert requests <= 2
    assert steps.listing_differs("notes")
    assert sum(server.asked.values()) > requests


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_a_host_says_is_gone_loses_its_vectors(
    tmp_path: Path, words: list, server: WebServer, status: int
) -> None:
    steps = named(tmp_path, on(server, 3))
    refresh_and_embed(steps)
    server.put("/1.txt", status=status)
    assert steps.refresh("notes").quarantined == {"vanished": 1}
    refresh_and_embed(steps)
    assert sorted(key.partition("#")[2] for key in rows_by_key(steps)) == ["d00", "d02"]


def test_a_row_that_was_never_reached_waits_and_is_tried_at_every_run(tmp_path: Path, server: WebServer) -> None:
    uris = on(server, 2)
    server.put("/1.txt", status=500)
    steps = named(tmp_path, uris)
    assert steps.refresh("notes").quarantined == {"unreachable": 1}
    server.put("/1.txt", note(1))
    assert steps.listing_differs("notes")
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == []


@pytest.mark.parametrize("updated", [None, "day"])
def test_a_row_whose_read_fails_stays_as_it_was_and_is_read_again(
    tmp_path: Path, server: WebServer, updated: str | None
) -> None:
    steps = named(tmp_path, on(server, 2), updated=updated)
    steps.refresh("notes")
    with web_server() as moved:
        uris = [server.put("/0.txt", note(0)), moved.put("/new.txt", "other")]
    steps = named(tmp_path, uris, updated=updated)  # the second row's new host is down
    assert steps.refresh("notes").changed == 0
    assert statuses(steps) == {"d00": ("ok", None), "d01": ("ok", None)}
    with web_server(moved.port) as moved:
        moved.put("/new.txt", "other")
        assert steps.listing_differs("notes")
        assert steps.refresh("notes").edited == 1


@pytest.mark.slow
def test_a_host_that_goes_down_between_refresh_and_embedding_keeps_the_vectors_of_before(
    tmp_path: Path, words: list
) -> None:
    with web_server() as server:
        sources = named(tmp_path, on(server, 3)).settings.model_dump()["sources"]
        steps = pipeline(tmp_path, sources=sources, compute={"cache_mb": 0, "offline": True})
        run_all(steps)
        server.put("/1.txt", "other words")
        assert steps.refresh("notes").edited == 1
    record = steps.resolve("words").record
    assert steps.embed(record).reasons == {"notes": {"unreachable": 1}}
    assert {row["text"] for row in rows_by_key(steps).values()} == {note(number) for number in range(3)}
    steps.index(record)
    assert [verdict.summary for verdict in steps.check(record)[1] if not verdict.passed] == [
        "1 of 3 items (33.3%, at most 5.0%): unreachable 1"
    ]
    with web_server(server.port) as server:
        on(server, 3)
        server.put("/1.txt", "other words")
        assert refresh_and_embed(steps).total("embedded") == 1
    assert "other words" in {row["text"] for row in rows_by_key(steps).values()}


def test_rows_that_are_not_allowed_any_more_are_quarantined(tmp_path: Path, words: list, server: WebServer) -> None:
    uris = on(server, 2)
    refresh_and_embed(named(tmp_path, uris))
    steps = named(tmp_path, uris, allow=[])
    assert steps.refresh("notes").quarantined == {"outside the source": 2}
    refresh_and_embed(steps)
    assert rows_by_key(steps) == {}


def test_a_password_in_a_row_reads_its_file_and_is_nowhere_in_the_store(
    tmp_path: Path, words: list, server: WebServer
) -> None:
    server.put("/a.txt", "amber")
    uri = f"http://joe:PASSWORD@127.0.0.1:{server.port}/a.txt"
    steps = named(tmp_path, [uri, f"{server.url}/a.txt?sig=SIGNATURE"], allow=[server.url])
    server.put("/a.txt?sig=SIGNATURE", "birch")
    steps = pipeline(tmp_path, sources=steps.settings.model_dump()["sources"], compute={"cache_mb": 0, "offline": True})
    run_all(steps)
    assert sorted(words) == ["amber", "birch"]
    shown = [row["uri"] for row in steps.manifest.rows("notes")]
    assert sorted(shown) == sorted([f"http://***@127.0.0.1:{server.port}/a.txt", f"{server.url}/a.txt?sig=***"])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"PASSWORD" not in kept and b"SIGNATURE" not in kept


@pytest.mark.slow
def test_most_of_a_hosts_files_gone_stops_before_anything_is_written(tmp_path: Path, server: WebServer) -> None:
    with web_server() as other:
        steps = named(tmp_path, [*on(server, 30), *on(other, 12)])
        steps.refresh("notes")
        for number in range(12):
            other.put(f"/{number}.txt", status=404)  # 12 of 42: less than half of the source
        with pytest.raises(SourceError, match=rf"12 known items of what is at {other.url}.*Most often: vanished"):
            steps.refresh("notes")
    assert set(statuses(steps).values()) == {("ok", None)}


def test_most_rows_of_a_table_gone_stops_and_a_table_that_is_gone_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()

    def write(name: str, count: int) -> None:
        rows = "".join(f'{{"doc": "{name}{n}", "body": "{note(n)} {name}"}}\n' for n in range(count))
        rewrite(folder / f"{name}.jsonl", rows) if (folder / f"{name}.jsonl").exists() else (
            folder / f"{name}.jsonl"
        ).write_text(rows)

    for name, count in (("a", 60), ("b", 20)):
        write(name, count)
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(folder), "table": {"text": "body", "id": "doc"}}})
    steps.refresh("notes")
    write("b", 1)
    with pytest.raises(SourceError, match=r"lists 1 of 20 known items of table b\.jsonl: 95% would be deleted"):
        steps.refresh("notes")
    (folder / "b.jsonl").unlink()
    assert steps.refresh("notes").deleted == 20


def test_many_links_out_of_a_source_stop_it_and_the_way_out_is_named(tmp_path: Path) -> None:
    write_notes(tmp_path / "far", 12)
    (tmp_path / "notes").mkdir()
    for file in (tmp_path / "far").iterdir():
        (tmp_path / "notes" / file.name).symlink_to(file)
    following = {"notes": {"uri": str(tmp_path / "notes"), "follow_links": True}}
    assert pipeline(tmp_path, sources=following).refresh("notes").new == 12
    with pytest.raises(SourceError, match=r"Most often: link out of the source.*follow_links: true"):
        pipeline(tmp_path).refresh("notes")


def test_what_lies_below_an_unreadable_folder_stays_and_is_reported(unprivileged: Path) -> None:
    folder = write_notes(unprivileged / "notes", 2)
    locked = write_notes(folder / "locked", 3)
    (locked / "t.jsonl").write_text('{"body": "one"}\n{"body": "two"}\n')
    sources = {"notes": {"uri": str(folder), "table": {"text": "body"}}}
    steps = pipeline(unprivileged, sources=sources)
    assert steps.refresh("notes").new == 7
    locked.chmod(0)
    (folder / "note-000.txt").unlink()
    report = steps.refresh("notes")
    assert report.deleted == 1
    assert report.changed == 1
    assert report.items == 6
    assert beyond(steps) == [(f"{locked}/", "unreadable folder", 5, "permission denied")]
    (shown,) = (each.summary() for each in read_status(steps).out_of_reach["notes"])
    assert shown == f"{locked}/ can't be read (permission denied); 5 items known below it stay as they are"
    assert not steps.listing_differs("notes")
    locked.chmod(0o700)
    (locked / "note-001.txt").unlink()
    assert steps.listing_differs("notes")
    again = steps.refresh("notes")
    assert again.deleted == 1
    assert again.changed == 1
    assert again.files_read == 0
    assert beyond(steps) == []


def test_a_file_that_may_not_be_read_stays_as_it_was_until_it_may(unprivileged: Path) -> None:
    folder = write_notes(unprivileged / "notes", 3)
    steps = pipeline(unprivileged)
    steps.refresh("notes")
    rewrite(folder / "note-001.txt", "other words")
    (folder / "note-001.txt").chmod(0)
    report = steps.refresh("notes")
    assert report.changed == 0
    assert report.quarantined == {}
    assert beyond(steps) == [(str(folder), "access denied", 1, "")]
    (folder / "note-001.txt").chmod(0o600)
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == []


def test_a_table_that_may_not_be_read_keeps_its_rows_and_is_read_once_it_may(unprivileged: Path) -> None:
    folder = unprivileged / "notes"
    folder.mkdir()
    table = folder / "t.jsonl"
    table.write_text('{"body": "one"}\n{"body": "two"}\n')
    steps = pipeline(unprivileged, sources={"notes": {"uri": str(folder), "table": {"text": "body"}}})
    steps.refresh("notes")
    rewrite(table, '{"body": "one"}\n{"body": "three"}\n')
    table.chmod(0)
    assert steps.refresh("notes").changed == 0
    assert set(statuses(steps).values()) == {("ok", None)}
    table.chmod(0o600)
    report = steps.refresh("notes")
    assert report.new == 1
    assert report.deleted == 1


def test_a_new_file_that_may_not_be_read_is_found_once_and_reported_until_it_may(unprivileged: Path) -> None:
    folder = write_notes(unprivileged / "notes", 3)
    for name in ("note-000.txt", "note-001.txt"):
        (folder / name).chmod(0)
    steps = pipeline(unprivileged)
    assert steps.refresh("notes").quarantined == {"access denied": 2}
    before, shown = table_versions(steps.store), [(str(folder), "access denied", 2, "")]
    assert beyond(steps) == shown
    assert not steps.listing_differs("notes")
    assert steps.refresh("notes").changed == 0
    assert beyond(steps) == shown
    assert table_versions(steps.store) == before
    rewrite(folder / "note-002.txt", "other words")  # what is found beside it takes nothing of the note away
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == shown
    (folder / "note-000.txt").chmod(0o600)
    assert steps.listing_differs("notes")
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == [(str(folder), "access denied", 1, "")]
    (folder / "note-001.txt").unlink()
    assert steps.refresh("notes").deleted == 1
    assert beyond(steps) == []
    assert not steps.listing_differs("notes")


def test_an_edit_that_may_not_be_read_is_found_once_and_reported_until_it_may(unprivileged: Path) -> None:
    folder = write_notes(unprivileged / "notes", 3)
    steps = pipeline(unprivileged)
    steps.refresh("notes")
    rewrite(folder / "note-001.txt", "other words")
    (folder / "note-001.txt").chmod(0)
    assert steps.refresh("notes").changed == 0
    shown = [(str(folder), "access denied", 1, "")]
    assert beyond(steps) == shown
    assert not steps.listing_differs("notes")
    rewrite(folder / "note-002.txt", "yet others")
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == shown
    assert not steps.listing_differs("notes")
    (folder / "note-001.txt").chmod(0o600)
    assert steps.listing_differs("notes")
    assert steps.refresh("notes").edited == 1
    assert beyond(steps) == []


@pytest.mark.parametrize("known", [False, True])
def test_a_table_that_may_not_be_read_is_found_once_and_reported_until_it_may(unprivileged: Path, known: bool) -> None:
    folder = unprivileged / "notes"
    folder.mkdir()
    table = folder / "t.jsonl"
    table.write_text('{"body": "one"}\n{"body": "two"}\n')
    steps = pipeline(unprivileged, sources={"notes": {"uri": str(folder), "table": {"text": "body"}}})
    if known:
        steps.refresh("notes")
        rewrite(table, '{"body": "one"}\n{"body": "three"}\n')
    table.chmod(0)
    steps.refresh("notes")
    shown = [(str(folder), "access denied", 2 if known else 1, "")]
    assert beyond(steps) == shown
    assert not steps.listing_differs("notes")
    assert steps.refresh("notes").changed == 0
    assert beyond(steps) == shown
    table.chmod(0o600)
    assert steps.listing_differs("notes")
    steps.refresh("notes")
    assert live(steps) == ["ok", "ok"]
    assert beyond(steps) == []


def test_a_new_table_beside_one_that_may_not_be_read_is_none_of_before(unprivileged: Path) -> None:
    folder = unprivileged / "notes"
    folder.mkdir()
    steps = pipeline(unprivileged, sources={"notes": {"uri": str(folder), "table": {"text": "body"}}})
    for count, name in enumerate(("a.jsonl", "b.jsonl"), start=1):
        (folder / name).write_text('{"body": "one"}\n')
        (folder / name).chmod(0)
        assert steps.listing_differs("notes")
        assert steps.refresh("notes").new == 1
        assert beyond(steps) == [(str(folder), "access denied", count, "")]
        assert live(steps) == ["quarantined"] * count


def test_a_row_that_no_host_is_requested_is_found_once_and_reported_until_it_is_there(
    tmp_path: Path, server: WebServer
) -> None:
    steps = named(tmp_path, on(server, 4), updated="day")  # by `day` alone a row is known to be as it was
    for number, status in enumerate((403, 404), start=1):
        server.put(f"/{number}.txt", status=status)
    assert steps.refresh("notes").quarantined == {"access denied": 1, "vanished": 1}
    shown = [(server.url, "access denied", 1, "")]
    assert beyond(steps) == shown
    assert not steps.listing_differs("notes")
    on(server, 4)
    assert steps.listing_differs("notes")
    assert steps.refresh("notes").edited == 2
    assert beyond(steps) == []
