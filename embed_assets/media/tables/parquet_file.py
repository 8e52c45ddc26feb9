"""Parquet: the rows of a file, read in a process of their own, so that no file's pages take this one's memory."""

import bisect
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.files.source import Source
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.tables.parquet_worker import Answer, answer, names

_SECONDS = 60.0  # for one answer
_MEGABYTES = 1024  # that Arrow takes at least
_CELL = 224 * 2**20  # bytes of the largest, which an answer still holds
_WINDOW = 65_536  # rows whose places one question names
_KEPT = 2  # processes that wait for the next file

# What a file may hold beyond its size. Dictionaries and runs make a gigabyte of 300 bytes, which nobody wrote.
_BYTES, _BYTES_A_BYTE = 128 * 2**20, 200
_ROWS, _ROWS_A_BYTE = 100_000, 2


@dataclass(frozen=True, kw_only=True)
class ParquetFile:
    """One file. Reading raises MediaError for whatever is wrong with it, SourceError where nothing can be read."""

    source: Source
    key: str
    limits: Limits

    def names(self) -> list[str]:
        """Names of its columns."""
        with _lent(self.limits) as decoders:
            return decoders.run(names, b"", seconds=_SECONDS, source=self._place(), key=self.key)

    def rows(
        self,
        columns: Sequence[str],
        *,
        caps: Mapping[str, int],
        rows: int,
        required: Collection[str] = (),
        only: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Place from 0 and cells of each row, or of those at the places `only`, which are in order.

        A column that is neither there nor `required` has no cells. A cell of more bytes than its cap is `UnreadableCell`.
        """
        bounds = {name: min(cap, _CELL) for name, cap in caps.items()}
        options: dict[str, Any] = {"source": self._place(), "key": self.key, "read": uuid.uuid4().hex}
        options |= {"columns": list(columns), "required": list(required), "caps": bounds, "rows": rows}
        options["until"] = only[-1] + 1 if only else None
        held = _Held()
        at: int | None = 0
        with _lent(self.limits) as decoders:
            while (asked := _window(at, only)) is not None:
                found = decoders.run(answer, b"", seconds=_SECONDS, at=asked[0], only=asked[1], **options)
                with _rested(decoders):
                    held.add(found)
                    yield from _records(found)
                at = found.next

    def _place(self) -> Source:
        return replace(self.source, cache=None)  # it has a lock, and keeps whole files


def _window(at: int | None, only: Sequence[int] | None) -> tuple[int, list[int] | None] | None:
    """Where to read on and which of the next rows; None at the end."""
    if at is None or only is None:
        return None if at is None else (at, None)
    first = bisect.bisect_left(only, at)
    if first == len(only):
        return None
    last = bisect.bisect_left(only, only[first] + _WINDOW, lo=first)
    return only[first], list(only[first:last])


def _records(found: Answer) -> Iterator[tuple[int, dict[str, Any]]]:
    if not found.cells:
        yield from ((place, {}) for place in found.places)
        return
    for place, cells in zip(found.places, zip(*found.cells.values(), strict=True), strict=True):
        yield place, dict(zip(found.cells, cells, strict=True))


class _Held:
    """What was told of a file so far."""

    def __init__(self) -> None:
        self._bytes = 0
        self._rows = 0

    def add(self, found: Answer) -> None:
        """Raises MediaError where it is far more than a file of the size holds."""
        self._bytes += found.bytes
        self._rows += len(found.places)
        if self._bytes > _BYTES + _BYTES_A_BYTE * found.size or self._rows > _ROWS + _ROWS_A_BYTE * found.size:
            told = f"{self._rows:,} rows and {self._bytes:,} bytes so far, in a file of {found.size:,} bytes"
            raise MediaError("expands too much", told)


@contextmanager
def _rested(decoders: Decoders) -> Iterator[None]:
    """A reading that is left before its end keeps no file open: its process ends."""
    try:
        yield
    except BaseException:
        decoders.rest()
        raise


_idle: dict[int, deque[Decoders]] = {}


@contextmanager
def _lent(limits: Limits) -> Iterator[Decoders]:
    """One process for one reading: it goes on where it was only in the process that has the file open."""
    megabytes = max(_MEGABYTES, limits.decode_megabytes)
    waiting = _idle.setdefault(megabytes, deque())
    try:
        decoders = waiting.pop()
    except IndexError:
        decoders = Decoders(megabytes=megabytes)
    try:
        yield decoders
    finally:
        waiting.append(decoders) if len(waiting) < _KEPT else decoders.close()
