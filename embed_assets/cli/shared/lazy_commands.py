"""LazyCommands: a group whose commands are files, each imported when it is called."""

import importlib
from collections.abc import Mapping

import click


class LazyCommands(click.Group):
    """Imports a command's module only for that command: `status` must not wait for torch."""

    lines: Mapping[str, str] = {}  # command → its line of --help, which imports none of them

    def module_of(self, command: str) -> str:
        """Return the module that has the command as `command`."""
        raise NotImplementedError

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of --help."""
        return list(self.lines)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None where there is none of this name."""
        if cmd_name not in self.lines:
            return None
        return importlib.import_module(self.module_of(cmd_name)).command
