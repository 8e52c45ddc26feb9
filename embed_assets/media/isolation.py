"""Decoders: decoding in processes of their own, so that a crash or a hang costs one item and not the run."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from typing import Any

from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.media.room import Room
from embed_assets.media.worker import ANSWER_BYTES, FURTHER, NO_MEMORY, Head, row_strips

_START_SECONDS = 120.0  # that a worker may take to import its decoders on a busy machine
_STOP_SECONDS = 2.0  # that one may take to leave a task which nobody wants the rest of
_BYTES_EACH = 10_000_000  # that the seconds are for


class NotStarted(RuntimeError):
    """No worker could be started: no fault of an item, and the next one would find the same."""


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
        self._room = Room(ANSWER_BYTES)
        self.restarts = 0  # workers that crashed or were stopped
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def run(self, task: str | Callable[..., Any], data: bytes, *, seconds: float | None = None, **options: Any) -> Any:
        """`task(data, **options)` in a worker: a function that can be imported, or "module:function".

        Raises MediaError "decoder crashed", "decoder timed out", "out of memory" or "too much decoded"; the
        next item has a fresh worker where it must. What the task raises comes back as it is, MediaError or
        another. `seconds` is the limit for this item, by its size unless told; the start of a worker does not count.
        """
        (found,) = self.stream(task, data, seconds=seconds, **options)
        return found

    def stream(
        self, task: str | Callable[..., Any], data: bytes, *, seconds: float | None = None, **options: Any
    ) -> Iterator[Any]:
        """What a task that is a generator yields, one by one; of any other task its one result.

        The worker waits while a result is in use, and that time does not count. Results in use take no more
        than ANSWER_BYTES of memory, all threads together. Raises as `run`, also behind some results.
        """
        name = task if isinstance(task, str) else _name_of(task)
        left = self._seconds * (1 + len(data) // _BYTES_EACH) if seconds is None else seconds
        worker, kept, outcome, result = self._take(), False, "part", None
        try:
            worker.send(name, left, options, data)
            while outcome == "part":
                head, left = worker.answer(left)
                with self._room.taken(head.size):
                    outcome, result = head.outcome, worker.result(head)
                    kept = outcome != "part" and not head.worn
                    if outcome in ("part", "ok"):
                        yield result
                        result = None
                if outcome == "part":
                    worker.send_on()
        except GeneratorExit:
            kept = kept or (outcome == "part" and worker.dismissed())
            raise
        finally:
            self._settle(worker, kept=kept)
        if outcome == "memory":
            raise MediaError("out of memory", str(result))
        if outcome == "error":
            raise result  # pyright: ignore[reportGeneralTypeIssues]

    def close(self) -> None:
        """Stops the idle workers, and each busy one when its item is done."""
        self._closed = True
        _stop_all(self._idle)

    def decode(self, task: Callable[..., Any], data: bytes, **options: Any) -> Iterator[Any]:
        """As `stream`, for tasks on media: an error that nobody expected costs this item alone.

        Raises MediaError "decoder failed" for it, other errors of ours and NotStarted as they are.
        """
        try:
            yield from self.stream(task, data, **options)
        except (EmbedAssetsError, NotStarted):
            raise
        except Exception as error:
            raise MediaError("decoder failed", f"{type(error).__name__}: {error}") from error

    def rest(self) -> None:
        """Stops the idle workers, which hold memory; others start where they are needed."""
        _stop_all(self._idle)

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> "_Worker":
        if self._closed:
            raise NotStarted("These decoders are closed; make new ones.")
        if self._owner != os.getpid():  # forked: the workers, and the pipes to them, are the parent's
            self._idle.clear()
            self._owner = os.getpid()
            self._room = Room(ANSWER_BYTES)
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return _started(self._megabytes)
            if worker.alive():
                return worker
            worker.stop()

    def _settle(self, worker: "_Worker", *, kept: bool) -> None:
        """Keep a worker for the next item, or stop it: half an answer may be in its pipe."""
        if kept and not self._closed:
            self._idle.append(worker)
            return
        self.restarts += not kept
        worker.stop()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, megabytes: int) -> None:
        self._owner = os.getpid()
        self._about = self._patience = ""
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

    def send(self, name: str, seconds: float, options: Any, data: bytes) -> None:
        """A task, and what it is for."""
        self._about = f"{len(data):,} bytes"
        self._patience = f"no answer in {seconds:g} s for {len(data):,} bytes"
        with self._guarded():
            self._connection.send_bytes(pickle.dumps((name, seconds, options)))
            self._connection.send_bytes(data)

    def answer(self, seconds: float) -> tuple[Head, float]:
        """What the worker says of its next result, and the seconds that are left for those behind it."""
        began = time.monotonic()
        with self._guarded():
            if not self._connection.poll(max(0.0, seconds)):
                raise MediaError("decoder timed out", self._patience)
            head = Head(*pickle.loads(self._connection.recv_bytes(2**20)))
        if head.size > ANSWER_BYTES:
            raise MediaError("too much decoded", f"{head.size:,} bytes at one time")
        return head, seconds - (time.monotonic() - began)

    def result(self, head: Head) -> Any:
        """The result, its large buffers as they come."""
        with self._guarded():
            message = self._connection.recv_bytes(ANSWER_BYTES)
            return pickle.loads(message, buffers=(self._buffer(*each) for each in head.buffers))

    def send_on(self) -> None:
        """Asks for the next result."""
        with self._guarded():
            self._connection.send_bytes(FURTHER)

    def dismissed(self) -> bool:
        """Whether the worker has left its task, of which nobody wants the rest."""
        with contextlib.suppress(MediaError), self._guarded():
            self._connection.send_bytes(b"")
            head, _ = self.answer(_STOP_SECONDS)
            self.result(head)
            return head.outcome != "part"
        return False

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
        raise NotStarted(f"A decoder process did not start ({end}); what it wrote to stderr says why.")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            end = self._end()
            if self._process.returncode == NO_MEMORY:
                raise MediaError("out of memory", self._about) from error
            raise MediaError("decoder crashed", f"{end} on {self._about}") from error

    def _buffer(self, length: int, size: tuple[int, int] | None) -> Any:
        """Bytes as they are, or the picture that they are the pixels of: never both of a large one."""
        if size is None:
            return self._received(length)
        from PIL import Image

        picture = Image.new("RGB", size)
        for top, rows in row_strips(size):
            pixels = self._received(size[0] * rows * 3)
            picture.paste(Image.frombytes("RGB", (size[0], rows), pixels), (0, top))
        return picture

    def _received(self, length: int) -> bytearray:
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


def _started(megabytes: int) -> "_Worker":
    try:
        return _Worker(megabytes)
    except OSError as error:  # no memory, no process or no descriptor is left
        raise NotStarted(f"A decoder process did not start: {error}") from error


def _name_of(task: Callable[..., Any]) -> str:
    module, path = getattr(task, "__module__", None), getattr(task, "__qualname__", "<")
    if module in (None, "__main__", "__mp_main__") or "<" in path:
        raise ValueError(f"Task {module}.{path} can't be imported by a worker; define it at the top of a module.")
    return f"{module}:{path}"


def _stop_all(idle: "deque[_Worker]") -> None:
    while idle:
        with contextlib.suppress(IndexError):
            idle.pop().stop()
