"""embed-assets encoders: the encoders that a pipeline can name."""

from typing import Any

import click
from rich.table import Table

from embed_assets.cli.shared.console import make_console
from embed_assets.cli.shared.options import json_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.encoders.registry import encoder_specs
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import UnknownEncoderError


@click.command()
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the known encoders, or show the facts of one. Any model of their families works by hub id too."""
    specs = encoder_specs()
    if name is not None and name not in specs:
        raise UnknownEncoderError(name, specs)
    chosen = [specs[name]] if name else sorted(specs.values(), key=lambda spec: (spec.media, spec.name))
    if as_json:
        say_json([_facts(spec) for spec in chosen])
    elif name:
        for fact, value in _facts(chosen[0]).items():
            say(f"{fact:16} {value}")
    else:
        make_console().print(_table(chosen))


def _facts(spec: EncoderSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "model": spec.model,
        "media": ", ".join(spec.media),
        "queries": ", ".join(spec.modalities),
        "space": spec.space,
        "dim": spec.dim,
        "tap": spec.tap,
        "pooling": spec.pooling,
        "license": spec.license,
        "download_mb": spec.download_mb,
        "extra": spec.extra or "",
        "source": spec.source,
    }


def _table(specs: list[EncoderSpec]) -> Table:
    table = Table(title="Encoders", title_justify="left", title_style="bold")
    for column in ("name", "media", "queries", "dim", "license", "MB", "extra", "model"):
        table.add_column(column, justify="right" if column in ("dim", "MB") else "left", overflow="fold")
    for spec in specs:
        facts = _facts(spec)
        size = "" if spec.download_mb is None else f"{spec.download_mb:,.0f}"
        row = [facts["name"], facts["media"], facts["queries"], str(spec.dim or ""), spec.license, size]
        table.add_row(*row, facts["extra"], spec.model)
    return table
