"""What workers are asked to do in tests; by name, since they import it anew."""

import os
import signal
import sys
import time
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


def nap(data: bytes) -> int:
    time.sleep(0.2)
    return os.getpid()
