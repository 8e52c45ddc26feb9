"""RowChunk: some rows of a table by columns; a text of an ordinary cell never becomes an object of its own."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from embed_assets.media.cells.cell_values import Names, as_text
from embed_assets.media.cells.row_content import LONGEST_ID, annotation_of
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Annotation

if TYPE_CHECKING:
    from embed_assets.media.tables.rows_as_items import Columns, TableRow

_ROWS = 1024  # of a chunk that is made of single rows
_REMEMBERED = 10_000  # different annotations of a table
_PLAIN_CELLS = frozenset((str, int, bool, type(None)))  # equal values of one of these types are written alike


@dataclass(kw_only=True, slots=True)
class RowChunk:
    """Rows by columns, each as of `TableRow`; of contents the texts alone."""

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
    texts: list[str | None] = field(default_factory=list)  # None: of a row whose content is bytes, or not usable
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
        self.texts.append(row.text or None)
        self.hides = self.hides or row.hides


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
    """Makes rows of the cells of a table of texts, some thousand at a time: as `Tables` makes each of its record.

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

    def chunk(self, cells: Mapping[str, Sequence[Any]]) -> RowChunk | None:
        """Return rows whose cells are all ordinary, and whose names nobody has; None for others."""
        if not cells:
            return RowChunk()
        texts = [usable_text(value, self._limits) for value in cells[self._columns.text or ""]]
        names = [_plain_id(value) for value in cells[self._columns.id or ""]]
        if None in texts or None in names or len(set(names)) < len(names) or not self._used.isdisjoint(names):
            return None
        annotations = [*self._annotations_of(cells)]
        if None in annotations:
            return None
        self._used.update(filter(None, names))
        rows = len(names)
        return RowChunk(
            ids=[name for name in names if name],
            content_hashes=[hashlib.sha256(data or b"").hexdigest() for data in texts],
            sizes=[len(data or b"") for data in texts],
            mimes=[self._mime] * rows,
            modalities=["text"] * rows,
            reasons=[None] * rows,
            decoders=[""] * rows,
            charsets=[None] * rows,
            updated=[""] * rows,
            annotations=[each for each in annotations if each],
            texts=list(cells[self._columns.text or ""]),
        )

    def _annotations_of(self, cells: Mapping[str, Sequence[Any]]) -> Iterator[Annotation | None]:
        """Yield the annotation of each row, computed once for equal cells; None where a cell is unreadable."""
        columns = [cells[name] for name in self._metadata if name in cells]
        rows = len(cells[self._columns.id or ""])
        keys = zip(*map(_hashable_cells, columns), strict=True) if columns else iter([()] * rows)
        found = self._annotations
        for place, key in enumerate(keys):
            if key not in found:
                record = {name: column[place] for name, column in cells.items()}
                annotation, reason = annotation_of(record, self._columns)
                while len(found) >= _REMEMBERED:
                    found.pop(next(iter(found)))
                found[key] = None if reason else annotation
            yield found[key]


def _plain_id(value: Any) -> str | None:
    """Return the name that an ordinary cell gives its row; None for any other cell."""
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value or "\0" in value or len(value) > LONGEST_ID:
        return None
    return value if value.isascii() else as_text(value)


def _hashable_cells(column: Sequence[Any]) -> Sequence[Any]:
    """Return what equal cells share, and cells that are written otherwise don't: 1, 1.0 and true are not one."""
    if all(type(value) is str for value in column):
        return column
    return [(type(value), value if type(value) in _PLAIN_CELLS else repr(value)) for value in column]
