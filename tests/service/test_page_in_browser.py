"""The page in headless Chromium on a real service: found, dropped, taken away, filtered, opened, played, compared."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from embed_assets.pipeline.steps import Steps
from tests.media.made import sound_file, tone
from tests.service.conftest import KEYS, WRITER, app_of
from tests.support import note, picture, pipeline, refresh_and_embed, run_all, write_notes, write_weights

browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")]

MARKUP = "<img src=x onerror=alert(1)> amber"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
DROP = """([bytes, name, type]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""


def settings_of(folder: Path) -> dict[str, Any]:
    return {
        "sources": {
            "notes": {"uri": str(folder / "notes"), "labels": "folder", "sidecar": "sidecar.jsonl"},
            "sounds": {"uri": str(folder / "sounds")},
        },
        "encoders": {
            "words": {"model": "words", "media": ["text", "image"], "sources": ["notes"]},
            "mel": {"model": "mel", "sources": ["sounds"]},
        },
        "spaces": {"words": {"promotion": "manual"}},
        "checks": {"recall_queries": 1},
    }


def write_media(folder: Path) -> None:
    write_notes(folder / "notes" / "dogs", 9)
    (folder / "notes" / "markup.txt").write_text(MARKUP)
    (folder / "notes" / "pictures").mkdir()
    for seed in range(4):
        (folder / "notes" / "pictures" / f"{seed}.png").write_bytes(picture(seed, side=64))
    files = [file for file in sorted((folder / "notes").rglob("*")) if file.is_file()]
    rows = [
        {"file": file.relative_to(folder / "notes").as_posix(), "price": number + 0.5, "organic": number % 2 == 0}
        for number, file in enumerate(files)
    ]
    (folder / "notes" / "sidecar.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "sounds").mkdir()
    for hertz in (300, 900, 3000):
        (folder / "sounds" / f"{hertz}.wav").write_bytes(sound_file(tone(2.0, hertz=hertz, rate=16000), rate=16000))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Iterator[Steps]:
    """A store with a live and a candidate version of the space of words, and sounds."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_media(folder)
        steps = pipeline(folder, **settings_of(folder))
        run_all(steps)
        write_weights(plugin_folder / "weights", seed=7)
        try:
            refresh_and_embed(steps)
            record = steps.resolve("words").record
            steps.index(record)
            steps.check(record)
        finally:
            write_weights(plugin_folder / "weights")
        yield steps


class Served:
    """The service on a port of its own, in a thread."""

    def __init__(self, app: Any) -> None:
        import uvicorn

        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        (listening,) = self._server.servers[0].sockets
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    def __exit__(self, *problem: Any) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="module")
def url(site: Steps) -> Iterator[str]:
    with Served(app_of(site)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsers.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


Visit = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Visit]:
    """Opens an address of the page; in the end nothing was requested elsewhere, blocked, or thrown."""
    problems: list[str] = []
    contexts: list[Any] = []

    def open_page(path: str = "/", *, base: str = url, quiet: bool = True, **options: Any) -> Any:
        contexts.append(browser.new_context(**({"viewport": WIDE} | options)))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        if quiet:
            page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: _is_own(request.url, base) or problems.append(request.url))
        page.goto(base + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _is_own(address: str, base: str) -> bool:
    return address.startswith((base, "blob:", "data:"))


def until(page: Any, condition: str, *, seconds: float = 20) -> None:
    """Wait until a condition in the page holds. Playwright's own would be blocked by the page's policy."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def parameters(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def first_names(page: Any) -> list[str]:
    page.wait_for_selector(".card .name")
    return page.locator(".card .name").all_text_contents()


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.closest('[data-id]')?.querySelector('.name').textContent ?? ''")


def search(page: Any, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")


def test_it_is_found_by_words_a_minus_a_filter_and_its_address_is_shared(visit: Visit) -> None:
    page = visit()
    assert "10 texts" in page.locator(".empty").inner_text()
    search(page, f"{note(3)} -garnet")
    assert first_names(page)[0] == "note-003.txt"
    assert parameters(page) == {"q": [note(3)], "part": ["-1*words:garnet"]}
    page.get_by_label("price at most").fill("4")
    page.get_by_label("price to", exact=True).fill("4")
    page.get_by_label("price to", exact=True).press("Enter")
    page.get_by_role("button", name="price ≤ 4").wait_for()
    until(page, "document.querySelectorAll('.card').length <= 4")
    names = first_names(page)
    shared = visit(page.url.removeprefix(page.evaluate("location.origin")))
    shared.get_by_role("button", name="price ≤ 4").wait_for()
    assert first_names(shared) == names
    page.get_by_role("button", name="price ≤ 4").click()
    until(page, "document.querySelectorAll('.card').length > 4")
    page.go_back()
    until(page, "document.querySelectorAll('.card').length <= 4")


def test_a_dropped_picture_is_a_part_of_the_query(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".empty h1")
    page.evaluate(DROP, [list(picture(2, side=64)), "mine.png", "image/png"])
    page.wait_for_selector(".chip img[src^='blob:']")
    assert first_names(page)[0] == "2.png"
    assert parameters(page)["part"][0].endswith(":image:mine.png")
    page.get_by_role("button", name="Remove mine.png").click()
    page.wait_for_selector(".empty h1")


def test_a_broken_file_is_one_sentence_and_the_page_goes_on(visit: Visit) -> None:
    page = visit(quiet=False)
    page.wait_for_selector(".empty h1")
    page.evaluate(DROP, [[1, 2, 3], "broken.png", "image/png"])
    assert page.locator("[role=alert]").inner_text()
    page.get_by_role("button", name="Remove broken.png").click()
    search(page, note(1))


def test_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".empty h1")
    search(page, note(4))
    names = first_names(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) == names[0]
    page.keyboard.press("ArrowRight")
    assert focused(page) == names[1]
    page.keyboard.press("ArrowDown")
    assert focused(page) in names[2:]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector(".drawer .history")
    opened = parameters(page)["item"]
    page.keyboard.press("ArrowRight")
    until(page, f"!location.search.includes('{opened[0]}')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".drawer", state="detached")
    assert focused(page) in names
    page.keyboard.press("m")
    page.wait_for_selector(".chip .chip-name")
    assert parameters(page)["part"][0].startswith("item:")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_back_undoes_what_was_typed_and_closes_what_was_opened(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".empty h1")
    page.keyboard.press("/")
    page.keyboard.type(note(4), delay=40)
    page.wait_for_selector(".card")
    until(page, f"location.search.includes({note(4).split()[-1]!r})")
    page.locator(".card .name").first.click()
    page.wait_for_selector(".drawer")
    page.go_back()
    page.wait_for_selector(".drawer", state="detached")
    page.go_back()
    page.wait_for_selector(".empty h1")


def test_sounds_loop_their_span_one_at_a_time(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".empty h1")
    page.evaluate(DROP, [list(sound_file(tone(2.0, hertz=320, rate=16000), rate=16000)), "mine.wav", "audio/wav"])
    names = first_names(page)
    assert names[0] == "300.wav"
    until(page, "document.querySelector('.wave .inside').getAttribute('d').length > 100")
    for name in names[:2]:
        page.get_by_role("link", name=name).focus()
        page.keyboard.press(" ")
        until(page, "document.activeElement.closest('.card').querySelector('audio')?.paused === false")
        until(page, "document.querySelectorAll('.playing, audio').length === 2")
    sound = "document.querySelector('audio')"
    assert "#t=0" in page.evaluate(f"{sound}.src")
    page.evaluate(f"{sound}.currentTime = 1.9")
    until(page, f"{sound}.currentTime < 1.5 && !{sound}.paused")
    page.keyboard.press(" ")
    page.wait_for_selector(".playing", state="detached")


def test_a_text_that_is_markup_stays_text_with_its_words_marked(visit: Visit) -> None:
    page = visit("/?q=amber")
    card = page.locator(".card", has_text="markup.txt")
    assert MARKUP in card.inner_text()
    assert card.locator("mark").all_text_contents() == ["amber"]
    assert card.locator(".passage img").count() == 0


def test_a_mark_becomes_a_judged_query(visit: Visit, site: Steps) -> None:
    page = visit(f"/?q={note(5)}")
    page.locator(".card .name").first.click()
    page.get_by_role("button", name="Good", exact=True).click()
    page.wait_for_selector(".actions [aria-pressed=true]")
    (line,) = (Path(site.store.uri) / "judgements" / "words.jsonl").read_text().splitlines()
    assert json.loads(line) == {"query": note(5), "relevant": ["notes/dogs/note-005.txt"]}


def test_a_candidate_is_compared_with_what_is_live(visit: Visit) -> None:
    page = visit(f"/?q={note(6)}")
    page.get_by_role("region", name="State of the index").get_by_role("button", name="Compare").click()
    page.wait_for_selector(".sides .row")
    live, other = (side.locator(".name").all_text_contents() for side in page.locator(".sides > div").all())
    assert live[0] == other[0] == "note-006.txt"
    assert sorted(live) == sorted(other)
    moved = [place for place, name in enumerate(other) if live.index(name) != place]
    assert page.locator(".sides > div:last-child .moved").count() == len(moved) > 0
    assert len(parameters(page)["compare"]) == 1


DRAWN = "document.querySelector('.plane canvas')?.width > 300"
ENDS = ((0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995))


def draw_line(page: Any, corners: Any) -> None:
    """Drag around a part of the map, its corners as shares of its width and height."""
    box = page.locator(".plane canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()


def test_a_line_around_items_of_the_map_is_a_filter(visit: Visit) -> None:
    page = visit(f"/?q={note(3)}")
    page.wait_for_selector(".card .name")
    count = page.locator(".card .name").count()
    page.get_by_role("button", name="Map", exact=True).click()
    until(page, DRAWN)
    assert parameters(page)["map"] == ["1"]
    draw_line(page, [(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
    chip = page.locator(".chip.filter")
    chip.wait_for()
    picked = int(chip.inner_text().split()[0])
    assert 0 < picked < count
    until(page, f"document.querySelectorAll('.card .name').length === {picked}")
    until(page, f"document.querySelector('.summary').textContent.includes('of {picked} items')")
    page.locator(".card .name").first.click()
    page.wait_for_selector(".drawer")
    page.go_back()
    page.wait_for_selector(".drawer", state="detached")
    assert chip.count() == 1, "back closes the drawer, and keeps the selection"
    assert set(parameters(page)) == {"q", "map"}, "ids have no room in the address"
    chip.click()
    until(page, f"document.querySelectorAll('.card .name').length === {count}")
    page.get_by_role("button", name="Close the map").click()
    page.wait_for_selector(".map", state="detached")


def test_a_group_of_the_map_is_hidden_and_what_is_shown_is_selected(visit: Visit) -> None:
    page = visit("/?map=1&space=words")
    until(page, DRAWN)
    legend = page.get_by_role("group", name="Groups of the map")
    groups = {each.inner_text().split()[0]: each for each in legend.get_by_role("button", pressed=True).all()}
    sizes = {name: int(each.inner_text().split()[-1]) for name, each in groups.items()}
    assert sizes["dogs"] == 9
    groups["dogs"].click()
    legend.get_by_role("button", name="Select what is shown").click()
    page.get_by_role("button", name=f"{sum(sizes.values()) - 9} items on the map").click()
    legend.get_by_role("button", name="dogs", pressed=False).click()
    draw_line(page, ENDS)
    page.get_by_role("button", name=f"{sum(sizes.values())} items on the map").wait_for()


def test_the_map_by_keyboard_and_by_pointer(visit: Visit) -> None:
    page = visit("/?map=1&space=words")
    until(page, DRAWN)
    canvas = page.locator(".plane canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    first = page.locator(".tip b").inner_text()
    step = next(key for key in ("ArrowLeft", "ArrowRight") if press(page, key) != first)
    named = page.locator(".tip b").inner_text()
    assert named != first, step
    where = page.evaluate(
        "(({ left, top }) => [left + 9, top + 9])(document.querySelector('.ring').getBoundingClientRect())"
    )
    page.keyboard.press("Enter")
    page.wait_for_selector(".drawer .history")
    assert page.locator(".drawer h2").inner_text() == named
    assert page.locator(".drawer .large img, .drawer .large .passage:not(:empty)").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector(".drawer", state="detached")
    page.mouse.move(*where)
    page.locator(".tip", has_text=named).wait_for()
    page.mouse.click(*where)
    page.wait_for_selector(".drawer .history")
    assert page.locator(".drawer h2").inner_text() == named


def press(page: Any, key: str) -> str:
    """Press a key, and return the name of the item of the map that it comes to."""
    page.keyboard.press(key)
    return page.locator(".tip b").inner_text()


def test_hits_stand_out_on_the_map(visit: Visit) -> None:
    page = visit("/?map=1&space=words")
    until(page, DRAWN)
    strong = """(() => {
      const canvas = document.querySelector('.plane canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, place) => place % 4 === 3 && value > 240).length;
    })()"""
    before = page.evaluate(strong)
    search(page, f"{note(3)}")
    until(page, f"{strong} > {before}")


def test_where_nothing_is_left_it_says_which_filter_to_remove(visit: Visit) -> None:
    page = visit("/?q=amber&in.label=dogs&gte.price=900")
    page.get_by_role("button", name="Remove price ≥ 900").wait_for()
    page.locator(".empty").get_by_text("leaves 9 items").first.wait_for()  # counts come behind the buttons
    page.get_by_role("button", name="Remove price ≥ 900").click()
    page.wait_for_selector(".card")


def test_a_key_is_requested_once_and_pictures_load_with_it(visit: Visit, site: Steps) -> None:
    keys = {"all": {**KEYS["writer"], "filter": None}}
    with Served(app_of(site, api_keys=keys)) as base:
        page = visit("/?q=amber", base=base, quiet=False)
        page.get_by_label("API key").fill("a wrong key of many characters")
        page.keyboard.press("Enter")
        page.get_by_text("does not know this key").wait_for()
        page.get_by_label("API key").fill(WRITER)
        page.keyboard.press("Enter")
        page.wait_for_selector(".card.image img")
        loaded = "[...document.querySelectorAll('.card.image img')].some((each) => each.naturalWidth > 0)"
        until(page, loaded)
        assert WRITER not in unquote(page.url)
        page.reload()
        until(page, loaded)
        assert page.locator("dialog[open]").count() == 0
        page.keyboard.press("?")
        page.get_by_role("button", name="Forget the API key").click()
        page.get_by_label("API key").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing(visit: Visit, size: dict[str, int], scheme: str) -> None:
    page = visit(viewport=size, color_scheme=scheme, reduced_motion="reduce")

    def look(state: str, shown: str) -> None:
        page.wait_for_selector(shown)
        until(page, "!document.querySelector('.grid.stale')")
        found = axe.Axe().run(page).response["violations"]
        assert [(state, each["id"], each["nodes"][0]["html"]) for each in found] == []

    look("empty", ".empty h1")
    search(page, f"{note(2)} -garnet")
    look("results", ".card")
    page.locator(".chip-body").first.click()
    look("weight", ".popover.weight")
    page.keyboard.press("Escape")
    page.locator(".card .name").first.click()
    look("drawer", ".drawer .history")
    page.keyboard.press("Escape")
    page.wait_for_selector(".drawer", state="detached")
    if size is NARROW:
        page.get_by_role("button", name="Filters").click()
        look("filters", "dialog.sheet[open]")
        page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Map", exact=True).click()
    until(page, DRAWN)
    draw_line(page, ENDS)
    page.locator(".plane canvas").press("ArrowRight")
    look("map", ".tip")
    if size is NARROW:
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Compare").first.click()
    look("compare", ".sides .row")
