"""Decoders: decoding in processes of their own, so that a crash or a hang costs one item and not the run."""

import contextlib
import os
import weakref
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from embed_assets.errors import EmbedAssetsError, MediaError
from embed_assets.media.isolation.memory_limit import Room
from embed_assets.media.isolation.worker_messages import ANSWER_BYTES
from embed_assets.media.isolation.worker_process import NotStarted, WorkerProcess

_BYTES_EACH = 10_000_000  # that the seconds are for


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
        self._idle: deque[WorkerProcess] = deque()
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
    ) -> Generator[Any, None, None]:
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

    def decode(self, task: str | Callable[..., Any], data: bytes, **options: Any) -> Generator[Any, None, None]:
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

    def _take(self) -> "WorkerProcess":
        if self._closed:
            raise NotStarted("These decoders are closed; make new ones.")
        if self._owner != os.getpid():  # forked: the workers, and the pipes to them, are the parent's
            self._idle.clear()
            self._owner = os.getpid()
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return _started(self._megabytes)
            if worker.alive():
                return worker
            worker.stop()

    def _settle(self, worker: "WorkerProcess", *, kept: bool) -> None:
        """Keep a worker for the next item, or stop it: half an answer may be in its pipe."""
        if kept and not self._closed:
            self._idle.append(worker)
            return
        self.restarts += not kept
        worker.stop()


def _started(megabytes: int) -> "WorkerProcess":
    try:
        return WorkerProcess(megabytes)
    except OSError as error:  # no memory, no process or no descriptor is left
        raise NotStarted(f"A decoder process did not start: {error}") from error


def _name_of(task: Callable[..., Any]) -> str:
    module, path = getattr(task, "__module__", None), getattr(task, "__qualname__", "<")
    if module in (None, "__main__", "__mp_main__") or "<" in path:
        raise ValueError(f"Task {module}.{path} can't be imported by a worker; define it at the top of a module.")
    return f"{module}:{path}"


def _stop_all(idle: "deque[WorkerProcess]") -> None:
    while idle:
        with contextlib.suppress(IndexError):
            idle.pop().stop()
