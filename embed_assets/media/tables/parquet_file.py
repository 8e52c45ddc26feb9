"""Parquet: the rows of a file, read in a worker process, so that no file's pages take memory of this one."""

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
_CELL = 224 * 2**20  # bytes of the largest cell that fits into an answer
_WINDOW = 65_536  # rows whose places are in one request
_IDLE = 2  # processes that wait for the next file

# Limits of expansion: dictionaries and runs turn 300 bytes into a gigabyte, which no honest file does.
_BYTES, _BYTES_A_BYTE = 128 * 2**20, 200
_ROWS, _ROWS_A_BYTE = 100_000, 2


@dataclass(frozen=True, kw_only=True)
class ParquetFile:
    """One file. Reading raises MediaError for its own faults, SourceError where no file can be read."""

    source: Source
    key: str
    limits: Limits

    def names(self) -> list[str]:
        """Return the names of its columns."""
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
        """Yield place (from 0) and cells of each row, or of those at the places `only`, which are in order.

        A column that is missing and not `required` has no cells. A cell above its cap is `UnreadableCell`.
        """
        for part in self.parts(columns, caps=caps, rows=rows, required=required, only=only):
            yield from _records(part)

    def parts(
        self,
        columns: Sequence[str],
        *,
        caps: Mapping[str, int],
        rows: int,
        required: Collection[str] = (),
        only: Sequence[int] | None = None,
    ) -> Iterator[Answer]:
        """Yield the rows of `rows`, some megabytes of them at a time, by columns."""
        bounds = {name: min(cap, _CELL) for name, cap in caps.items()}
        options: dict[str, Any] = {"source": self._place(), "key": self.key, "read": uuid.uuid4().hex}
        options |= {"columns": list(columns), "required": list(required), "caps": bounds, "rows": rows}
        options["until"] = only[-1] + 1 if only else None
        volume = _Volume()
        at: int | None = 0
        with _lent(self.limits) as decoders:
            while (window := _window(at, only)) is not None:
                part = decoders.run(answer, b"", seconds=_SECONDS, at=window[0], only=window[1], **options)
                with _stop_if_abandoned(decoders):
                    volume.add(part)
                    yield part
                at = part.next

    def _place(self) -> Source:
        return replace(self.source, cache=None)  # it has a lock, and caches whole files


def _window(at: int | None, only: Sequence[int] | None) -> tuple[int, list[int] | None] | None:
    """Return the next place to read from and the selected rows from there; None at the end."""
    if at is None or only is None:
        return None if at is None else (at, None)
    first = bisect.bisect_left(only, at)
    if first == len(only):
        return None
    last = bisect.bisect_left(only, only[first] + _WINDOW, lo=first)
    return only[first], list(only[first:last])


def _records(part: Answer) -> Iterator[tuple[int, dict[str, Any]]]:
    if not part.cells:
        yield from ((place, {}) for place in part.places)
        return
    for place, cells in zip(part.places, zip(*part.cells.values(), strict=True), strict=True):
        yield place, dict(zip(part.cells, cells, strict=True))


class _Volume:
    """The rows and bytes that a file has given so far."""

    def __init__(self) -> None:
        self._bytes = 0
        self._rows = 0

    def add(self, part: Answer) -> None:
        """Count an answer. Raises MediaError where the total is far above the file's size."""
        self._bytes += part.bytes
        self._rows += len(part.places)
        if self._bytes > _BYTES + _BYTES_A_BYTE * part.size or self._rows > _ROWS + _ROWS_A_BYTE * part.size:
            volume = f"{self._rows:,} rows and {self._bytes:,} bytes so far, in a file of {part.size:,} bytes"
            raise MediaError("expands too much", volume)


@contextmanager
def _stop_if_abandoned(decoders: Decoders) -> Iterator[None]:
    """Stop the worker where reading is abandoned, so that it keeps no file open."""
    try:
        yield
    except BaseException:
        decoders.rest()
        raise


_idle: dict[int, deque[Decoders]] = {}


@contextmanager
def _lent(limits: Limits) -> Iterator[Decoders]:
    """Lend one worker for all answers of one reading: it has the file open."""
    megabytes = max(_MEGABYTES, limits.decode_megabytes)
    waiting = _idle.setdefault(megabytes, deque())
    try:
        decoders = waiting.pop()
    except IndexError:
        decoders = Decoders(megabytes=megabytes)
    try:
        yield decoders
    finally:
        waiting.append(decoders) if len(waiting) < _IDLE else decoders.close()
