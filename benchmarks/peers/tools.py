"""How each tool is run on its own work folder, as its user would every night."""

import json
import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import yaml

from embed_assets.store.store import Store
from peers.measure_process import Usage, run_measured
from peers.served import Vectors, read_file, read_served

HERE = Path(__file__).parent
NOBODY = 65534  # Postgres does not run as root
OURS = {"embed-assets": "torch", "embed-assets auto": "auto"}  # compute.runtime by the column's name
PEERS = ("cocoindex", "pixeltable", "daft")
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "DO_NOT_TRACK": "true",
    "PXT_QUIET": "1",
}


@dataclass(frozen=True)
class Tool(ABC):
    """A tool with the folder that is its own: texts, models, store, log."""

    name: str
    folder: Path

    @property
    def texts(self) -> Path:
        """The folder of texts."""
        return self.folder / "texts"

    @property
    def store(self) -> Path:
        """Everything that the tool keeps."""
        return self.folder / "store"

    @abstractmethod
    def run(self, model: Path) -> tuple[int, Usage]:
        """Bring the index up to date; returns how many texts were encoded, and what it took."""

    @abstractmethod
    def served(self, model: Path) -> Vectors:
        """Return what serves once `model` is the one that ought to."""

    def served_now(self) -> Vectors | None:
        """Return what serves at this moment, where that can be read beside the tool."""
        return read_served(self.name, self.store)

    def _measured(self, command: list[str]) -> Usage:
        environment = {**os.environ, **_QUIET, "XDG_CACHE_HOME": str(self.folder / "cache")}
        return run_measured(command, environment=environment, log=self.folder / "log")


class EmbedAssets(Tool):
    """The command line of this repository."""

    def run(self, model: Path) -> tuple[int, Usage]:
        """Write the settings, as a user does who names another model, and run."""
        settings = self.folder / "pipeline.yaml"
        settings.write_text(yaml.safe_dump(self._settings(model)), encoding="utf-8")
        before = self._encodings()
        code = "from embed_assets.cli.main import main; main()"
        usage = self._measured([sys.executable, "-c", code, "run", "--settings", str(settings), "--json"])
        return sum(self._encodings()[len(before) :]), usage

    def served(self, model: Path) -> Vectors:
        """Return what the pointer names."""
        return self.served_now() or {}

    def _settings(self, model: Path) -> dict[str, object]:
        return {
            "store": str(self.store),
            "sources": {"texts": {"uri": str(self.texts)}},
            "encoders": {"minilm": {"model": str(model), "space": "text", "segment": {"mode": "whole"}}},
            "compute": {"runtime": OURS[self.name], "device": "cpu", "offline": True},
        }

    def _encodings(self) -> list[int]:
        """How many texts each run encoded, of every version."""
        events = Store(str(self.store)).history.all("embed") if self.store.exists() else []
        return [event["segments_encoded"] for event in events]


@dataclass(frozen=True)
class Driven(Tool):
    """A tool whose driver runs in a virtual environment of its own."""

    interpreter: Path

    def run(self, model: Path) -> tuple[int, Usage]:
        """Run the driver."""
        usage = self._measured(self._command(model))
        return json.loads(usage.output.splitlines()[-1])["encoded"], usage

    def served(self, model: Path) -> Vectors:
        """Read the table, or have the driver read it."""
        if (table := self.served_now()) is not None:
            return table
        target = self.folder / "served.npz"
        self._measured([*self._command(model), "--served", str(target)])
        return read_file(target)

    def _command(self, model: Path) -> list[str]:
        driver = HERE / f"{self.name}_driver.py"
        command = [self.interpreter, driver, self.texts, model, self.store]
        as_nobody = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
        without_root = as_nobody if self.name == "pixeltable" and os.geteuid() == 0 else []
        return [*without_root, *map(str, command)]
