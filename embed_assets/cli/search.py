"""embed-assets search: ask the spaces that serve, in words or with a picture."""

import json
from pathlib import Path

import click

from embed_assets.cli.options import json_option, steps_of, store_option
from embed_assets.cli.show import print_hits
from embed_assets.errors import SettingsError, StoreError
from embed_assets.media.regular import read_regular
from embed_assets.search.searcher import Hit, Searcher


@click.command()
@click.argument("query", required=False)
@click.option("--file", "file", type=click.Path(), help="A picture, sound or video to search with.")
@click.option("--space", help="Only this space; otherwise all that take such a query.")
@click.option("--label", help="Only items with this label.")
@click.option("-k", default=5, show_default=True, help="How many items of each space.")
@store_option
@json_option
def command(
    query: str | None,
    file: str | None,
    space: str | None,
    label: str | None,
    k: int,
    store: str,
    as_json: bool,
) -> None:
    """Find media items by QUERY, or by a picture, sound or video."""
    if (query is None) == (file is None):
        raise SettingsError('Give words or a file: embed-assets search "a query", or --file FILE.')
    steps = steps_of(store)
    searcher = Searcher(steps.store, compute=steps.settings.compute, limits=steps.settings.limits)
    asked: str | bytes = query if query is not None else _bytes_of(Path(file or ""), steps.limits.max_bytes)
    found = {name: searcher.search(asked, space=name, k=k, label=label) for name in _spaces(searcher, asked, space)}
    if as_json:
        click.echo(json.dumps({name: [hit.document() for hit in hits] for name, hits in found.items()}, indent=2))
        return
    for name, hits in found.items():
        print_hits(_title(query or str(file), name, hits), hits)


def _spaces(searcher: Searcher, query: str | bytes, space: str | None) -> list[str]:
    if space is not None:
        return [space]
    modality = searcher.kind(query)
    spaces = [name for name in searcher.spaces() if modality in searcher.takes(name)]
    if not spaces:
        raise StoreError(f"No space serves that takes {modality or 'such'} queries. See embed-assets status.")
    return spaces


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    if not path.is_file():
        raise SettingsError(f"Query file {str(path)!r} does not exist.")
    data = read_regular(path, max_bytes)
    if len(data) > max_bytes:
        raise SettingsError(f"Query file {str(path)!r} is larger than limits.max_bytes, {max_bytes:,}.")
    return data


def _title(query: str, space: str, hits: list[Hit]) -> str:
    return f"{query} → {space} ({len(hits)})"
