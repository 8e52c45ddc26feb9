"""embed-assets ui: Dagster's web UI on a store."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
from click.core import ParameterSource

from embed_assets.cli.shared.dagster_home import set_home
from embed_assets.cli.shared.options import short_path, steps_of, store_option
from embed_assets.cli.shared.plain_output import say
from embed_assets.errors import MissingExtraError

_WORKSPACE = "workspace.yaml"
# Dagster would have `dg dev` used, which is another package's; a filter of the one process.
_SUPERSEDED = "ignore:Function `dev_command` is superseded"
_END_SECONDS = 3.0  # for runs to end and servers to close


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@store_option
def command(port: int, host: str, store: str) -> None:
    """Open the Dagster UI on the assets, runs and checks of a store; Ctrl-C stops it.

    Without --store it opens the project whose workspace.yaml is in this folder, if there is one.
    """
    import importlib.util

    if importlib.util.find_spec("dagster_webserver") is None:
        raise MissingExtraError("The Dagster UI", "ui")
    what, where = location(store, is_named=_is_named())
    say(what)
    say(f"Dagster UI: http://{host}:{port}/asset-groups")  # the lineage; the front page is a timeline of the last hours
    _run([sys.executable, "-W", _SUPERSEDED, "-m", "dagster", "dev", *where, "-h", host, "-p", str(port)])


def location(store: str, *, is_named: bool) -> tuple[str, list[str]]:
    """Return what is opened, in a line, and the arguments that name it; sets the environment that Dagster reads.

    A store that is named is opened, whatever folder this is.
    """
    if Path(_WORKSPACE).exists() and not is_named:
        set_home(store)
        line = f"Project: {_WORKSPACE} of this folder. A store: embed-assets ui --store STORE"
        return line, ["-w", _WORKSPACE]
    settings = steps_of(store).settings
    set_home(settings.store)
    os.environ["EMBED_ASSETS_STORE"] = settings.store
    return f"Store: {short_path(settings.store)}", ["-m", "embed_assets.location"]


def _is_named() -> bool:
    """Return whether the command line or the environment names a store."""
    given = click.get_current_context().get_parameter_source("store")
    return given in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


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
