"""RowChunk: some rows of a table by columns; a text of an ordinary cell never becomes an object of its own."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from embed_assets.media.cells.cell_values import Names, as_text, unique
from embed_assets.media.cells.row_content import LONGEST_ID, annotation_of
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Annotation

if TYPE_CHECKING:
    from embed_assets.media.tables.rows_as_items import Columns, TableRow

_ROWS = 1024  # of a chunk that is made of single rows
_REMEMBERED = 10_000  # different annotations of a table
_PLAIN_CELLS = (str, int, bool, type(None))  # equal values of one of these types are written alike


@dataclass(kw_only=True, slots=True)
class RowChunk:
    """Rows by columns, each as of `TableRow`, without their content."""

    ids: list[str] = field(default_factory=list)
    content_hashes: list[str | None] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    mimes: list[str] = field(default_factory=list)
    modalities: list[str | None] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)
    decoders: list[str] = field(default_factory=list)
    charsets: list[str | None] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    hides: bool = False  # whether one of them does

    def add(self, row: "TableRow") -> None:
        """Add a row."""
        self.ids.append(row.id)
        self.content_hashes.append(row.content_hash)
        self.sizes.append(row.size)
        self.mimes.append(row.mime)
        self.modalities.append(row.modality)
        self.reasons.append(row.reason)
        self.decoders.append(row.decoder)
        self.charsets.append(row.charset)
        self.updated.append(row.updated)
        self.annotations.append(row.annotation)
        self.hides = self.hides or row.hides

    def add_text(self, name: str, digest: str, size: int, mime: str, annotation: Annotation) -> None:
        """Add a row of a usable text."""
        self.ids.append(name)
        self.content_hashes.append(digest)
        self.sizes.append(size)
        self.mimes.append(mime)
        self.modalities.append("text")
        self.reasons.append(None)
        self.decoders.append("")
        self.charsets.append(None)
        self.updated.append("")
        self.annotations.append(annotation)


def chunks_of(rows: Iterable["TableRow"]) -> Iterator[RowChunk]:
    """Yield rows by columns, some at a time."""
    left = iter(rows)
    while some := list(islice(left, _ROWS)):
        chunk = RowChunk()
        for row in some:
            chunk.add(row)
        yield chunk


def usable_text(value: Any, limits: Limits) -> bytes | None:
    """Return the bytes of a cell that is an ordinary text, as it is embedded; None for any other cell."""
    if type(value) is not str or "\0" in value or len(value) > limits.max_characters or not value.strip():
        return None
    try:
        data = value.encode()
    except UnicodeEncodeError:
        return None
    return data if len(data) <= limits.max_bytes else None


class TextRows:
    """Makes rows of the cells of a table of texts, where these are ordinary: as `Tables` makes each of its record.

    For tables with one column of text, a column of ids, and no column `updated`.
    """

    def __init__(self, columns: "Columns", limits: Limits, mime: str, used: Names) -> None:
        self._columns = columns
        self._limits = limits
        self._mime = mime
        self._used = used
        self._metadata = [name for name in (columns.caption, *columns.labels, *columns.extra) if name]
        self._annotations: dict[Any, Annotation | None] = {}

    @staticmethod
    def can_read(columns: "Columns") -> bool:
        """Return whether the table's columns allow it."""
        own = columns.text is not None and not columns.joined and columns.bytes is None
        return own and columns.id is not None and columns.updated is None and columns.id != columns.text

    def add(self, chunk: RowChunk, cells: Mapping[str, Sequence[Any]], place: int) -> bool:
        """Add the row at a place of the cells to the chunk; return False where one of its cells is not ordinary."""
        data = usable_text(cells[self._columns.text or ""][place], self._limits)
        own_id = _plain_id(cells[self._columns.id or ""][place])
        if data is None or own_id is None:
            return False
        annotation = self._annotation(cells, place)
        if annotation is None:
            return False
        digest = hashlib.sha256(data).hexdigest()
        name = own_id
        if name in self._used:
            name = unique(own_id, digest[:8], self._used)
        else:
            self._used.add(name)
        chunk.add_text(name, digest, len(data), self._mime, annotation)
        return True

    def _annotation(self, cells: Mapping[str, Sequence[Any]], place: int) -> Annotation | None:
        """Return the annotation of a row, computed once for equal cells; None where a cell is unreadable."""
        values = tuple(cells[name][place] for name in self._metadata if name in cells)
        key = tuple(_hashable(value) for value in values)
        if key in self._annotations:
            return self._annotations[key]
        record = {name: column[place] for name, column in cells.items()}
        annotation, reason = annotation_of(record, self._columns)
        while len(self._annotations) >= _REMEMBERED:
            self._annotations.pop(next(iter(self._annotations)))
        self._annotations[key] = found = None if reason else annotation
        return found


def _plain_id(value: Any) -> str | None:
    """Return the name that an ordinary cell gives its row; None for any other cell."""
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value or "\0" in value or len(value) > LONGEST_ID:
        return None
    return value if value.isascii() else as_text(value)


def _hashable(value: Any) -> Any:
    """Return what equal cells share, and cells that are written otherwise don't: 1, 1.0 and true are not one."""
    kind = type(value)
    if kind is str:
        return value
    if kind in _PLAIN_CELLS:
        return (kind, value)
    return (kind, repr(value))
