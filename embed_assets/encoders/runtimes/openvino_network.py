"""OpenVinoNetwork: one converted network, compiled for this machine's CPU, in a precision that is always named."""

import importlib
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from embed_assets.encoders.runtimes.usable_cores import usable_cores

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}  # by dtype of the encoder
_importing = threading.Lock()
INPUTS = ("first", "second", "third")  # names of a converted network's inputs, in order


def is_installed() -> bool:
    """Return whether the package of the extra `openvino` is there, without importing it."""
    try:
        return find_spec("openvino") is not None
    except ValueError:  # how a module that is blocked in sys.modules answers
        return False


class OpenVinoNetwork:
    """Called with arrays in the order of the torch function; returns float32. Compiled by the first call.

    What was compiled is kept in the folder `blobs`, if one is given, and read from there by the next process.
    """

    def __init__(self, file: Path, *, dtype: str, blobs: Path | None) -> None:
        self._file, self._dtype, self._blobs = file, dtype, blobs
        self._request: Any = None
        self._places: list[int] = []
        self._lock = threading.Lock()  # two versions of one model share it, and their queries may meet

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the network's output as a copy, which the next call leaves alone."""
        with self._lock:
            request = self._request = self._request or self._compiled()
            arrays = [np.ascontiguousarray(inputs[place]) for place in self._places]
            return np.asarray(request.infer(arrays, share_inputs=True)[0], dtype=np.float32)

    def _compiled(self) -> Any:
        compiled = _core().compile_model(str(self._file), "CPU", _options(self._dtype, self._blobs))
        # An input that no output depends on is not among the compiled model's.
        self._places = [INPUTS.index(port.get_any_name()) for port in compiled.inputs]
        return compiled.create_infer_request()


def _options(dtype: str, blobs: Path | None) -> dict[str, Any]:
    return {
        # Unset it is bfloat16 on CPUs that have it, and a vector would depend on the machine.
        "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,  # one batch at a time
        "INFERENCE_NUM_THREADS": usable_cores(),
        "ENABLE_CPU_PINNING": False,  # a pinned thread waits for its core where another process has it
        **({} if blobs is None else {"CACHE_DIR": str(blobs)}),
    }


def openvino() -> Any:
    """Import the package, 0.1 s, without its telemetry: that sends an event to a server as it is imported.

    Without that module the package takes a stub of its own in its place. Threads that load models at once import it
    one after the other.
    """
    with _importing:
        return _imported()


@cache
def _imported() -> Any:
    telemetry = "openvino_telemetry"
    found = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == telemetry}
    sys.modules[telemetry] = None  # pyright: ignore[reportArgumentType]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[telemetry]
        sys.modules.update(found)


def _core() -> Any:
    with _importing:
        return _made_core()


@cache
def _made_core() -> Any:
    return _imported().Core()
