"""Memory that was freed goes back to the system."""

import ctypes
import subprocess
import sys

import pytest

_CODE = """
from embed_assets.unused_memory import give_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

kept = [[bytes(30_000), bytes(30_000)] for _ in range(3000)]
for pair in kept:
    pair.pop()  # what is between them stays: the heap's end does not move
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc alone")
def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30 * 2**20
