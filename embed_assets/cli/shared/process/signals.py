"""Ctrl-C and SIGTERM end a command within seconds, whatever it is in the middle of.

What a command writes is whole at every moment, so it may end at any. Libraries catch signals (Dagster does
while a run waits), and native code that takes long lets Python handle none: what does not end on its own
is ended.
"""

import os
import select
import signal
import sys
import threading
from types import FrameType

INTERRUPTED_MESSAGE = "Stopped. What was written is kept; the same command goes on from there."

_GRACE = 4.0  # seconds for what is under way to end on its own
_END = 8.0  # seconds after which the kernel ends the process, even if Python runs no more
_SHOW_CURSOR = "\x1b[?25h"

_received: list[int] = []
_noted = threading.Event()


def end_on_signals() -> None:
    """Make SIGINT and SIGTERM raise KeyboardInterrupt; end the process where that does not help, or at a second one.

    For the main thread of a process that is a command; its exit status is then `exit_code()`.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)  # a byte per signal, whatever handler runs by then
    threading.Thread(target=_watch, args=(reading,), name="signals", daemon=True).start()


def exit_code() -> int:
    """Return 128 plus the number of the signal that stopped the command, as shells do."""
    _noted.wait(1.0)  # the thread that notes it may come later than the interrupt
    return 128 + (_received[0] if _received else signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _watch(reading: int) -> None:
    _received.append(_next_signal(reading))
    _noted.set()
    signal.setitimer(signal.ITIMER_REAL, _END)  # SIGALRM ends the process: nothing handles it
    if select.select([reading], [], [], _GRACE)[0]:
        _next_signal(reading)
    sys.stderr.write(f"{_SHOW_CURSOR if sys.stderr.isatty() else ''}{INTERRUPTED_MESSAGE}\n")
    sys.stderr.flush()
    os._exit(exit_code())


def _next_signal(reading: int) -> int:
    while (number := os.read(reading, 1)[0]) not in (signal.SIGINT, signal.SIGTERM):
        pass
    return number
