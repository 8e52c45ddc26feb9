"""exit_quickly: the process of a command ends when its work does, without taking the interpreter apart.

Python's own end walks every object and module twice: two seconds where torch, transformers and Dagster are loaded.
"""

import atexit
import logging
import os
import sys

_status: int | None = None


def exit_quickly() -> None:
    """End this process, once a command has returned, behind all exit handlers that are registered from now on.

    Threads that are no daemons are awaited before. What is not ended by `end_with` ends as Python does.
    """
    atexit.register(_end)  # the first to be registered is the last to be called


def end_with(status: int) -> None:
    """Note the exit status of the command, whose work is done."""
    global _status
    _status = status


def _end() -> None:
    if _status is None:
        return
    logging.shutdown()  # registered before: it would be called behind this
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where it was closed before the start
                stream.flush()
    except (OSError, ValueError):  # a pipe that nobody reads: Python's own end says so
        return
    os._exit(_status)
