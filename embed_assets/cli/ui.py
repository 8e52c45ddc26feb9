"""embed-assets ui: Dagster's web UI on a store."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click

from embed_assets.cli.shared.dagster_home import dagster_home
from embed_assets.cli.shared.options import steps_of, store_option
from embed_assets.cli.shared.plain_output import say
from embed_assets.errors import MissingExtraError

_END_SECONDS = 3.0  # for runs to end and servers to close


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
    say(f"Dagster UI on http://{host}:{port}")
    _run([sys.executable, "-m", "dagster", "dev", *where, "-h", host, "-p", str(port)])


def _run(arguments: list[str]) -> None:
    """Run `dagster dev` and its processes until they end, or this process does."""
    process = subprocess.Popen(arguments, start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _end(process)
        raise
    click.get_current_context().exit(code)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the webserver, daemon and code servers to end, then end them."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
