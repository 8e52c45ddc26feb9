"""Tasks for workers in tests; by name, since workers import them."""

import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from embed_assets.errors import MediaError


def size(data: bytes) -> int:
    return len(data)


def process(data: bytes) -> int:
    return os.getpid()


def doubled(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8) * 2


def red(data: bytes, *, side: int) -> Image.Image:
    return Image.new("RGB", (side, side + 1), (255, 0, 0))


def crash(data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(data: bytes) -> None:
    os._exit(3)


def hang(data: bytes) -> None:
    time.sleep(600)


def hog(data: bytes) -> int:
    return int(np.ones(3 * 2**30, np.uint8)[-1])


def refuse(data: bytes) -> None:
    raise MediaError("broken thing", "in a test")


def mistake(data: bytes) -> None:
    raise KeyError("a bug")


def unpicklable(data: bytes) -> Any:
    return lambda: None


def loaded(data: bytes) -> list[str]:
    return sorted({name.partition(".")[0] for name in sys.modules})


def opened(data: bytes) -> list[str]:
    """What this process has open."""
    folder = Path("/proc/self/fd")
    return [str(link.readlink()) for link in folder.iterdir() if link.is_symlink()]


def nap(data: bytes) -> int:
    time.sleep(0.2)
    return os.getpid()


def counted(data: bytes, *, most: int, fails: bool = False, naps: float = 0.0) -> Iterator[tuple[int, int]]:
    """Numbers, each with the process that made it."""
    for number in range(most):
        time.sleep(naps)
        yield number, os.getpid()
    if fails:
        raise MediaError("broken end", "in a test")


def crash_behind(data: bytes, *, most: int) -> Iterator[int]:
    yield from range(most)
    os.kill(os.getpid(), signal.SIGSEGV)


def hang_behind(data: bytes, *, most: int) -> Iterator[int]:
    yield from range(most)
    time.sleep(600)


def zeros(data: bytes, *, megabytes: int, times: int = 1) -> Iterator[np.ndarray]:
    for _ in range(times):
        yield np.zeros(megabytes * 2**20, np.uint8)


def words(data: bytes, *, megabytes: int) -> str:
    return "a" * (megabytes * 2**20)


def kept(data: bytes, *, megabytes: int) -> int:
    """Leaks."""
    _KEPT.append(np.ones(megabytes * 2**20, np.uint8))
    return os.getpid()


def talkative(data: bytes) -> None:
    raise MediaError("broken thing", "x" * 10**7)


def lazy(data: bytes) -> Image.Image:
    """A picture that turns out to be broken as it is sent."""
    whole = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(whole, "JPEG")
    return Image.open(io.BytesIO(whole.getvalue()[:600]))


_KEPT: list[np.ndarray] = []
