"""/items, /media, /facets, /spaces and /judgements."""

import json
import logging
import shutil
import time
import urllib.parse

import pytest
from fastapi.testclient import TestClient

from embed_assets.pipeline.steps import Steps
from embed_assets.quality.queries.query_sets import load_queries
from embed_assets.service.media_files import parse_range
from tests.service.conftest import DRAWING, PAGE, Connect, media_ids, png_size, service_of
from tests.support import note, picture, pipeline, run_all


def look(client: TestClient) -> None:
    """What the service does twice a second."""
    service = service_of(client)
    service.warm_up.look(service.searcher)


def test_an_item_shows_how_it_was_cut_and_what_happened_to_it(client: TestClient, served: Steps) -> None:
    document = client.get(f"/items/{media_ids(served)['dogs/note-001.txt']}").json()
    assert (document["key"], document["status"], document["labels"]) == ("dogs/note-001.txt", "ok", ["dogs"])
    (version,) = document["versions"]
    assert (version["encoder"], version["state"], version["stale"]) == ("words", "live", False)
    assert version["spans"][0]["text"] == note(1)
    assert [event["event"] for event in document["history"]] == ["read", "embedded", "promote"]


def test_an_item_has_neighbours(client: TestClient, served: Steps) -> None:
    place = f"/items/{media_ids(served)['pictures/1.png']}"
    assert client.get(place).json()["neighbours"] == []
    found = client.get(place, params={"neighbours": 3}).json()["neighbours"]
    assert [hit["rank"] for hit in found] == [1, 2, 3]
    assert "pictures/1.png" not in {hit["key"] for hit in found}


def test_an_item_that_was_quarantined_says_why(client: TestClient, served: Steps) -> None:
    document = client.get(f"/items/{media_ids(served)['drawing.svg']}", params={"neighbours": 3}).json()
    assert document["neighbours"] == []
    assert document["status"] == "quarantined"
    assert document["reason"]


def test_a_range_of_a_file_is_sent(client: TestClient, served: Steps) -> None:
    place = f"/media/{media_ids(served)['pictures/1.png']}"
    data = picture(1, side=64)
    whole = client.get(place)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, data, "image/png")
    assert whole.headers["content-disposition"].startswith("inline")
    head = client.head(place)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))
    part = client.get(place, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert client.get(place, headers={"Range": "bytes=-4"}).content == data[-4:]
    beyond = client.get(place, headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert client.get(place, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    other = client.get(place, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, data)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=2-3", (2, 4)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
    ],
)
def test_a_range_is_read(header: str | None, part: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=3-2", "bytes=-0", "bytes=x-", "bytes=-", "bytes=5", "bytes=²-"])
def test_a_range_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(header, 10)


def test_what_a_browser_could_run_is_downloaded(client: TestClient, served: Steps) -> None:
    for key, data in (("page.html", PAGE), ("drawing.svg", DRAWING)):
        sent = client.get(f"/media/{media_ids(served)[key]}")
        assert sent.content == data
        assert sent.headers["content-disposition"].startswith("attachment"), key
        assert sent.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in sent.headers["content-security-policy"]
        assert sent.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "a\x00b", "x" * 300, "nobody"]
)
def test_nothing_but_items_can_be_named(client: TestClient, name: str) -> None:
    for route in ("media", "items"):
        answer = client.get(f"/{route}/{urllib.parse.quote(name, safe='%/.')}")
        assert answer.status_code in (404, 422), (route, answer.text)
        assert "root:" not in answer.text


def test_a_link_out_of_the_source_is_not_followed(connect: Connect, own_store: Steps, built_store, tmp_path) -> None:
    shutil.copytree(built_store / "notes", tmp_path / "notes")
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(tmp_path / "notes"), "labels": "folder"}})
    client = connect(steps=steps)
    place = f"/media/{media_ids(steps)['dogs/note-001.txt']}"
    assert client.get(place).text == note(1)
    file = tmp_path / "notes" / "dogs" / "note-001.txt"
    file.unlink()
    assert client.get(place).status_code == 404
    (tmp_path / "secret.txt").write_text("secret")
    file.symlink_to(tmp_path / "secret.txt")
    answer = client.get(place)
    assert answer.status_code == 422
    assert str(tmp_path) not in answer.text


def test_a_picture_has_a_thumbnail_and_a_text_none(client: TestClient, served: Steps) -> None:
    ids = media_ids(served)
    sent = client.get(f"/media/{ids['pictures/1.png']}/thumbnail", params={"side": 64})
    assert (sent.headers["content-type"], png_size(sent.content)) == ("image/webp", (64, 64))
    assert client.get(f"/media/{ids['dogs/note-001.txt']}/thumbnail").status_code == 404
    assert client.get(f"/media/{ids['pictures/1.png']}/thumbnail", params={"side": 100_000}).status_code == 422


def test_facets_count_what_the_filter_leaves(client: TestClient) -> None:
    counted = client.post("/facets", json={"where": {"label": "cats"}}).json()["facets"]
    assert counted["label"]["values"] == {"cats": 6}
    everything = client.get("/facets").json()["facets"]
    assert everything["label"]["values"] == {"cats": 6, "dogs": 6, "pictures": 4}


def test_spaces_show_what_serves(client: TestClient, served: Steps) -> None:
    service_of(client).freshness.count()
    document = client.get("/spaces").json()
    (space,) = document["spaces"]
    assert (space["space"], space["live"]["encoder"], space["live"]["takes"]) == ("words", "words", ["text", "image"])
    assert space["stale"] == 0
    assert space["live"]["checks"]
    assert document["may_judge"] is True


def test_marks_become_a_query_set(connect: Connect, own_store: Steps, tmp_path) -> None:
    client, ids = connect(steps=own_store), media_ids(own_store)

    def mark(key: str, *, good: bool, **query: str) -> None:
        body = {"space": "words", "item": ids[key], "good": good, **query}
        assert client.post("/judgements", json=body).status_code == 200

    mark("dogs/note-001.txt", good=True, text="a walk")
    mark("dogs/note-002.txt", good=True, text="a walk")
    mark("dogs/note-001.txt", good=False, text="a walk")
    mark("dogs/note-003.txt", good=False, text="nothing\u2028good")  # some end a line there
    upload = client.post("/uploads", files={"file": picture(1)}).json()["upload"]
    mark("pictures/1.png", good=True, upload=upload)
    file = tmp_path / "store" / "judgements" / "words.jsonl"
    with file.open() as lines:
        words, nothing, pictured = map(json.loads, lines)
    assert words == {
        "query": "a walk",
        "relevant": ["notes/dogs/note-002.txt"],
        "not_relevant": ["notes/dogs/note-001.txt"],
    }
    assert "relevant" not in nothing
    assert pictured["relevant"] == ["notes/pictures/1.png"]
    queries = load_queries(file)
    assert [query.relevant for query in queries] == [("notes/dogs/note-002.txt",), ("notes/pictures/1.png",)]
    assert own_store.store.table_names()  # a folder more is no table


def test_the_service_is_ready_once_it_is_warm(client: TestClient) -> None:
    look(client)
    assert client.get("/health").json() == {"status": "ready"}
    client.get("/search", params={"q": "x"})
    figures = client.get("/metrics").text
    assert 'embed_assets_requests_total{method="GET",route="/search",status="200"} 1.0' in figures
    assert 'embed_assets_live_rows{space="words"}' in figures


def test_a_store_without_a_release_is_not_ready(connect: Connect, words, tmp_path) -> None:
    (tmp_path / "notes").mkdir()
    client = connect(steps=pipeline(tmp_path))
    look(client)
    answer = client.get("/health")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "no space serves yet" in answer.json()["detail"]
    assert client.get("/spaces").json()["spaces"] == []


def test_a_promotion_is_picked_up(connect: Connect, own_store: Steps, built_store, caplog) -> None:
    caplog.set_level(logging.ERROR)
    client = connect(steps=own_store)
    version = client.get("/search", params={"q": "x"}).json()["spaces"][0]["encoder_version"]
    changed = Steps(own_store.settings.model_copy(update={"encoders": _whole_texts(own_store)}))
    run_all(changed)
    look(client)
    for _ in range(40):
        answer = client.get("/search", params={"q": note(3)})
        assert answer.status_code == 200
        if answer.json()["spaces"][0]["encoder_version"] != version:
            return
        time.sleep(0.1)
    pytest.fail("the older version still answers")


def _whole_texts(steps: Steps):
    encoder = steps.settings.encoders["words"]
    return {"words": encoder.model_copy(update={"generation": 2})}
