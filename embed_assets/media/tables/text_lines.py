"""Lines of a text file in its encoding, of bounded length."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text.decode_text import UNSURE
from embed_assets.media.text.encodings import byte_order_mark, guess_utf16, needs_encoding
from embed_assets.media.text.guess_encoding import guessed_codec

_HEAD = 2**20  # bytes by which the encoding is detected
_PIECE = 2**20  # characters that are read at a time
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # invalid bytes, as "surrogateescape" decodes them


class Lines:
    """Lines and their faults; a line that is too long is empty.

    A line may have four times the characters of a text if they are ASCII, one and a half times if not: each of its
    characters takes four bytes of memory.
    """

    def __init__(self, stream: BinaryIO, limits: Limits, *, ends: str, encoding: str | None = None) -> None:
        """Detect the encoding; `encoding` is the setting for files that are not UTF-8. Raises MediaError."""
        codec = detect_codec(stream, encoding)
        self._not_codec = "not UTF-8" if codec.startswith("utf-8") else f"not {codec}"
        self._text = io.TextIOWrapper(stream, codec, errors="surrogateescape", newline=ends)
        self._ends = ends or ("\n", "\r")
        self._limit = 4 * limits.max_characters
        self._piece = min(_PIECE, self._limit)
        self._fault = ""

    def fault(self) -> str:
        """Return the fault of the lines since the last call: "not UTF-8", "line too long" or nothing."""
        fault, self._fault = self._fault, ""
        return fault

    def __iter__(self) -> Iterator[str]:
        while line := self._line():
            if not line.isascii() and NOT_UTF8.search(line):
                self._fault = self._not_codec
            if len(line) >= self._most(line):
                self._fault = "line too long"
                self._skip_rest(line)
                line = "\n"
            yield line

    def _line(self) -> str:
        """Return a line, or its beginning where it is too long."""
        piece = self._text.readline(self._piece)
        if len(piece) < self._piece:
            return piece
        pieces, size, most = [piece], len(piece), self._most(piece)
        while size < most and not piece.endswith(self._ends) and (piece := self._text.readline(self._piece)):
            pieces.append(piece)
            size += len(piece)
            most = min(most, self._most(piece))
        return "".join(pieces)

    def _most(self, piece: str) -> int:
        return self._limit if piece.isascii() else max(self._limit * 3 // 8, self._piece)

    def _skip_rest(self, piece: str) -> None:
        """Skip to the next line."""
        while piece and not piece.endswith(self._ends):
            piece = self._text.readline(self._piece)


def detect_codec(stream: BinaryIO, encoding: str | None) -> str:
    """Detect the encoding by the beginning of a file, in which a few broken lines do not decide for all.

    Raises MediaError "unknown encoding".
    """
    head = stream.read(_HEAD)
    stream.seek(0)
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    if codec := byte_order_mark(head):
        return codec
    if encoding and (head.isascii() or encoding.startswith("utf")) and needs_encoding(head, encoding):
        return encoding
    if codec := guess_utf16(head):
        return codec
    other = [line for line in head.splitlines() if not line.isascii()]
    broken = sum(not _is_utf8(line) for line in other)
    if broken * 2 <= len(other):
        return "utf-8"
    codec = encoding or guessed_codec(head)
    if codec is None:
        raise MediaError("unknown encoding", UNSURE)
    return codec


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
