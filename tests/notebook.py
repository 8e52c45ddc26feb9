"""Notebooks whose cells run here: `python -m tests.notebook docs/NAME.ipynb` writes what they print now."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support import REPOSITORY

_RUN = """
import contextlib, io, json, sys
names = {"__name__": "__main__"}
printed = []
for cell in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(cell, "cell", "exec"), names)
    printed.append(out.getvalue())
print(json.dumps(printed))
"""


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed_by(notebook: dict[str, Any], folder: Path) -> list[str]:
    """What each code cell prints, all of them run one after the other in a process of their own."""
    cells = ["".join(cell["source"]) for cell in code_cells(notebook)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{_RUN}"],
        cwd=folder,
        input=json.dumps(cells),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stored(cell: dict[str, Any]) -> str:
    return "".join("".join(output["text"]) for output in cell["outputs"])


def main() -> None:
    file = Path(sys.argv[1])
    notebook = json.loads(file.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        outputs = printed_by(notebook, Path(folder))
    for number, (cell, text) in enumerate(zip(code_cells(notebook), outputs, strict=True), start=1):
        stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        cell["outputs"], cell["execution_count"] = ([stream] if text else []), number
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
