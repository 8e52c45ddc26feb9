"""Decoders: decoding in worker processes, so that a crash or a hang costs one item and not the run."""

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
from embed_assets.media.limits import seconds_for
from embed_assets.run_cache import in_run

_LIGHT = 64 * 2**20  # bytes that an idle worker may have mapped since it started
_IDLE = 4  # workers that stay when memory is released


class Decoders:
    """A pool of worker processes that run tasks on bytes: one for each thread that is in `run`.

    Workers start on first use and are reused. They are new interpreters, not forks, that never import the program's
    `__main__`. May be used from several threads, and by a forked child, which starts its own workers. Guards against
    faults of decoders, not against malicious code, which would run as the same user. Needs a POSIX system.
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
        """Run `task(data, **options)` in a worker: a function that can be imported, or "module:function".

        Raises MediaError "decoder crashed", "decoder timed out", "out of memory" or "too much decoded"; the next item
        gets a new worker where needed. Exceptions of the task are raised unchanged. `seconds` is the limit for this
        item, by default by its size; the start of a worker does not count.
        """
        (result,) = self.stream(task, data, seconds=seconds, **options)
        return result

    def stream(
        self, task: str | Callable[..., Any], data: bytes, *, seconds: float | None = None, **options: Any
    ) -> Generator[Any, None, None]:
        """Yield the results of a task that is a generator, one by one; of any other task its one result.

        The worker waits while a result is in use, and that time does not count. Results in use take at most
        ANSWER_BYTES of memory in all threads together. Raises as `run`, also after some results.
        """
        name = task if isinstance(task, str) else _name_of(task)
        left = seconds_for(len(data), each=self._seconds) if seconds is None else seconds
        worker, reusable, outcome, result = self._take(), False, "part", None
        try:
            worker.send(name, left, options, data)
            while outcome == "part":
                head, left = worker.answer(left)
                with self._room.reserve(head.size):
                    outcome, result = head.outcome, worker.result(head)
                    worker.grown = head.grown
                    reusable = outcome != "part" and head.grown <= self._megabytes * 2**19
                    if outcome in ("part", "ok"):
                        yield result
                        result = None
                if outcome == "part":
                    worker.send_on()
        except GeneratorExit:
            reusable = reusable or (outcome == "part" and worker.dismissed())
            raise
        finally:
            self._give_back(worker, reusable=reusable)
        if outcome == "memory":
            raise MediaError("out of memory", str(result))
        if outcome == "error":
            raise result  # pyright: ignore[reportGeneralTypeIssues]

    def close(self) -> None:
        """Stop the idle workers, and each busy one when its item is done."""
        self._closed = True
        _stop_all(self._idle)

    def decode(self, task: str | Callable[..., Any], data: bytes, **options: Any) -> Generator[Any, None, None]:
        """Yield as `stream`, for tasks on media: an unexpected error costs this item alone.

        Raises MediaError "decoder failed" for it; our own errors and NotStarted unchanged.
        """
        try:
            yield from self.stream(task, data, **options)
        except (EmbedAssetsError, NotStarted):
            raise
        except Exception as error:
            raise MediaError("decoder failed", f"{type(error).__name__}: {error}") from error

    def rest(self) -> None:
        """Stop the idle workers; others start where they are needed."""
        _stop_all(self._idle)

    def release_memory(self) -> None:
        """Stop the idle workers; within a run those that hold no more memory than new ones stay.

        A start takes half a second. Between runs decoders of other packages may be installed, which a worker that
        runs would not know.
        """
        light, most = list[WorkerProcess](), _IDLE if in_run() else 0
        with contextlib.suppress(IndexError):
            while True:
                worker = self._idle.pop()
                light.append(worker) if worker.grown <= _LIGHT and len(light) < most else worker.stop()
        self._idle.extend(light)

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

    def _give_back(self, worker: "WorkerProcess", *, reusable: bool) -> None:
        """Reuse a worker for the next item, or stop it: half an answer may be in its pipe."""
        if reusable and not self._closed:
            self._idle.append(worker)
            return
        self.restarts += not reusable
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
