"""embed-assets ui: Dagster's web UI on a store."""

import os
import sys
from pathlib import Path

import click

from embed_assets.cli.options import dagster_home, steps_of, store_option
from embed_assets.errors import MissingExtraError


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@store_option
def command(port: int, host: str, store: str) -> None:
    """Open the Dagster UI on the assets, runs and checks of a store; Ctrl-C stops it."""
    import importlib.util

    if importlib.util.find_spec("dagster_webserver") is None:
        raise MissingExtraError("The Dagster UI", "ui")
    settings = steps_of(store).settings
    dagster_home(settings)
    os.environ["EMBED_ASSETS_STORE"] = settings.store
    where = ["-w", "workspace.yaml"] if Path("workspace.yaml").exists() else ["-m", "embed_assets.location"]
    click.echo(f"Dagster UI on http://{host}:{port}")
    arguments = [sys.executable, "-m", "dagster", "dev", *where, "-h", host, "-p", str(port)]
    os.execv(sys.executable, arguments)
