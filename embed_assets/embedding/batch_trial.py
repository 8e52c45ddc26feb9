"""Batch sizes found by measuring: in a large run sizes take turns, and the fastest is remembered on this machine.

Which size is the fastest depends on caches, cores and the runtime, so that no table of ours knows it: a size is tried
on the run's own batches, which costs nothing when it is done.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.loading.identity import LIBRARIES, cache_file, canonical_hash, installed
from embed_assets.encoders.runtimes.converted_models import cpu_name
from embed_assets.encoders.runtimes.usable_cores import usable_cores

FEWEST_ITEMS = 200  # of a run that sizes are tried in
UNITS = ("tokens", "pixels")  # that sizes are counted in: of texts, of everything else
BATCHES = 5  # measured of each size, behind one that warms it up
_BETTER = 0.97  # of the usual size's time: what is nearer is noise
_MOST_STEPS = 4  # halvings or doublings away from the usual size


class BatchTrial:
    """Sizes that take turns, batch by batch: the usual one, its half and its double, and on where the last one wins.

    A size is a maximum of padded tokens or pixels. `choice` is None until each was measured; then `chosen` is called
    with it.
    """

    def __init__(self, usual: int, *, chosen: Callable[[int], None] = lambda size: None) -> None:
        self._usual, self._chosen = usual, chosen
        self._times: dict[int, list[float]] = {size: [] for size in (usual, max(1, usual // 2), usual * 2)}
        self._warm = set[int]()
        self.choice: int | None = None

    @classmethod
    def decided(cls, size: int) -> "BatchTrial":
        """Return one that has nothing to measure: every batch has this size."""
        trial = cls(size)
        trial.choice = size
        return trial

    def size(self) -> int:
        """Return the size of the next batch: the one that was measured least, or the choice."""
        if self.choice is not None:
            return self.choice
        return min(self._times, key=lambda size: (len(self._times[size]) + (size in self._warm), size))

    def room(self) -> int:
        """Return the cost of one batch of each size: a window as large lets all of them be measured."""
        return self.choice or sum(self._times)

    def measured(self, size: int, cost: int, seconds: float) -> None:
        """Note the seconds of a batch of this size that cost so much, padding not counted."""
        if self.choice is not None or size not in self._times or cost * 2 < size:  # the end of a window shows little
            return
        if size not in self._warm:
            self._warm.add(size)
            return
        self._times[size].append(seconds / cost)
        if all(len(times) >= BATCHES for times in self._times.values()):
            self._decide()

    def _decide(self) -> None:
        medians = {size: statistics.median(times) for size, times in self._times.items()}
        best = min(medians, key=lambda size: medians[size])
        beyond = best * 2 if best == max(medians) else best // 2 if best == min(medians) else 0
        if beyond and 2**-_MOST_STEPS <= beyond / self._usual <= 2**_MOST_STEPS:
            self._times[beyond] = []
            return
        self.choice = best if medians[best] < _BETTER * medians[self._usual] else self._usual
        self._chosen(self.choice)


def begin_trials(encoder: Encoder, sizes: Mapping[str, int | None], usual: Mapping[str, int]) -> dict[str, BatchTrial]:
    """Return a trial for each unit (tokens, pixels) whose size is neither set, in `sizes`, nor known on this machine.

    None where no network runs here: of servers and of built-in models that are code.
    """
    if encoder.runtime not in ("torch", "openvino"):
        return {}
    return {
        unit: BatchTrial(usual[unit], chosen=partial(remember_size, encoder, unit))
        for unit, size in sizes.items()
        if size is None and remembered_size(encoder, unit) is None
    }


def remembered_size(encoder: Encoder, unit: str) -> int | None:
    """Return the size in `unit` (tokens, pixels) that was the fastest for such an encoder on this machine, or None."""
    with suppress(OSError, ValueError, AttributeError):  # absent or torn: it is only a cache
        size = json.loads(_file(encoder).read_text(encoding="utf-8")).get(unit)
        return size if type(size) is int and size > 0 else None
    return None


def remember_size(encoder: Encoder, unit: str, size: int) -> None:
    """Keep the fastest size for the next runs. A cache that can't be written keeps none."""
    file = _file(encoder)
    known = {each: remembered_size(encoder, each) for each in UNITS}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
            json.dump({**known, unit: size}, new)
        Path(new.name).replace(file)


def _file(encoder: Encoder) -> Path:
    spec = encoder.spec
    key: dict[str, Any] = {
        "model": (spec.family, Path(spec.model).name, encoder.dim, spec.max_tokens),
        "how": (encoder.runtime, encoder.dtype, _device_name(encoder.device), usable_cores()),
        "libraries": {name: installed(name) for name in ("openvino", *LIBRARIES)},
    }
    return cache_file().parent / "batch_sizes" / f"{canonical_hash(key)[:32]}.json"


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return f"{device} {cpu_name()}"
    import torch

    return torch.cuda.get_device_name(device) if torch.cuda.is_available() else device
