"""A run over a folder in a process of its own that tells how much memory it took: `python -m tests.watched FOLDER`.

In FOLDER there are the sources `warm` and `hostile`. Printed as JSON: megabytes of this process, workers not counted,
at most, behind the first source and behind the second; and what became of each item of the second.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings

_FACTS: dict[str, Any] = {"family": "tests.watched:PlainEncoder", "dim": 4, "window_seconds": 10.0}
SHADES = EncoderSpec(
    name="shades", model="builtin/shades", modalities=("video",), media=("video",), space="shades", frames=4,
    sample_rate=16000, **_FACTS,
)  # fmt: skip
LEVELS = EncoderSpec(
    name="levels", model="builtin/levels", modalities=("audio",), media=("audio",), space="levels",
    sample_rate=16000, **_FACTS,
)  # fmt: skip


class PlainEncoder(Encoder):
    """Clips by the brightness of their frames, sounds by the loudness of their parts."""

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        self.spec, self.device, self.dtype, self.dim = spec, device, dtype, 4

    def prepare(self, modality: Any, payload: Any, *, query: bool = False) -> Prepared:
        values = payload.frames if modality == "video" else np.abs(payload.samples)
        shades = [float(part.mean()) + 1 for part in np.array_split(values.ravel(), 4)]
        return Prepared(modality=modality, cost=values.size // 100 + 1, data=shades)

    def encode(self, batch: Any) -> np.ndarray:
        vectors = np.array([prepared.data for prepared in batch], np.float32).reshape(-1, 4)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def identity(self) -> dict[str, str]:
        return {"config": "plain"}


def main(folder: Path) -> None:
    """Refresh and embed both sources; print the figures."""
    measured: dict[str, Any] = {}
    for source in ("warm", "hostile"):
        steps = Steps(settings(folder, source))
        steps.refresh(source)
        for encoder in steps.settings.encoders:
            steps.embed(steps.resolve(encoder).record)
        measured[source] = peak()
        measured["items"] = items(steps, source)
    print(json.dumps(measured))


def peak() -> int:
    """Megabytes. Not getrusage's figure, which begins with that of the process that started this one."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def settings(folder: Path, source: str) -> PipelineSettings:
    """Every kind of media of one source, with encoders that cost nothing."""
    return make_settings(
        {
            "store": str(folder / f"store-{source}"),
            "sources": {source: {"uri": str(folder / source)}},
            "encoders": {
                "words": {"model": "words"},
                "pixels": {"model": "pixels", "animated_frames": 8},
                "levels": {"model": "levels"},
                "shades": {"model": "shades"},
            },
            "compute": {"device": "cpu", "offline": True, "readers": 2},
            "limits": {"decode_seconds": 12, "decode_megabytes": 1024},
            "shards": 1,
        }
    )


def items(steps: Steps, source: str) -> dict[str, list[str]]:
    """By key: why an item was set aside by the listing or by an encoder, or how many segments it has."""
    rows = {row["media_id"]: row for row in steps.manifest.table([source]).to_pylist()}
    found: dict[str, list[str]] = {row["key"]: [row["reason"]] if row["reason"] else [] for row in rows.values()}
    for encoder in steps.settings.encoders:
        record = steps.resolve(encoder).record
        table = steps.vectors(record).open()
        counted: dict[str, int] = {}
        for row in [] if table is None else table.to_arrow().to_pylist():
            counted[row["key"]] = counted.get(row["key"], 0) + 1
        for key, count in counted.items():
            found[key].append(f"{encoder}: {count}")
        for media_id, (_, reason) in steps.store.quarantine(record.table).hashes().items():
            found[rows[media_id]["key"]].append(f"{encoder}: {reason}")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
