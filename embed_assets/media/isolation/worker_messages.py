"""Worker messages: the answers of a decoder process: a head, the result pickled, large buffers as they are."""

import io
import pickle
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

from embed_assets.errors import MediaError

# Bytes of one result: more at one time would put the parent process at risk.
ANSWER_BYTES = 256 * 2**20
FURTHER = b"further"  # anything else means that the rest is not needed
NO_MEMORY = 77  # exit code of a worker that can't even take the item, or send the result

_STRIP = 2**22  # bytes of a picture that are under way at one time
MESSAGE = 4000  # characters of an error's message


class Head(NamedTuple):
    """The message before a result: the outcome of the task, the length of the result, and its large buffers."""

    outcome: str  # "part" and "ok" with a result, "end", "memory", "error"
    length: int
    buffers: list[tuple[int, tuple[int, int] | None]]  # bytes, and the size of a picture
    grown: int  # bytes that the worker has mapped since it started; 0 where the task goes on

    @property
    def size(self) -> int:
        """Bytes that the result takes; of a picture four a pixel, as Pillow stores it."""
        return self.length + sum(length if size is None else length * 4 // 3 for length, size in self.buffers)


def row_strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the first row and the number of rows of each part in which a picture is sent."""
    rows = max(1, _STRIP // max(1, size[0] * 3))
    return ((top, min(rows, size[1] - top)) for top in range(0, size[1], rows))


def portable(error: Exception) -> Exception:
    """Return the error without its cause and traceback, or its text where the error can't be pickled."""
    text = "".join(traceback.format_exception(error))[-MESSAGE:]
    if isinstance(error, MediaError) and len(str(error)) > MESSAGE:
        error.args = (f"{str(error)[:MESSAGE]}…",)
    error.__cause__ = error.__context__ = error.__traceback__ = None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(text)
    return error


def dumped(outcome: tuple[str, Any]) -> tuple[str, bytes, list[Any]]:
    """Return the outcome, the result pickled, and its large buffers: views of bytes, or pictures."""
    try:
        message, buffers = _pickled(outcome[1])
    except MemoryError as error:
        return "memory", *_pickled(str(error))
    except Exception as error:  # a result that can't be pickled is the task's fault, not the item's
        return "error", *_pickled(portable(error))
    size = Head("", len(message), [shape(buffer) for buffer in buffers], grown=0).size
    if size > ANSWER_BYTES:
        return "error", *_pickled(MediaError("too much decoded", f"{size:,} bytes at one time"))
    return outcome[0], message, buffers


def _pickled(result: Any) -> tuple[bytes, list[Any]]:
    out = io.BytesIO()
    pickler = _Pickler(out)
    pickler.dump(result)
    return out.getvalue(), [pickler.pictures.get(id(view.obj), view) for view in pickler.views]


class _Pickler(pickle.Pickler):
    """A pickler that sends RGB pictures and arrays beside the message: Pillow's own way copies pixels three times."""

    def __init__(self, file: Any) -> None:
        self.views: list[memoryview] = []
        self.pictures: dict[int, Any] = {}  # by the id of their stand-in
        super().__init__(file, protocol=5, buffer_callback=lambda buffer: self.views.append(buffer.raw()))

    def reducer_override(self, obj: Any) -> Any:
        from PIL import Image

        if isinstance(obj, Image.Image) and obj.mode == "RGB":
            stand_in = bytearray(1)
            self.pictures[id(stand_in)] = obj
            return picture, (pickle.PickleBuffer(stand_in),)
        return NotImplemented


def picture(received: Any) -> Any:
    """Return a picture that came beside the message, as `_Pickler` sent it."""
    return received


def shape(buffer: Any) -> tuple[int, tuple[int, int] | None]:
    """Return the description of a buffer in a `Head`."""
    return (len(buffer), None) if isinstance(buffer, memoryview) else (buffer.width * buffer.height * 3, buffer.size)


def strips(buffer: Any) -> Iterator[memoryview]:
    """Yield a buffer's bytes; of a picture some rows at a time."""
    if isinstance(buffer, memoryview):
        yield buffer
        return
    for top, rows in row_strips(buffer.size):
        yield memoryview(buffer.crop((0, top, buffer.width, top + rows)).tobytes())
