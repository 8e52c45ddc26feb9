"""LazyCommands: a group whose commands are files, each imported when it is called."""

import importlib
from collections.abc import Mapping

import click


class LazyCommands(click.Group):
    """Imports a command's module only for that command: `status` must not wait for torch."""

    lines: Mapping[str, str] = {}  # command → its line of --help, which imports none of them
    package: str  # where the commands' files are
    elsewhere: Mapping[str, str] = {}  # command → the package of its file, of those that are in another

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
        package = self.elsewhere.get(cmd_name, self.package)
        return importlib.import_module(f"{package}.{cmd_name}").command
