"""Torch's threads on a CPU: no more than the cores of this process, and asleep while they wait for each other.

OpenMP's threads spin at every barrier unless they are forbidden to. Where another program has one of the cores, a
thread that spins burns what its partner would need: 12 CPU seconds in place of 4.5 for the same sixty texts.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from embed_assets.encoders.runtimes.usable_cores import usable_cores

# Read once, as the library is loaded: by GNU's OpenMP of torch's wheels, and by Intel's and LLVM's.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


@contextmanager
def bounded_torch_threads() -> Iterator[None]:
    """Set torch's threads up for what is loaded inside the block, which may be the first import of torch.

    What the environment sets stays, and so does a smaller number that the program set. Outside the block the
    environment is as it was: it would reach other programs that this one starts.
    """
    absent = [name for name in WAITING if name not in os.environ and "torch" not in sys.modules]
    os.environ.update({name: WAITING[name] for name in absent})
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)
        _bound()


def _bound() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())
