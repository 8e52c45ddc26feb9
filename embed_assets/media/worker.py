"""serve: the loop of a decoder process. Imports nothing heavy, and the decoders before it says "ready"."""

import contextlib
import importlib
import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_DECODERS = ("PIL.Image", "PIL.ImageOps", "av", "embed_assets.media.image", "embed_assets.media.recordings")


def serve(descriptor: int, megabytes: int) -> None:
    """Answers one item after another until the other end closes.

    A request is two messages: (task, seconds, options) pickled, and the item's bytes. The answer is
    the outcome pickled with the lengths of its large buffers, and then those as they are.
    """
    connection = Connection(descriptor)
    _prepare(megabytes)
    connection.send_bytes(b"ready")
    tasks: dict[str, Callable[..., Any]] = {}
    while True:
        try:
            name, seconds, options = pickle.loads(connection.recv_bytes())
            data = connection.recv_bytes()
        except EOFError:
            return
        # If the process at the other end is gone it can't stop a hang: then the kernel does.
        signal.setitimer(signal.ITIMER_REAL, seconds * 1.5 + 5)
        message, buffers = _dumped(_outcome(tasks, name, data, options))
        del data
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send_bytes(message)
        for buffer in buffers:
            _write(descriptor, buffer)


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


def _outcome(tasks: dict[str, Callable[..., Any]], name: str, data: bytes, options: dict[str, Any]) -> Any:
    try:
        if name not in tasks:
            tasks[name] = _resolved(name)
        return "ok", tasks[name](data, **options)
    except MemoryError as error:
        return "memory", str(error)
    except Exception as error:
        return "error", _portable(error)


def _resolved(name: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _portable(error: Exception) -> Exception:
    """The error without its cause and traceback, which do not travel; its text stands in for it if it can't either."""
    told = "".join(traceback.format_exception(error))
    error.__cause__ = error.__context__ = error.__traceback__ = None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(told)
    return error


def _dumped(outcome: Any) -> tuple[bytes, list[memoryview]]:
    try:
        return _pickled(outcome)
    except MemoryError as error:
        return _pickled(("memory", str(error)))
    except Exception as error:  # a result that can't be pickled is the task's fault, not the item's
        return _pickled(("error", _portable(error)))


def _pickled(outcome: Any) -> tuple[bytes, list[memoryview]]:
    import io

    buffers: list[pickle.PickleBuffer] = []
    out = io.BytesIO()
    _Pickler(out, protocol=5, buffer_callback=buffers.append).dump(outcome)
    views = [buffer.raw() for buffer in buffers]
    return pickle.dumps((out.getvalue(), [len(view) for view in views])), views


class _Pickler(pickle.Pickler):
    """Sends the pixels of RGB pictures as a buffer: Pillow's own way copies them twice more."""

    def reducer_override(self, obj: Any) -> Any:
        from PIL import Image

        if isinstance(obj, Image.Image) and obj.mode == "RGB":
            return picture, (obj.size, pickle.PickleBuffer(obj.tobytes()))
        return NotImplemented


def picture(size: tuple[int, int], pixels: Any) -> Any:
    """An RGB picture from its pixels, as `_Pickler` sent them."""
    from PIL import Image

    return Image.frombytes("RGB", size, pixels)
