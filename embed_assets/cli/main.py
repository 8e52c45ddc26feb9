"""The embed-assets command. Each command is a file of this folder, imported when it is called."""

from collections.abc import Sequence
from typing import Any

import click

from embed_assets import __version__
from embed_assets.cli.shared.lazy_commands import LazyCommands
from embed_assets.cli.shared.plain_output import harmless, let_everything_print, say
from embed_assets.cli.shared.process import signals
from embed_assets.cli.shared.process.quick_exit import end_with, exit_quickly
from embed_assets.math_threads import let_math_threads_sleep

# Each with its line of `--help`, which imports none of them.
_COMMANDS = {
    "compare": "Compare encoders on a sample of the items.",
    "demo": "Build, check and search an index of texts and pictures.",
    "encoders": "List the known encoders, or show the facts of one.",
    "export": "Write what a space serves to Parquet, FAISS or Milvus.",
    "history": "Show what was done, with its figures.",
    "maintain": "Compact tables, index new rows, remove old versions.",
    "plan": "Show what run would do, why, and what it will cost.",
    "promote": "Make a candidate live, by hand.",
    "quarantine": "List the items that are not in the index, and why.",
    "repair": "Restore damaged tables.",
    "report": "Measure balance, drift, quality and noise on samples.",
    "retire": "Drop an encoder version.",
    "retry": "Have the next run try quarantined items again.",
    "rollback": "Let a space serve its previous release again.",
    "run": "Embed a folder or bucket of media, check it, serve it.",
    "search": "Find media items by words, files or stored items.",
    "serve": "Serve search: a page, an HTTP API, tools for assistants.",
    "show": "Show one item: how it was cut, its versions and history.",
    "status": "Show sources, encoders, checks and what serves.",
    "ui": "Open the Dagster UI on a store.",
}
_UPKEEP = ("maintain", "repair", "retire", "retry")  # whose files are in upkeep/


class _Commands(LazyCommands):
    """All commands of embed-assets; errors of ours become one line."""

    lines = _COMMANDS
    package = "embed_assets.cli"
    elsewhere = dict.fromkeys(_UPKEEP, "embed_assets.cli.upkeep")

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        """Run as click does; without arguments as the process's own command, which signals end."""
        if args is not None:
            return super().main(args, *others, **options)
        exit_quickly()
        signals.end_on_signals()
        let_everything_print()
        let_math_threads_sleep()
        try:
            return super().main(args, *others, **options)
        except SystemExit as done:
            if isinstance(done.code, int):
                end_with(done.code)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        from embed_assets.errors import EmbedAssetsError

        try:
            return super().invoke(ctx)
        except EmbedAssetsError as error:
            raise click.ClickException(harmless(str(error), lines=True)) from error
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            from embed_assets.cli.shared.machine_errors import explained

            message = explained(error)
            if message is None:
                raise
            raise click.ClickException(harmless(message, lines=True)) from error
        except KeyboardInterrupt:
            say(signals.INTERRUPTED_MESSAGE, err=True)
            ctx.exit(signals.exit_code())


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="embed-assets")
def main() -> None:
    """Turn folders of media into a checked, searchable LanceDB index, and keep it fresh."""
