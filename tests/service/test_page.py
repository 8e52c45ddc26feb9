"""The page's files: few bytes, from this service alone, nothing that its policy would block."""

import gzip
import hashlib
import re

from fastapi.testclient import TestClient

from embed_assets.service.page_files import FOLDER, page_paths
from tests.service.conftest import KEYS, Connect

MOST_BYTES, LATER_BYTES = 60_000, 6_000  # compressed
LATER = ("js/view/map.js", "js/plane.js")  # loaded once the map is opened
PREACT_HTM = (
    "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"  # htm 3.1.1, preact/standalone.module.js
)
NAMESPACE = "http://www.w3.org/2000/svg"


def own_files() -> dict[str, str]:
    """Text by path of the page's files, but for what is of others."""
    files = [file for file in FOLDER.rglob("*") if file.is_file() and file.parent.name != "vendor"]
    return {file.relative_to(FOLDER).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_the_page_is_small() -> None:
    files = {file.relative_to(FOLDER).as_posix(): file for file in FOLDER.rglob("*") if file.is_file()}
    sizes = {name: len(gzip.compress(file.read_bytes())) for name, file in files.items()}
    assert sum(size for name, size in sizes.items() if name not in LATER) < MOST_BYTES, sizes
    assert sum(sizes[name] for name in LATER) < LATER_BYTES, sizes


def test_what_is_loaded_later_is_named_by_nothing_that_is_loaded_at_first() -> None:
    for name, text in own_files().items():
        if name not in LATER:
            assert re.findall(r"""from ["'][\w./]*(?:map|plane)\.js["']""", text) == [], name


def test_the_vendored_file_is_the_published_one() -> None:
    assert hashlib.sha256((FOLDER / "vendor/preact-htm.js").read_bytes()).hexdigest() == PREACT_HTM
    assert "Jason Miller" in (FOLDER / "vendor/LICENSES.txt").read_text(encoding="utf-8")


def test_nothing_names_another_site_or_makes_markup_of_text() -> None:
    for name, text in own_files().items():
        assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text.replace(NAMESPACE, "")) == [], name
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) == [], name
        assert re.findall(r"""style=["']|<script(?! type="module" src=)|\son\w+="|@import""", text) == [], name


def test_every_file_that_is_named_is_there() -> None:
    for name, text in own_files().items():
        folder = (FOLDER / name).parent
        for named in re.findall(r"""(?:from|href|src|import)[ =(]["']((?:\.|\w)[\w./-]*\.(?:js|css|svg))["']""", text):
            assert (folder / named).is_file(), f"{name} names {named}"


def test_the_page_is_served_under_its_policy_without_a_key(connect: Connect) -> None:
    client = connect(api_keys=KEYS)
    for path in sorted(page_paths()):
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert "javascript" in client.get("/js/main.js").headers["content-type"]
    assert client.get("/js").status_code in (401, 404)


def test_the_page_is_sent_compressed(client: TestClient) -> None:
    answer = client.get("/vendor/preact-htm.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert hashlib.sha256(answer.content).hexdigest() == PREACT_HTM
