"""Keys: who is answered, and that one tenant's items do not exist for another, on any route."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from embed_assets.errors import SettingsError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.saved_settings import save_settings, saved_settings
from tests.service.conftest import ACME, KEYS, OTHER, WHOLE, WRITER, Connect, app_of, media_ids
from tests.support import note


@pytest.fixture
def acme(connect: Connect) -> TestClient:
    """The service as the tenant "acme" has it, to whom cats do not exist."""
    return connect(api_keys=KEYS, key=ACME)


def test_another_tenants_item_does_not_exist(acme: TestClient, served: Steps) -> None:
    ids = media_ids(served)
    cat, dog = ids["cats/note-001.txt"], ids["dogs/note-001.txt"]
    for name in (cat, "nobody"):
        for place in (f"/items/{name}", f"/media/{name}", f"/media/{name}/thumbnail"):
            answer = acme.get(place)
            assert answer.status_code == 404, place
            assert answer.json()["detail"].replace(name, "") == "There is no item ''."
    for place in (f"/items/{dog}", f"/media/{dog}"):
        assert acme.get(place).status_code == 200
    shown = acme.get(f"/items/{dog}", params={"neighbours": 50}).json()
    assert len(shown["neighbours"]) > 5
    assert all(hit["columns"]["tenant"] == "acme" for hit in shown["neighbours"])
    assert ([event["event"] for event in shown["history"]], shown["uri"]) == (["read", "embedded"], "")
    for item in (cat, "notes/cats/note-001.txt"):
        assert acme.post("/search", json={"parts": [{"item": item}]}).status_code == 404
        body = {"space": "words", "text": "x", "item": item, "good": True}
        assert acme.post("/judgements", json=body, headers={"X-API-Key": WRITER}).status_code == 404


def test_a_tenants_filter_holds_in_every_search_and_count(acme: TestClient) -> None:
    for where in (None, {"label": "cats"}, {"not": {"label": "dogs"}}, {"or": [{"label": "cats"}, {"label": "dogs"}]}):
        query: dict[str, Any] = {"parts": [{"text": note(101)}], "k": 50}
        hits = acme.post("/search", json=query | ({"where": where} if where else {})).json()["hits"]
        assert all(hit["labels"] != ["cats"] for hit in hits), where
        counted = acme.post("/facets", json={"where": where} if where else {}).json()["facets"]
        assert "cats" not in counted.get("label", {}).get("values", {})
    for mode in ("text", "hybrid"):
        answer = acme.get("/search", params={"q": note(101), "mode": mode, "k": 50})
        assert all(hit["labels"] != ["cats"] for hit in answer.json()["hits"]), mode


def test_uploads_are_of_one_key(acme: TestClient) -> None:
    kept = acme.post("/uploads", files={"file": note(3).encode()}).json()["upload"]
    query = {"parts": [{"upload": kept}]}
    assert acme.post("/search", json=query).status_code == 200
    assert acme.post("/search", json=query, headers={"X-API-Key": OTHER}).status_code == 422


def test_a_tenant_sees_no_figures_of_all(acme: TestClient) -> None:
    (space,) = acme.get("/spaces").json()["spaces"]
    assert "rows" not in space["live"]
    assert "versions" not in space
    assert acme.get("/metrics").status_code == 403
    assert acme.get("/metrics", headers={"X-API-Key": WHOLE}).status_code == 200
    assert acme.get("/search", params={"q": "x"}).json()["hits"][0]["uri"] == ""


def test_only_a_key_with_write_judges(acme: TestClient) -> None:
    body = {"space": "words", "text": "x", "item": "notes/dogs/note-001.txt", "good": True}
    assert acme.post("/judgements", json=body).status_code == 403


def test_others_marks_of_the_same_query_are_not_shown(connect: Connect, own_store: Steps) -> None:
    client = connect(steps=own_store, api_keys=KEYS | {"desk": {"key": "desk-key-0123456789", "write": True}})
    body = {"space": "words", "text": "x", "good": True}
    for item, key in (("cats/note-001.txt", "desk-key-0123456789"), ("dogs/note-001.txt", WRITER)):
        marked = client.post("/judgements", json=body | {"item": f"notes/{item}"}, headers={"X-API-Key": key})
        assert marked.json() == {"query": "x", "relevant": [f"notes/{item}"]}


def test_without_a_key_nothing_but_health_is_answered(connect: Connect) -> None:
    client = connect(api_keys=KEYS)
    for place in ("/search?q=x", "/spaces", "/facets", "/metrics", "/openapi.json", "/items/x", "/media/x", "/nothing"):
        answer = client.get(place)
        assert answer.status_code == 401, place
        assert answer.json()["detail"].startswith("A key is needed")
    assert client.post("/mcp", json={}).status_code == 401
    assert client.get("/health").status_code in (200, 503)
    assert client.get("/spaces", headers={"X-API-Key": ACME[:-1]}).status_code == 401
    assert client.get("/spaces", headers={b"X-API-Key": b"\xff"}).status_code == 401
    assert client.get("/spaces", headers={"Authorization": f"Bearer {ACME}"}).status_code == 200


def test_the_page_keeps_its_key_as_a_cookie(connect: Connect) -> None:
    client = connect(api_keys=KEYS)
    assert client.post("/session").status_code == 401
    begun = client.post("/session", headers={"X-API-Key": ACME})
    assert begun.status_code == 204
    assert "HttpOnly" in begun.headers["set-cookie"] and "SameSite=strict" in begun.headers["set-cookie"]
    assert client.get("/spaces").status_code == 200
    client.delete("/session")
    assert client.get("/spaces").status_code == 401


def test_other_sites_and_other_names_of_this_machine_are_refused(client: TestClient) -> None:
    assert client.get("/spaces", headers={"Host": "evil.example"}).status_code == 400
    body = {"parts": [{"text": "x"}]}
    assert client.post("/search", json=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert "access-control-allow-origin" not in client.get("/spaces", headers={"Origin": "http://evil.example"}).headers


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "no key is set"),
        ({"api_keys": {"web": {}}}, "serve.api_keys.web has no key"),
        ({"api_keys": {"web": {"key": "short"}}}, "at least 16"),
        ({"api_keys": {"web": {"key_env": "NOT_SET_ANYWHERE"}}}, "variable NOT_SET_ANYWHERE has no key"),
        ({"api_keys": {"web": {"key_file": "/nowhere/key"}}}, "can't be read"),
        ({"api_keys": {"web": {"key": ACME}, "two": {"key": ACME}}}, "the key is that of 'web'"),
        ({"api_keys": {"web": {"key": ACME, "filter": {"a": {"b": 1}}}}}, "serve.api_keys.web.filter: where"),
    ],
)
def test_a_service_without_its_keys_does_not_start(served: Steps, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        app_of(served, **changes)


def test_keys_come_from_the_environment_or_a_file(connect: Connect, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WEB_KEY", ACME)
    (tmp_path / "key").write_text(f"{OTHER}\n")
    keys = {"web": {"key_env": "WEB_KEY"}, "file": {"key_file": str(tmp_path / "key")}}
    for key in (ACME, OTHER):
        assert connect(api_keys=keys, key=key).get("/spaces").status_code == 200


def test_no_copy_of_the_settings_holds_a_key(served: Steps, tmp_path) -> None:
    from embed_assets.settings import PipelineSettings
    from embed_assets.store.store import Store

    serve = {"api_keys": {"web": {"key": ACME, "filter": {"label": "dogs"}}}}
    settings = PipelineSettings.model_validate(served.settings.model_dump() | {"serve": serve})
    assert ACME not in repr(settings)
    store = Store(str(tmp_path / "store"))
    save_settings(store, settings)
    assert ACME not in (tmp_path / "store" / "pipeline.yaml").read_text()
    kept = saved_settings(store)
    assert kept is not None
    assert kept.serve.api_keys["web"].filter == {"label": "dogs"}
