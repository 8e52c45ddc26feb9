"""embed-assets search: search the live spaces by words, files, stored items, and what to leave out."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from embed_assets import progress
from embed_assets.cli.shared.ask_service import ask_service
from embed_assets.cli.shared.options import json_option, saved_pipeline, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.tables.hit_tables import print_answer
from embed_assets.errors import SettingsError
from embed_assets.media.files.regular_file import read_query_file
from embed_assets.media.files.unicode_names import composed
from embed_assets.search.answers import Answer
from embed_assets.search.filter_arguments import parse_condition
from embed_assets.search.filters import FilterTree, both, columns_named, parse_filter
from embed_assets.search.query import Query, query_of
from embed_assets.settings import PipelineSettings
from embed_assets.store.store import Store

_LABELS = 12  # that are named where one is unknown
_AWAY = -0.5  # weight of what a query is to lead away from


@click.command()
@click.argument("query", required=False)
@click.option("--file", "files", type=click.Path(), multiple=True, help="A picture, sound or video to search with.")
@click.option("--like", "items", multiple=True, metavar="ITEM", help="More like this stored item: SOURCE/KEY.")
@click.option("--minus", multiple=True, metavar="WORDS", help="Away from what these words mean.")
@click.option("--space", "spaces", multiple=True, help="Only this space; otherwise all that take such a query.")
@click.option(
    "--mode",
    type=click.Choice(["vector", "text", "hybrid"]),
    default="vector",
    show_default=True,
    help="By meaning, by words (full-text), or both.",
)
@click.option("--label", help="Only items with this label.")
@click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="Only items for which it holds: label=dog, price<20, source=a,b, title~word, or a JSON object.",
)
@click.option(
    "--min-percentile",
    type=click.FloatRange(0, 100),
    help="Only items nearer than this share, in percent, of random pairs.",
)
@click.option("--fold", is_flag=True, help="Show items that are nearly identical as one.")
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="How far items that are like one before them go down: 0 to 1.",
)
@click.option("--rerank", metavar="MODEL", help="Order the first results again by this cross-encoder (hub id).")
@click.option("-k", type=click.IntRange(min=1), default=5, show_default=True, help="How many items.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many items to leave out first.")
@store_option
@json_option
def command(
    query: str | None,
    files: Sequence[str],
    items: Sequence[str],
    minus: Sequence[str],
    label: str | None,
    where: Sequence[str],
    rerank: str | None,
    fold: bool,
    store: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Find media items by QUERY, by pictures, sounds or videos, or by stored items."""
    if query is None and not files and not items:
        raise SettingsError('Give words, a file or a stored item: embed-assets search "a query", or --file FILE.')
    given = [("query", query), ("label", label), *(("--minus", each) for each in minus)]
    for name, text in [*given, *(("--where", each) for each in where), *(("--like", each) for each in items)]:
        if text is not None and not _is_text(text):
            raise SettingsError(f"The {name} is not UTF-8. Check the encoding of the terminal or script it comes from.")
    opened, settings = saved_pipeline(store)
    contents = {f"file{n}": read_query_file(Path(each), settings.limits.max_bytes) for n, each in enumerate(files)}
    tree = _filter(label, where)
    options |= {"where": tree, "fold_duplicates": fold, "rerank": rerank is not None}
    parts = [
        *([{"text": query}] if query is not None else []),
        *({"item": each} for each in items),
        *({"text": each, "weight": _AWAY} for each in minus),
    ]
    document = None
    if rerank is None:
        uploads = [{"upload": name} for name in contents]
        asking = query_of(parts=[*parts, *uploads], **options).model_dump(mode="json", exclude_none=True)
        document = ask_service(opened.uri, asking, contents)
    if document is None:
        whole = query_of(parts=[*parts, *({"file": each} for each in contents.values())], **options)
        with Progress(quiet=as_json) as shown, progress.listening(shown.step):
            document = _searched(whole, opened, settings, rerank)
    if label is not None and not document["hits"]:
        _refuse_unknown_label(opened, label, [space["space"] for space in document["spaces"]])
    if as_json:
        say_json(document)
        return
    answer = Answer.from_document(document)
    print_answer(_title(query, files, items, minus, answer), answer, columns=columns_named(tree))


def _searched(query: Query, store: Store, settings: PipelineSettings, rerank: str | None) -> dict[str, Any]:
    """Answer in this process, which loads the encoders that the query needs."""
    from embed_assets.search.searcher import Searcher

    searcher = Searcher(store, compute=settings.compute, limits=settings.limits, reranker=rerank)
    return searcher.search(query).document()


def _filter(label: str | None, conditions: Sequence[str]) -> FilterTree | None:
    tree = None if label is None else parse_filter({"label": {"eq": label}})
    for each in conditions:
        tree = both(tree, _json_filter(each) if each.lstrip().startswith("{") else parse_condition(each))
    return tree


def _json_filter(text: str) -> FilterTree:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"--where {text[:60]!r} is not JSON: {error}") from error
    return parse_filter(document)


def _is_text(query: str) -> bool:
    """Return whether an argument is text: bytes that are not UTF-8 arrive as lone surrogates."""
    try:
        query.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unknown_label(store: Store, label: str, spaces: Iterable[str]) -> None:
    """Raise an error with the labels that there are, unless `label` is one of them."""
    from embed_assets.search.searcher import Searcher

    searcher = Searcher(store)
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


def _title(query: str | None, files: Sequence[str], items: Sequence[str], minus: Sequence[str], answer: Answer) -> str:
    wanted = [*([query] if query is not None else []), *files, *(f"like {item}" for item in items)]
    away = "".join(f" - {words}" for words in minus)
    return f"{' + '.join(wanted)}{away} → {', '.join(each.space for each in answer.spaces)} ({len(answer)})"
