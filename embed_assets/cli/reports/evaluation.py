"""embed-assets report evaluation: how well what a space serves answers, by way of search and by group."""

from dataclasses import asdict

import click

from embed_assets import progress
from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.cli.shared.tables.evaluation_tables import print_evaluation
from embed_assets.errors import SettingsError
from embed_assets.pipeline.reports.evaluation_steps import QUERIES


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@click.option(
    "--encoder-version", metavar="VERSION", help="Its newest release in the one space, instead of what is live."
)
@click.option(
    "--similarity",
    metavar="FILE",
    help="Judged pairs of texts (a, b, score), JSONL, .csv or .tsv; unset: spaces.SPACE.similarity.",
)
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=QUERIES,
    show_default=True,
    help="Queries that are searched with, drawn at random of more.",
)
@click.option("-k", type=click.IntRange(min=1, max=100), default=10, show_default=True, help="Items of an answer.")
@store_option
@json_option
def command(
    spaces: tuple[str, ...],
    encoder_version: str | None,
    similarity: str | None,
    queries: int,
    k: int,
    store: str,
    as_json: bool,
) -> None:
    """Measure what is served by its judged queries, else by its items' labels, against exact search of the same items.

    Ways of search: exact; ann, as it serves; filtered; hybrid, with words; reranked, by serve.reranker. By group too,
    and whether cosines agree with judged pairs and items of a label lie together.
    """
    steps = steps_of(store)
    chosen = served_spaces(steps, spaces)
    if encoder_version is not None and len(chosen) > 1:
        raise SettingsError(f"--encoder-version is of one space, and there are {len(chosen)}: name one of them.")
    with Progress(quiet=as_json) as shown, progress.listening(shown.step):
        found = [
            steps.evaluate(space, version=encoder_version, queries=queries, k=k, similarity=similarity)
            for space in chosen
        ]
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_evaluation(found)
