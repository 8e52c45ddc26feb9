"""embed-assets search: search the live spaces by words, a picture, sound or video."""

import difflib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.status_tables import print_hits
from embed_assets.errors import SettingsError, StoreError
from embed_assets.media.files.regular_file import read_regular
from embed_assets.media.files.unicode_names import composed
from embed_assets.search.searcher import Hit, Searcher

_LABELS = 12  # that are named where one is unknown


@click.command()
@click.argument("query", required=False)
@click.option("--file", "file", type=click.Path(), help="A picture, sound or video to search with.")
@click.option("--space", help="Only this space; otherwise all that take such a query.")
@click.option("--label", help="Only items with this label.")
@click.option("-k", type=click.IntRange(min=1), default=5, show_default=True, help="How many items of each space.")
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
    for name, given in (("query", query), ("label", label)):
        if given is not None and not _is_text(given):
            raise SettingsError(f"The {name} is not UTF-8. Check the encoding of the terminal or script it comes from.")
    steps = steps_of(store)
    searcher = Searcher(steps.store, compute=steps.settings.compute, limits=steps.settings.limits)
    search_input: str | bytes = query if query is not None else _bytes_of(Path(file or ""), steps.limits.max_bytes)
    found = {
        name: searcher.search(search_input, space=name, k=k, label=label)
        for name in _spaces(searcher, search_input, space)
    }
    if label is not None and not any(found.values()):
        _refuse_unknown_label(searcher, label, found)
    if as_json:
        say_json({name: [hit.document() for hit in hits] for name, hits in found.items()})
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


def _is_text(query: str) -> bool:
    """Return whether an argument is text: bytes that are not UTF-8 arrive as lone surrogates."""
    try:
        query.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unknown_label(searcher: Searcher, label: str, spaces: Iterable[str]) -> None:
    """Raise an error with the labels that there are, unless `label` is one of them."""
    known = Counter[str]()
    for space in spaces:
        known.update(searcher.labels(space))
    if composed(label) in known:
        return
    near = difflib.get_close_matches(label, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    most = [name for name, _ in known.most_common(_LABELS)]
    more = f" and {len(known) - len(most):,} more" if len(known) > len(most) else ""
    raise SettingsError(f"No item has the label {label!r}.{hint} Labels: {', '.join(most) or 'none'}{more}.")


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    if not path.is_file():
        raise SettingsError(f"Query file {str(path)!r} does not exist.")
    data = read_regular(path, max_bytes)
    if len(data) > max_bytes:
        raise SettingsError(f"Query file {str(path)!r} is larger than limits.max_bytes, {max_bytes:,}.")
    return data


def _title(query: str, space: str, hits: list[Hit]) -> str:
    return f"{query} → {space} ({len(hits)})"
