"""embed-assets demo: real text and pictures, embedded models, no network; ends with what there is to see."""

import time
from pathlib import Path

import click

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.options import short_path
from embed_assets.cli.shared.run_outcome import print_fresh
from embed_assets.cli.shared.run_pipeline import run_pipeline, timed
from embed_assets.cli.shared.tables.hit_tables import print_hits
from embed_assets.cli.shared.tables.status_tables import print_status
from embed_assets.demo.run import HOME, SEARCHES, DemoSearch, demo_settings, writing_media
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.settings import PipelineSettings


@click.command()
@click.option("--home", default=HOME, show_default=True, help="Where media and store are kept.")
def command(home: str) -> None:
    """Build, check and search an index of the standard library's documentation and of small pictures."""
    started = time.monotonic()
    with writing_media(home):
        settings = demo_settings(home)
        _load_first(settings)
    if not run_pipeline(settings):
        print_fresh(read_status(Steps(settings)), started=started)
        return
    console = make_console()
    print_status(read_status(Steps(settings)), console)
    for search in SEARCHES:
        _search(search, settings, console)
    console.print()
    console.tell(f"Done in {timed(started)}. Next:", style="bold")
    for line in _next(settings.store):
        console.tell(f"  {line}")


def _load_first(settings: PipelineSettings) -> None:
    """Load the first encoder, and import what its run needs, where the store lacks it: both take seconds."""
    first = next(iter(settings.encoders))
    if Steps(settings).resolve(first, register=False).is_new:
        import embed_assets.assets.pipeline  # noqa: F401 - imports Dagster


def _search(search: DemoSearch, settings: PipelineSettings, console: PlainConsole) -> None:
    searcher = Searcher(settings.store, compute=settings.compute, limits=settings.limits)
    if search.words is not None:
        search_input: str | bytes = search.words
        title = f"{search.title}: {search.words}"
    else:
        picture = _picture(search, settings)
        search_input = picture.read_bytes()
        title = f"{search.title}: {search.source}/{picture.name}"
    console.print()
    print_hits(title, searcher.search(search_input, space=search.space, k=4), console)


def _picture(search: DemoSearch, settings: PipelineSettings) -> Path:
    folder = Path(settings.sources[search.source].uri or "")
    return sorted(folder.glob("*.png"))[search.place]


def _next(store: str) -> list[str]:
    command = ".venv/bin/embed-assets" if Path(".venv/bin/embed-assets").exists() else "embed-assets"
    search = f'{command} search "read a csv file" --store {short_path(store)}'
    serve = f"{command} serve --store {short_path(store)}"
    return [
        f"{'make ui':72} open the Dagster UI on this store",
        f"{serve:72} search it in the browser",
        f"{search:72} search it here",
        f"{command + ' run ~/Pictures':72} use your own media",
    ]
