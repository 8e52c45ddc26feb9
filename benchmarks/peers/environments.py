"""A virtual environment for each tool: what is installed into it, and the command that runs its driver."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# torch, transformers and sentence-transformers are those of this repository's constraints: the same arithmetic.
_MODEL = ("torch==2.15.0", "transformers==5.23.0", "sentence-transformers==6.2.0")
PINS = {
    "cocoindex": ("cocoindex==1.0.26", "lancedb==0.40.0", *_MODEL),
    "pixeltable": ("pixeltable==0.7.21", *_MODEL),
    "daft": ("daft==0.7.26", "daft-lance==0.6.0", *_MODEL),
}
_OURS = ("embed-assets", "openvino", "lancedb", "torch", "transformers", "sentence-transformers")


def interpreter(tool: str, folder: Path) -> Path:
    """Return the tool's interpreter; its environment is made or completed where the pins differ."""
    home = folder / tool
    python, stamp, wanted = home / "bin" / "python", home / "pins.txt", "\n".join(PINS[tool])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing {PINS[tool][0]} (torch and its libraries are large: minutes) ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINS[tool]], check=True, stdout=sys.stderr)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def versions() -> str:
    """Return the versions that the figures belong to, as one line."""
    ours = [f"{name} {version(name)}" for name in _OURS]
    theirs = [pin.replace("==", " ") for pins in PINS.values() for pin in pins if pin not in _MODEL]
    return ", ".join(dict.fromkeys([*ours, *theirs]))
