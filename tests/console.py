"""Documents that are stories of commands: run them, compare what they print, or write it in anew.

In a document, a block whose first line is a comment with a file name is that file; a `console` block holds
lines that begin with "$ " and what they print. Run as a program, it writes the real output into documents:

    python -m tests.console docs/re-embedding.md
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support import REPOSITORY

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"(?:#|//|--) ([\w./-]+\.\w+)\n")
WIDTH = "110"  # columns of a terminal that is as wide as the documents


@dataclass(frozen=True)
class Command:
    """A line after "$ " and what it printed, with exit status 0 unless it ends with "# exit N"."""

    line: str
    output: str
    within: str = "."  # the folder that an earlier `cd` went to

    @property
    def status(self) -> int:
        found = re.search(r"# exit (\d+)$", self.line)
        return int(found[1]) if found else 0


def files(document: str) -> dict[str, str]:
    """The files that a document shows, by name."""
    found = {}
    for kind, block in _BLOCK.findall(document):
        name = _FILE.match(block)
        if name and kind != "console":
            found[name[1]] = block if kind != "json" else block.partition("\n")[2]
    return found


def commands(document: str) -> list[Command]:
    """The commands of its console blocks, in order."""
    found, within = [], "."
    for kind, block in _BLOCK.findall(document):
        for command in _of(block) if kind == "console" else ():
            found.append(replace(command, within=within))
            within = command.line.removeprefix("cd ") if command.line.startswith("cd ") else within
    return found


def environment(folder: Path) -> dict[str, str]:
    """An environment of its own: a home in `folder`, embed-assets on the path, no hub."""
    script = folder / "bin" / "embed-assets"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        f"#!{sys.executable}\nimport warnings\nwarnings.simplefilter('ignore')\n"
        "from embed_assets.cli.main import main\nmain()\n"
    )
    script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMBED_ASSETS", "DAGSTER"))}
    path = os.pathsep.join([str(script.parent), str(Path(sys.executable).parent), kept["PATH"]])
    home = {
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "LOGNAME": "ada",
    }
    return kept | home | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "COLUMNS": WIDTH, "PYTHONWARNINGS": "ignore"}


def story_environment(name: str, folder: Path) -> dict[str, str]:
    """The environment of a page of docs/: that of a host where it tells a host's story."""
    if name != "plugin.md":
        return environment(folder)
    from tests.host import make_host

    return make_host(folder)


def run(command: Command, folder: Path, environ: dict[str, str]) -> str:
    """What the command prints now. Raises AssertionError where it ends with another exit status."""
    call, place = ["bash", "-c", command.line], folder / command.within
    done = subprocess.run(call, cwd=place, env=environ, text=True, capture_output=True)
    told = [*done.stdout.splitlines(), *(line for line in done.stderr.splitlines() if not line.startswith("· "))]
    said = "\n".join(line.rstrip() for line in told).strip("\n").replace(f"{folder}/", "")
    assert done.returncode == command.status, f"$ {command.line}\nexit {done.returncode}\n{said}"
    return said


def normal(output: str) -> list[str]:
    """The words of an output, sorted, without what differs from run to run: figures, versions, where tables wrap."""
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "RUN", output)
    text = re.sub(r"\b[0-9a-f]{12}\b", "VERSION", text)
    text = re.sub(r"\b[0-9a-f]{4,8}…", "HASH", text)
    text = re.sub(r"\d+(?:[.,:T-]\d+)*", "0", text).replace("<0", "0")
    text = re.sub(r"[─━┄╌│┃┏┓┗┛┡┩└┘┳╇┴┻┼╋]+", " ", text)
    text = re.sub(r"0 ?(?:B|kB|MB|GB|k|M|ms|s|min|minutes?|seconds?)\b", "0 UNIT", text)
    return sorted(text.split())


def rewritten(document: str, folder: Path, environ: dict[str, str]) -> str:
    """The document with what its commands print now."""
    write_files(document, folder)
    left = commands(document)

    def block(found: re.Match[str]) -> str:
        if found[1] != "console":
            return found[0]
        parts = []
        for _ in _of(found[2]):
            command = left.pop(0)
            print(f"$ {command.line}", file=sys.stderr, flush=True)
            said = run(command, folder, environ)
            parts.append(f"$ {command.line}\n{said}".rstrip("\n"))
        return "```console\n" + "\n".join(parts) + "\n```"

    return _BLOCK.sub(block, document)


def write_files(document: str, folder: Path) -> None:
    """Put the document's files into the folder."""
    for name, content in files(document).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def _of(block: str) -> list[Command]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    lines = [part.strip("\n").partition("\n") for part in parts]
    return [Command(line, output) for line, _, output in lines]


def _main() -> None:
    for name in sys.argv[1:]:
        file = Path(name)
        with tempfile.TemporaryDirectory() as folder:
            environ = story_environment(file.name, Path(folder))
            file.write_text(rewritten(file.read_text(encoding="utf-8"), Path(folder), environ), encoding="utf-8")


if __name__ == "__main__":
    _main()
