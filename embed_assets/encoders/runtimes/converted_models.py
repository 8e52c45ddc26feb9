"""Converted models: a bounded folder in the user's cache, one entry per encoder, library versions and kind of CPU.

Of an entry `<key>/`: record.json says what it is, or why the encoder runs on torch; canaries.npz has torch's canary
vectors by modality; arrays.npz what a torch-free encoder needs beside its networks, <network>.xml and .bin; compiled/
is OpenVINO's.
"""

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.loading.identity import LIBRARIES, cache_file, canonical_hash, installed
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.spec import EncoderSpec

FORMAT = 3  # of an entry; a higher one makes new entries
MOST_BYTES = 8 * 2**30  # of all entries; those used longest ago go first


@dataclass(frozen=True, kw_only=True)
class ConvertedModel:
    """An entry of the cache, as it is on disk."""

    folder: Path
    refused: str = ""  # why torch runs the encoder; "" where the entry has networks
    difference: float = 0.0  # largest between canary vectors of both runtimes
    networks: tuple[str, ...] = ()
    state: TorchFreeState | None = None  # None: the encoder needs torch beside the networks
    canaries: Mapping[str, np.ndarray] = field(default_factory=dict)

    def blobs(self) -> Path | None:
        """Return the folder where OpenVINO keeps what it compiled; None where nothing may be written."""
        folder = self.folder / "compiled"
        return folder if folder.is_dir() or os.access(self.folder, os.W_OK) else None

    def network_file(self, name: str) -> Path:
        """Return the file of one network."""
        return self.folder / f"{name}.xml"


def entry_key(spec: EncoderSpec, parts: Mapping[str, str]) -> str:
    """Return the name of the entry of an encoder, whose identity is `parts`, on this machine."""
    return canonical_hash(
        {
            "format": FORMAT,
            "family": spec.family,
            "modalities": spec.modalities,
            "parts": dict(parts),
            "libraries": {name: installed(name) for name in ("openvino", *LIBRARIES)},
            "cpu": cpu_name(),  # another may compile to other instructions
        }
    )[:32]


def cache_folder() -> Path:
    """Return the folder of all entries: $XDG_CACHE_HOME or ~/.cache, embed-assets/openvino."""
    return cache_file().parent / "openvino"


def read_entry(key: str) -> ConvertedModel | None:
    """Return an entry; None where there is none. A damaged one is thrown away: a file of another size or time."""
    folder = cache_folder() / key
    if not folder.is_dir():
        return None
    try:
        entry = _read(folder)
    except (OSError, ValueError, KeyError, TypeError):  # absent or torn: it is only a cache
        throw_away(key)
        return None
    with suppress(OSError):  # of a folder that may only be read
        os.utime(folder)  # the entries used longest ago go first
    return entry


def write_entry(
    key: str,
    source: Path,
    *,
    networks: tuple[str, ...],
    difference: float,
    state: TorchFreeState | None,
    canaries: Mapping[str, np.ndarray],
) -> ConvertedModel:
    """Make an entry of the networks' files in `source`, a folder of `scratch_folder`, by one rename."""
    np.savez(source / "canaries.npz", allow_pickle=False, **canaries)
    np.savez(source / "arrays.npz", allow_pickle=False, **(state.arrays if state else {}))
    files = {file.name: _stat(file) for file in sorted(source.iterdir()) if file.is_file()}
    record = {
        "refused": "",
        "difference": difference,
        "networks": list(networks),
        "values": dict(state.values) if state else None,
        "files": files,
    }
    return _publish(key, source, record)


def refuse_entry(key: str, reason: str) -> None:
    """Note that torch runs this encoder, and why, in place of what was converted. A read-only cache keeps no note."""
    try:
        throw_away(key)
        with scratch_folder() as folder:
            _publish(key, Path(folder), {"refused": reason, "files": {}, "networks": [], "values": None})
    except OSError:
        return


def throw_away(key: str) -> None:
    """Remove an entry, if it is there."""
    shutil.rmtree(cache_folder() / key, ignore_errors=True)


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a new folder beside the entries, for `with`: what is left there is removed."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".making-", dir=cache_folder(), ignore_cleanup_errors=True)


@cache
def cpu_name() -> str:
    """Return the model name of this machine's CPU, as its system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _publish(key: str, source: Path, record: Mapping[str, Any]) -> ConvertedModel:
    (source / "record.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    target = cache_folder() / key
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # Another process was first: the same networks of the same encoder.
    _remove_oldest(keep=target)
    return _read(target)


def _read(folder: Path) -> ConvertedModel:
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    for name, stat in record["files"].items():
        if _stat(folder / name) != stat:
            raise ValueError(f"{name} was changed")
    if record["refused"]:
        return ConvertedModel(folder=folder, refused=record["refused"])
    values = record["values"]
    return ConvertedModel(
        folder=folder,
        difference=record["difference"],
        networks=tuple(record["networks"]),
        state=None if values is None else TorchFreeState(values=values, arrays=_arrays(folder / "arrays.npz")),
        canaries=_arrays(folder / "canaries.npz"),
    )


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _stat(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, int(stat.st_mtime)]  # whole seconds: an image of a container keeps no more


def _remove_oldest(*, keep: Path) -> None:
    entries = [folder for folder in keep.parent.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    left = MOST_BYTES - _bytes(keep)
    for folder in sorted(entries, key=lambda each: each.stat().st_mtime_ns, reverse=True):
        if folder == keep:
            continue
        left -= _bytes(folder)
        if left < 0:
            shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
