"""WorkerProcess: one decoder process, as its parent sees it, and the pipe between them."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.isolation.worker_messages import ANSWER_BYTES, FURTHER, NO_MEMORY, Head, row_strips

_START_SECONDS = 120.0  # that a worker may take to import its decoders on a busy machine
_STOP_SECONDS = 2.0  # that a worker may take to leave a task whose rest is not needed


class NotStarted(RuntimeError):
    """No worker could be started. The fault is not the item's: the next one would fail as well."""


class WorkerProcess:
    """One worker process and the pipe to it."""

    def __init__(self, megabytes: int) -> None:
        self._owner = os.getpid()
        self._about = self._patience = ""
        self.grown = 0  # bytes that it had mapped, behind its last task, since it started
        self._connection, theirs = Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from embed_assets.media.isolation.worker_loop import serve; "
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
        """Return whether the process has not ended."""
        return self._process.poll() is None

    def send(self, name: str, seconds: float, options: Any, data: bytes) -> None:
        """Send a task and its data."""
        self._about = f"{len(data):,} bytes"
        self._patience = f"no answer in {seconds:g} s for {len(data):,} bytes"
        with self._guarded():
            self._connection.send_bytes(pickle.dumps((name, seconds, options)))
            self._connection.send_bytes(data)

    def answer(self, seconds: float) -> tuple[Head, float]:
        """Return the head of the next result, and the seconds that are left for those after it."""
        began = time.monotonic()
        with self._guarded():
            if not self._connection.poll(max(0.0, seconds)):
                raise MediaError("decoder timed out", self._patience)
            head = Head(*pickle.loads(self._connection.recv_bytes(2**20)))
        if head.size > ANSWER_BYTES:
            raise MediaError("too much decoded", f"{head.size:,} bytes at one time")
        return head, seconds - (time.monotonic() - began)

    def result(self, head: Head) -> Any:
        """Return the result, receiving its large buffers one by one."""
        with self._guarded():
            message = self._connection.recv_bytes(ANSWER_BYTES)
            return pickle.loads(message, buffers=(self._buffer(*each) for each in head.buffers))

    def send_on(self) -> None:
        """Request the next result."""
        with self._guarded():
            self._connection.send_bytes(FURTHER)

    def dismissed(self) -> bool:
        """Tell the worker to leave its task, and return whether it did."""
        with contextlib.suppress(MediaError), self._guarded():
            self._connection.send_bytes(b"")
            head, _ = self.answer(_STOP_SECONDS)
            self.grown = head.grown
            self.result(head)
            return head.outcome != "part"
        return False

    def stop(self) -> None:
        """Kill the process and reap it. Does nothing in a forked child: it is not the child's."""
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
        """Return the bytes, or the picture made of its pixels: never both of a large one."""
        if size is None:
            return self._received(length)
        from PIL import Image

        picture = Image.new("RGB", size)
        for top, rows in row_strips(size):
            pixels = self._received(size[0] * rows * 3)
            picture.paste(Image.frombytes("RGB", (size[0], rows), pixels), (0, top))
        return picture

    def _received(self, length: int) -> bytearray:
        """Return a writable buffer: torch warns of arrays on read-only ones."""
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
