"""serve: the loop of a decoder process. Imports nothing heavy, and the decoders before it says "ready"."""

import contextlib
import importlib
import logging
import os
import pickle
import pkgutil
import signal
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from embed_assets.media.isolation.worker_messages import FURTHER, MESSAGE, NO_MEMORY, dumped, portable, shape, strips

_DECODERS = (
    "PIL.Image",
    "PIL.ImageOps",
    "av",
    "embed_assets.media.pictures.decode_image",
    "embed_assets.media.recordings.recording_segments",
)


def serve(descriptor: int, megabytes: int) -> None:
    """Answer one item after another until the other end closes.

    A request is two messages: (task, seconds, options) pickled, and the item's bytes. An answer is a `Head`,
    the result pickled, and its large buffers as they are. After a "part" the parent requests the next one.
    """
    connection = Connection(descriptor)
    _prepare(megabytes)
    started = _mapped()
    connection.send_bytes(b"ready")
    tasks: dict[str, Callable[..., Any]] = {}
    while True:
        try:
            name, seconds, options = pickle.loads(connection.recv_bytes())
            data = connection.recv_bytes()
            _answer(connection, _outcomes(tasks, name, data, options), seconds, started)
            del data
        except EOFError:
            return
        except MemoryError:
            os._exit(NO_MEMORY)


def _answer(connection: Connection, outcomes: Iterator[tuple[str, Any]], seconds: float, started: int) -> None:
    while True:
        # If the process at the other end is gone it can't stop a hang: then the kernel does.
        signal.setitimer(signal.ITIMER_REAL, seconds * 1.5 + 5)
        outcome, message, buffers = dumped(next(outcomes))
        signal.setitimer(signal.ITIMER_REAL, 0)
        shapes = [shape(buffer) for buffer in buffers]
        grown = 0 if outcome == "part" else max(0, _mapped() - started)
        connection.send_bytes(pickle.dumps((outcome, len(message), shapes, grown)))
        connection.send_bytes(message)
        for buffer in buffers:
            for part in strips(buffer):
                _write(connection.fileno(), part)
        if outcome != "part":
            return
        del message, buffers
        if connection.recv_bytes() != FURTHER:
            outcomes = iter((("end", None),))


def _write(descriptor: int, buffer: memoryview) -> None:
    while buffer:
        buffer = buffer[os.write(descriptor, buffer) :]


def _prepare(megabytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Arrow's own pool reserves a gigabyte of addresses at once, and the limit is one of addresses.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads take memory and have no work here
    for name in _DECODERS:
        importlib.import_module(name)
    from PIL import Image

    Image.init()
    warnings.simplefilter("ignore")  # Pillow's, by the dozen on one malformed TIFF
    logging.disable()  # pypdf's, which quote what is in the file
    _limit_memory(megabytes)


def _limit_memory(megabytes: int) -> None:
    """Limit the memory on top of what the libraries have mapped, if the platform can, and write no core files."""
    try:
        import resource
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        limit = _mapped() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _mapped() -> int:
    """Return the bytes of address space in use; 0 where the platform does not report them."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123  pathlib is not imported here
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _outcomes(
    tasks: dict[str, Callable[..., Any]], name: str, data: bytes, options: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    try:
        if name not in tasks:
            tasks[name] = pkgutil.resolve_name(name)
        result = tasks[name](data, **options)
        if not isinstance(result, Iterator):
            yield "ok", result
            return
        for part in result:
            yield "part", part
        yield "end", None
    except MemoryError as error:
        yield "memory", str(error)[:MESSAGE]
    except Exception as error:
        yield "error", portable(error)
