"""/map: the items of a space on the plane of its encoder version, for whom they exist, and as a filter."""

from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from embed_assets.pipeline.steps import Steps
from embed_assets.search.filters import MOST_ITEMS
from embed_assets.store.serving.kept_projection import keep_projection, read_projection
from tests.service.conftest import ACME, KEYS, Connect, media_ids, service_of
from tests.support import note, table_versions

SPACE = {"space": "words"}


def test_every_item_has_its_place_group_and_name(client: TestClient, served: Steps) -> None:
    found = client.get("/map", params=SPACE).json()
    ids = media_ids(served)
    assert found["items"] == len(found["media_ids"]) == 17
    assert found["grouped_by"] == "label"
    first = found["media_ids"].index(ids["dogs/note-001.txt"])
    assert found["names"][first] == "note-001.txt"
    assert found["texts"][first] == note(1)
    assert found["groups"][found["group_of"][first]] == {"name": "dogs", "items": 6}
    assert sum(group["items"] for group in found["groups"]) == 17
    assert found["modalities"][found["media_ids"].index(ids["pictures/0.png"])] == "image"
    assert all(np.isfinite(found[axis]).all() and len(found[axis]) == 17 for axis in "xy")


def test_the_places_are_those_of_the_kept_plane_as_soon_as_there_is_one(connect: Connect, own_store: Steps) -> None:
    client = connect(steps=own_store)
    before = table_versions(own_store.store)
    fitted = client.get("/map", params=SPACE).json()
    release = own_store.store.serving.live_release("words")
    assert read_projection(own_store.store, release.table) is None, "a request writes nothing"
    assert table_versions(own_store.store) == before
    report = own_store.inspect("words").map()
    plane = read_projection(own_store.store, release.table)
    assert plane is not None
    keep_projection(own_store.store, release.table, replace(plane, scale=3 * plane.scale))
    found = client.get("/map", params=SPACE).json()
    assert found["media_ids"] == [name.media_id for name in report.names] == fitted["media_ids"]
    assert found["method"] == report.method
    for factor, document in ((1, fitted), (3, found)):
        places = np.transpose([document["x"], document["y"]])
        np.testing.assert_allclose(places, factor * report.places, atol=1e-3)


def test_a_map_is_made_once_for_a_release(client: TestClient) -> None:
    maps = service_of(client).maps
    opened = service_of(client).searcher.open_space("words")
    assert maps.of(opened, None) is maps.of(opened, None)


def test_items_of_other_tenants_are_on_no_map(connect: Connect, served: Steps) -> None:
    client = connect(api_keys=KEYS, key=ACME)
    found = client.get("/map", params=SPACE).json()
    ids = media_ids(served)
    cats = {media_id for key, media_id in ids.items() if key.startswith("cats/")}
    assert found["items"] == len(found["media_ids"]) == 11
    assert not cats & set(found["media_ids"])
    assert "cats" not in [group["name"] for group in found["groups"]]
    assert client.get("/map", params=SPACE, headers={"X-API-Key": "x" * 20}).status_code == 401
    strangers = {"strangers": {"key": "stranger-key-0123456", "filter": {"no_such_column": 1}}}
    nothing = connect(api_keys=strangers, key="stranger-key-0123456").get("/map", params=SPACE).json()
    assert (nothing["items"], nothing["media_ids"], nothing["groups"], nothing["x"]) == (0, [], [], [])


@pytest.mark.parametrize(("given", "status"), [({"space": "word"}, 404), ({}, 422), ({"space": ""}, 422)])
def test_a_space_that_is_none_is_named(client: TestClient, given: dict[str, str], status: int) -> None:
    answer = client.get("/map", params=given)
    assert answer.status_code == status
    assert "space" in answer.json()["detail"]


def test_a_selection_on_the_map_is_a_filter(client: TestClient) -> None:
    found = client.get("/map", params=SPACE).json()
    picked = found["media_ids"][:3]
    query = {"parts": [{"text": note(1)}], "k": 50}
    most = [*picked, *(f"none{number}" for number in range(MOST_ITEMS - 3))]
    for selection in (picked, most):
        hits = client.post("/search", json=query | {"where": {"item": {"in": selection}}}).json()["hits"]
        assert sorted(hit["media_id"] for hit in hits) == picked
        counted = client.post("/facets", json={"where": {"item": {"in": selection}}}).json()["facets"]
        assert sum(counted["modality"]["values"].values()) == 3
    refused = client.post("/search", json=query | {"where": {"item": {"in": [*most, "one"]}}})
    assert (refused.status_code, str(MOST_ITEMS) in refused.json()["detail"]) == (422, True)
    assert client.post("/search", json=query | {"where": {"label": {"in": most}}}).status_code == 422
