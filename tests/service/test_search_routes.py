"""/search, /encode and /uploads: queries over HTTP."""

import json
import struct
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient

from embed_assets.pipeline.steps import Steps
from tests.service.conftest import Connect, media_ids
from tests.support import note, picture


def test_words_find_an_item_with_its_spans_and_columns(client: TestClient) -> None:
    answer = client.post("/search", json={"parts": [{"text": note(3)}], "k": 2})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    first = document["hits"][0]
    assert (first["key"], first["labels"]) == ("dogs/note-003.txt", ["dogs"])
    assert first["columns"]["tenant"] == "acme"
    assert first["spans"][0]["text"] == note(3)
    assert len(document["hits"]) == 2
    assert document["spaces"][0]["encoder"] == "words"


def test_the_simple_search_is_a_url(client: TestClient) -> None:
    found = client.get("/search", params={"q": note(3), "space": "words", "k": 1}).json()["hits"]
    assert [hit["key"] for hit in found] == ["dogs/note-003.txt"]


def test_a_file_of_the_same_request_is_a_query(client: TestClient) -> None:
    query = {"parts": [{"upload": "mine"}], "k": 1}
    answer = client.post(
        "/search", data={"query": json.dumps(query)}, files={"mine": ("2.png", picture(2, side=64), "image/png")}
    )
    assert answer.json()["hits"][0]["key"] == "pictures/2.png"


def test_an_upload_is_named_by_its_hash_later(client: TestClient) -> None:
    kept = client.post("/uploads", files={"file": ("2.png", picture(2, side=64))}).json()
    answer = client.post("/search", json={"parts": [{"upload": kept["upload"]}], "k": 1})
    assert answer.json()["hits"][0]["key"] == "pictures/2.png"
    missing = client.post("/search", json={"parts": [{"upload": "0" * 64}]})
    assert missing.status_code == 422
    assert "Send the file again" in missing.json()["detail"]


def test_more_like_an_item_under_a_filter(client: TestClient, served: Steps) -> None:
    item = media_ids(served)["dogs/note-001.txt"]
    query = {"parts": [{"item": item}], "where": {"and": [{"tenant": "other"}, {"price": {"lt": 3}}]}, "k": 3}
    hits = client.post("/search", json=query).json()["hits"]
    assert sorted(hit["columns"]["price"] for hit in hits) == [0.5, 1.5, 2.5]
    assert {hit["labels"][0] for hit in hits} == {"cats"}


def test_vectors_of_the_encoder_find_what_its_words_find(client: TestClient) -> None:
    made = client.post("/encode", json={"space": "words", "texts": [note(3), note(4)]}).json()
    assert np.array(made["vectors"]).shape == (2, made["dim"])
    part = {"vector": made["vectors"][1], "encoder_version": made["encoder_version"]}
    hits = client.post("/search", json={"parts": [part], "spaces": ["words"], "k": 1}).json()["hits"]
    assert hits[0]["key"] == "dogs/note-004.txt"
    other = part | {"encoder_version": "0123456789ab"}
    refused = client.post("/search", json={"parts": [other], "spaces": ["words"]})
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"parts": []}, 422, "parts"),
        ({"parts": [{"text": " "}]}, 422, "the words are empty"),
        ({"parts": [{"text": "x"}], "k": 0}, 422, "k: Input should be greater"),
        ({"parts": [{"text": "x"}], "k": -1}, 422, "k: "),
        ({"parts": [{"text": "x"}], "k": 1001}, 422, "at most 1,000"),
        ({"parts": [{"text": "x" * 10_001}]}, 422, "at most 10,000"),
        ({"parts": [{"text": "x"}], "spaces": ["word"]}, 404, "Did you mean 'words'?"),
        ({"parts": [{"text": "x"}], "where": {"colour": "red"}}, 422, "colour"),
        ({"parts": [{"text": "x"}], "where": "1 = 1"}, 422, "where: expected an object"),
        ({"parts": [{"text": "x"}], "where": {"label": {"eq": {"a": 1}}}}, 422, "where.'label'.eq"),
        ({"parts": [{"file": "AAAA"}]}, 422, "name an upload"),
        ({"parts": [{"picture": "AAAA"}]}, 422, "name an upload"),
        ({"parts": [{"item": "../../etc/passwd"}]}, 404, "no item"),
        ({"parts": [{"text": "x"}], "nothing": 1}, 422, "nothing"),
    ],
)
def test_a_query_that_cannot_be_answered_is_one_message(
    client: TestClient, query: dict, status: int, message: str
) -> None:
    answer = client.post("/search", json=query)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["detail"]


def test_what_is_no_json_or_no_form_is_refused(client: TestClient) -> None:
    kind = {"content-type": "application/json"}
    assert client.post("/search", content=b'{"parts": [', headers=kind).status_code == 422
    assert client.post("/search", content=b"\xff\xfe", headers=kind).status_code == 422
    assert client.post("/search", content=b"[" * 100_000, headers=kind).status_code == 422
    assert client.post("/search", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/search", content=b"--x\r\nbroken", headers=form).status_code in (400, 422)
    bare = {"content-type": "multipart/form-data"}
    assert client.post("/uploads", content=b"\x00" * 50, headers=bare).status_code == 400
    assert client.post("/uploads", files={"other": b"x"}).status_code == 422


def test_a_file_that_is_none_is_one_message(client: TestClient) -> None:
    bomb = bytearray(picture(1))
    bomb[16:24] = struct.pack(">II", 100_000, 100_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    for data in (b"\x00\x01\x02\xff" * 8, picture(1)[:60], bytes(bomb)):
        kept = client.post("/uploads", files={"file": data}).json()["upload"]
        answer = client.post("/search", json={"parts": [{"upload": kept}]})
        assert answer.status_code == 422, answer.text


def test_a_request_that_is_too_large_is_refused_by_length_and_by_count(connect: Connect) -> None:
    client = connect(max_upload_mb=1)
    large = b"x" * (2**20 + 1)
    assert client.post("/uploads", files={"file": large}).status_code == 413

    def parts():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield from [large[: 2**16]] * 20

    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/uploads", content=parts(), headers=form).status_code == 413
    assert client.post("/encode", content=parts(), headers={"content-type": "application/json"}).status_code == 413
    assert client.post("/mcp", content=parts(), headers={"content-type": "application/json"}).status_code == 413
