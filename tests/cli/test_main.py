"""The command's own help: every command is listed, and none is imported for it."""

import json
import subprocess
import sys
from pathlib import Path

import click

from embed_assets.cli.main import main
from tests.support import REPOSITORY

COUNT = """
import json, sys
from embed_assets.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def test_every_command_is_listed_and_there() -> None:
    files = {file.stem for file in (REPOSITORY / "embed_assets" / "cli").glob("*.py")} - {"__init__", "main"}
    files |= {file.stem for file in (REPOSITORY / "embed_assets" / "cli" / "upkeep").glob("*.py")} - {"__init__"}
    context = click.Context(main)
    names = main.list_commands(context)
    assert set(names) == files
    for name in names:
        command = main.get_command(context, name)
        assert command is not None and command.help


def test_help_imports_no_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Serve search" in done.stdout
    imported = json.loads(done.stderr.splitlines()[-1])
    assert not {"dagster", "torch", "lancedb", "numpy", "pyarrow", "pydantic", "rich"} & set(imported)
