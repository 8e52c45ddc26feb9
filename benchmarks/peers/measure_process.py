"""Seconds and CPU seconds of a process with everything it started, daemons included (Linux)."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>


class StepFailedError(Exception):
    """A step's process ended with an error."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process wrote to its output, and what it took."""

    output: str
    seconds: float  # until the process itself ends, starting it included
    cpu_seconds: float  # with its children and the daemons that it left behind


def adopt_orphans() -> None:
    """Make this process the parent of every daemon that a step leaves, so that its CPU seconds can be read."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def run_measured(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Usage:
    """Run the command to its end, then end what it left running. Raises StepFailedError."""
    printed = log.with_name("output")  # a file: a daemon may hold a pipe open
    with log.open("ab") as errors, printed.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=dict(environment), start_new_session=True)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            _end_orphans()
            raise
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_seconds = used.ru_utime + used.ru_stime + _end_orphans()
    if process.returncode:
        written = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise StepFailedError(f"{' '.join(command)} ended with {process.returncode}:\n{written}")
    return Usage(output=printed.read_text(encoding="utf-8"), seconds=seconds, cpu_seconds=cpu_seconds)


def _end_orphans() -> float:
    """Ask every adopted daemon to end, and wait for it; returns their CPU seconds."""
    cpu_seconds = 0.0
    while children := _children():
        for child in children:
            os.kill(child, signal.SIGTERM)
        for child in children:
            _, _, used = os.wait4(child, 0)
            cpu_seconds += used.ru_utime + used.ru_stime
    return cpu_seconds


def _children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return [int(pid) for pid in listed.split()]
