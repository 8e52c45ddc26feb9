"""Worker messages: what a decoder process sends back: a head, the result pickled, large buffers as they are."""

import io
import pickle
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

from embed_assets.errors import MediaError

# Bytes of one result: more than that at one time, and the program that asks would be at risk itself.
ANSWER_BYTES = 256 * 2**20
FURTHER = b"further"  # anything else means that nobody wants the rest
NO_MEMORY = 77  # exit code of a worker that can't even take the item, or send the result

_STRIP = 2**22  # bytes of a picture that are under way at one time
MESSAGE = 4000  # characters of an error's message


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


def row_strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each part in which a picture is sent."""
    rows = max(1, _STRIP // max(1, size[0] * 3))
    return ((top, min(rows, size[1] - top)) for top in range(0, size[1], rows))


def portable(error: Exception) -> Exception:
    """The error without its cause and traceback, which do not travel; its text stands in for it if it can't either."""
    told = "".join(traceback.format_exception(error))[-MESSAGE:]
    if isinstance(error, MediaError) and len(str(error)) > MESSAGE:
        error.args = (f"{str(error)[:MESSAGE]}…",)
    error.__cause__ = error.__context__ = error.__traceback__ = None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(told)
    return error


def dumped(outcome: tuple[str, Any]) -> tuple[str, bytes, list[Any]]:
    """The outcome, the result pickled, and its large buffers: views of bytes, or pictures."""
    try:
        message, buffers = _pickled(outcome[1])
    except MemoryError as error:
        return "memory", *_pickled(str(error))
    except Exception as error:  # a result that can't be pickled is the task's fault, not the item's
        return "error", *_pickled(portable(error))
    size = Head("", len(message), [shape(buffer) for buffer in buffers], worn=False).size
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


def shape(buffer: Any) -> tuple[int, tuple[int, int] | None]:
    """What a `Head` says of a buffer."""
    return (len(buffer), None) if isinstance(buffer, memoryview) else (buffer.width * buffer.height * 3, buffer.size)


def strips(buffer: Any) -> Iterator[memoryview]:
    """A buffer's bytes; of a picture some rows at a time."""
    if isinstance(buffer, memoryview):
        yield buffer
        return
    for top, rows in row_strips(buffer.size):
        yield memoryview(buffer.crop((0, top, buffer.width, top + rows)).tobytes())
