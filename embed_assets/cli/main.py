"""The embed-assets command. Each command is a file of this folder, imported when it is called."""

import importlib
from typing import Any

import click

from embed_assets import __version__

_COMMANDS = (
    "demo",
    "encoders",
    "history",
    "maintain",
    "plan",
    "promote",
    "retire",
    "retry",
    "rollback",
    "run",
    "search",
    "status",
    "ui",
)


class _Commands(click.Group):
    """Imports a command's module only for that command: `status` must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"embed_assets.cli.{cmd_name}").command

    def invoke(self, ctx: click.Context) -> Any:
        from embed_assets.errors import EmbedAssetsError

        try:
            return super().invoke(ctx)
        except EmbedAssetsError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Stopped. What was written is kept; the same command goes on from there.", err=True)
            ctx.exit(130)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="embed-assets")
def main() -> None:
    """Turn folders of media into a checked, searchable LanceDB index, and keep it fresh."""
