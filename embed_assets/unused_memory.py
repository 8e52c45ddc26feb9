"""give_back: memory that Arrow and the C library keep after columns of a large table were freed, to the system."""

import ctypes
import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """Return unused memory, in milliseconds; where the C library can't, what Arrow keeps alone.

    Both keep what was freed for later, a gigabyte after a million rows: the next stage would come on top of it.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl and macOS have none
        return None
