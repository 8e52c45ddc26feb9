"""serve: the loop of a decoder process. Imports nothing heavy, and the decoders before it says "ready"."""

import contextlib
import importlib
import io
import logging
import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from embed_assets.errors import MediaError

_DECODERS = ("PIL.Image", "PIL.ImageOps", "av", "embed_assets.media.image", "embed_assets.media.recordings")


# Bytes of one result: more than that at one time, and the program that asks would be at risk itself.
ANSWER_BYTES = 256 * 2**20
FURTHER = b"further"  # anything else means that nobody wants the rest
NO_MEMORY = 77  # exit code of a worker that can't even take the item, or send the result

_STRIP = 2**22  # bytes of a picture that are under way at one time
_MESSAGE = 4000  # characters of an error's message


class Head(NamedTuple):
    """What comes before a result: how the task went, how long the result is, and its large buffers."""

    outcome: str  # "part" and "ok" with a result, "end", "memory", "error"
    length: int
    buffers: list[tuple[int, tuple[int, int] | None]]  # bytes, and the size of a picture
    worn: bool  # whether the worker keeps more memory than it should begin the next item with

    @property
    def size(self) -> int:
        """Bytes that the result takes; of a picture Pillow keeps four a pixel."""
        return self.length + sum(length if size is None else length * 4 // 3 for length, size in self.buffers)


def serve(descriptor: int, megabytes: int) -> None:
    """Answers one item after another until the other end closes.

    A request is two messages: (task, seconds, options) pickled, and the item's bytes. An answer is a `Head`,
    the result pickled, and its large buffers as they are. Behind a "part" the next one is waited for.
    """
    connection = Connection(descriptor)
    _prepare(megabytes)
    most = _mapped() + megabytes * 2**19
    connection.send_bytes(b"ready")
    tasks: dict[str, Callable[..., Any]] = {}
    while True:
        try:
            name, seconds, options = pickle.loads(connection.recv_bytes())
            data = connection.recv_bytes()
            _answer(connection, _outcomes(tasks, name, data, options), seconds, most)
            del data
        except EOFError:
            return
        except MemoryError:
            os._exit(NO_MEMORY)


def row_strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each part in which a picture is sent."""
    rows = max(1, _STRIP // max(1, size[0] * 3))
    return ((top, min(rows, size[1] - top)) for top in range(0, size[1], rows))


def _answer(connection: Connection, outcomes: Iterator[tuple[str, Any]], seconds: float, most: int) -> None:
    while True:
        # If the process at the other end is gone it can't stop a hang: then the kernel does.
        signal.setitimer(signal.ITIMER_REAL, seconds * 1.5 + 5)
        outcome, message, buffers = _dumped(next(outcomes))
        signal.setitimer(signal.ITIMER_REAL, 0)
        shapes = [_shape(buffer) for buffer in buffers]
        connection.send_bytes(pickle.dumps((outcome, len(message), shapes, outcome != "part" and _mapped() > most)))
        connection.send_bytes(message)
        for buffer in buffers:
            for part in _strips(buffer):
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
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads take memory and have no work here
    for name in _DECODERS:
        importlib.import_module(name)
    from PIL import Image

    Image.init()
    warnings.simplefilter("ignore")  # Pillow's, by the dozen on one malformed TIFF
    logging.disable()  # pypdf's, which quote what is in the file
    _limit_memory(megabytes)


def _limit_memory(megabytes: int) -> None:
    """On top of what the libraries have mapped; and no core files. Where the platform has no limit, none."""
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
    """Bytes of address space in use; 0 where the platform does not tell."""
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
            tasks[name] = _resolved(name)
        made = tasks[name](data, **options)
        if not isinstance(made, Iterator):
            yield "ok", made
            return
        for part in made:
            yield "part", part
        yield "end", None
    except MemoryError as error:
        yield "memory", str(error)[:_MESSAGE]
    except Exception as error:
        yield "error", _portable(error)


def _resolved(name: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _portable(error: Exception) -> Exception:
    """The error without its cause and traceback, which do not travel; its text stands in for it if it can't either."""
    told = "".join(traceback.format_exception(error))[-_MESSAGE:]
    if isinstance(error, MediaError) and len(str(error)) > _MESSAGE:
        error.args = (f"{str(error)[:_MESSAGE]}…",)
    error.__cause__ = error.__context__ = error.__traceback__ = None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(told)
    return error


def _dumped(outcome: tuple[str, Any]) -> tuple[str, bytes, list[Any]]:
    """The outcome, the result pickled, and its large buffers: views of bytes, or pictures."""
    try:
        message, buffers = _pickled(outcome[1])
    except MemoryError as error:
        return "memory", *_pickled(str(error))
    except Exception as error:  # a result that can't be pickled is the task's fault, not the item's
        return "error", *_pickled(_portable(error))
    size = Head("", len(message), [_shape(buffer) for buffer in buffers], worn=False).size
    if size > ANSWER_BYTES:
        return "error", *_pickled(MediaError("too much decoded", f"{size:,} bytes at one time"))
    return outcome[0], message, buffers


def _pickled(result: Any) -> tuple[bytes, list[Any]]:
    out = io.BytesIO()
    pickler = _Pickler(out)
    pickler.dump(result)
    return out.getvalue(), [pickler.pictures.get(id(view.obj), view) for view in pickler.views]


class _Pickler(pickle.Pickler):
    """Sends RGB pictures and arrays beside the message: Pillow's own way copies pixels three times more."""

    def __init__(self, file: Any) -> None:
        self.views: list[memoryview] = []
        self.pictures: dict[int, Any] = {}  # by the id of what stands for them
        super().__init__(file, protocol=5, buffer_callback=lambda buffer: self.views.append(buffer.raw()))

    def reducer_override(self, obj: Any) -> Any:
        from PIL import Image

        if isinstance(obj, Image.Image) and obj.mode == "RGB":
            stand_in = bytearray(1)
            self.pictures[id(stand_in)] = obj
            return picture, (pickle.PickleBuffer(stand_in),)
        return NotImplemented


def picture(received: Any) -> Any:
    """A picture that came beside the message, as `_Pickler` sent it."""
    return received


def _shape(buffer: Any) -> tuple[int, tuple[int, int] | None]:
    return (len(buffer), None) if isinstance(buffer, memoryview) else (buffer.width * buffer.height * 3, buffer.size)


def _strips(buffer: Any) -> Iterator[memoryview]:
    if isinstance(buffer, memoryview):
        yield buffer
        return
    for top, rows in row_strips(buffer.size):
        yield memoryview(buffer.crop((0, top, buffer.width, top + rows)).tobytes())
