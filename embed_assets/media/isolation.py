"""Decoders: decoding in processes of their own, so that a crash or a hang costs one item and not the run."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

from embed_assets.errors import MediaError

_START_SECONDS = 120.0  # that a worker may take to import its decoders on a busy machine


class Decoders:
    """Runs tasks on bytes in worker processes, as many as there are threads in `run` at one time.

    Workers start on first use and are kept. They are fresh interpreters, not forks, that never import
    the program's `__main__`. May be used from several threads, and by a forked child, which starts
    workers of its own. Guards against faults of decoders, not against code that takes them over: it
    runs as the same user. Needs a POSIX system.
    """

    def __init__(self, *, seconds: float = 20.0, megabytes: int = 2048) -> None:
        self._seconds = seconds
        self._megabytes = megabytes
        # Appending and popping are atomic: a lock could be held by another thread when a process forks.
        self._idle: deque[_Worker] = deque()
        self._owner = os.getpid()
        self._closed = False
        self.restarts = 0  # workers that crashed or were stopped
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def run(self, task: str | Callable[..., Any], data: bytes, *, seconds: float | None = None, **options: Any) -> Any:
        """`task(data, **options)` in a worker: a function that can be imported, or "module:function".

        Raises MediaError "decoder crashed", "decoder timed out" or "out of memory"; the next item has
        a fresh worker where it must. What the task raises comes back as it is, MediaError or another.
        `seconds` is the limit for this item; the start of a worker does not count.
        """
        name = task if isinstance(task, str) else _name_of(task)
        worker = self._take()
        limit = self._seconds if seconds is None else seconds
        try:
            outcome, result = worker.ask((name, limit, options), data, limit)
        except BaseException:  # a KeyboardInterrupt too leaves half an answer in the pipe
            worker.stop()
            self.restarts += 1
            raise
        if self._closed:
            worker.stop()
        else:
            self._idle.append(worker)
        if outcome == "ok":
            return result
        raise MediaError("out of memory", result) if outcome == "memory" else result

    def close(self) -> None:
        """Stops the idle workers, and each busy one when its item is done."""
        self._closed = True
        _stop_all(self._idle)

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> "_Worker":
        if self._closed:
            raise RuntimeError("These decoders are closed; make new ones.")
        if self._owner != os.getpid():  # forked: the workers, and the pipes to them, are the parent's
            self._idle.clear()
            self._owner = os.getpid()
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return _Worker(self._megabytes)
            if worker.alive():
                return worker
            worker.stop()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, megabytes: int) -> None:
        self._owner = os.getpid()
        self._connection, theirs = Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from embed_assets.media.worker import serve; "
            f"serve({theirs.fileno()}, {megabytes})"
        )
        with theirs:  # closed here once the child has it: otherwise a crash would not close the pipe
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._await_ready()

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Any, data: bytes, seconds: float) -> tuple[str, Any]:
        try:
            self._connection.send_bytes(pickle.dumps(request))
            self._connection.send_bytes(data)
            if not self._connection.poll(seconds):
                raise MediaError("decoder timed out", f"no answer in {seconds:g} s for {len(data):,} bytes")
            message, lengths = pickle.loads(self._connection.recv_bytes())
            return pickle.loads(message, buffers=[self._receive(length) for length in lengths])
        except (EOFError, ConnectionError) as error:
            raise MediaError("decoder crashed", f"{self._end()} on {len(data):,} bytes") from error

    def stop(self) -> None:
        """Kills the process and reaps it. Does nothing in a forked child: it is not the child's."""
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._connection.close()

    def _await_ready(self) -> None:
        try:
            if self._connection.poll(_START_SECONDS) and self._connection.recv_bytes() == b"ready":
                return
        except (EOFError, ConnectionError):
            pass
        end = self._end() if self._process.poll() is not None else f"no answer in {_START_SECONDS:g} s"
        self.stop()
        raise RuntimeError(f"A decoder process did not start ({end}); what it wrote to stderr says why.")

    def _receive(self, length: int) -> bytearray:
        """A buffer that may be written to: arrays on one that may not make torch warn."""
        buffer = bytearray(length)
        left = memoryview(buffer)
        while left:
            count = os.readv(self._connection.fileno(), [left])
            if not count:
                raise EOFError
            left = left[count:]
        return buffer

    def _end(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"


def _name_of(task: Callable[..., Any]) -> str:
    module, path = getattr(task, "__module__", None), getattr(task, "__qualname__", "<")
    if module in (None, "__main__", "__mp_main__") or "<" in path:
        raise ValueError(f"Task {module}.{path} can't be imported by a worker; define it at the top of a module.")
    return f"{module}:{path}"


def _stop_all(idle: "deque[_Worker]") -> None:
    while idle:
        with contextlib.suppress(IndexError):
            idle.pop().stop()
