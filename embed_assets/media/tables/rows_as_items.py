"""Tables: the rows of tables as media items, with ids that do not depend on other rows."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cells.cell_values import Names, as_text, unique
from embed_assets.media.cells.row_content import annotation_of, content_of, id_of, updated_of
from embed_assets.media.detect import look_at
from embed_assets.media.files.source import Source
from embed_assets.media.hashing import content_hash, text_hash
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.kinds.decoder_plugins import media_hash
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import PLAIN, Annotation, Modality
from embed_assets.media.tables.lance_and_delta import BATCH_ROWS, Unread
from embed_assets.media.tables.open_table import Rows
from embed_assets.media.tables.parquet_file import ParquetFile
from embed_assets.media.tables.parquet_worker import Answer
from embed_assets.media.tables.row_chunks import RowChunk, TextRows, chunks_of, usable_text
from embed_assets.media.tables.text_files import JSONL, PARQUET, records, table_kind, table_mime

_MEDIA_ROWS = 32  # with bytes in them, in memory at one time
_TEXTS = 8192  # rows of texts in memory at one time, of some megabytes at most
_CELL_BYTES = 2**20  # bytes of a cell other than the content
_FORMAT = 2  # of decoded lines: with a new one all tables are read again, and changed texts embedded again
_AROUND = 4096  # bytes of a structure around a media file's bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Roles of a table's columns; either `text`, with the `joined` ones, or `bytes` is embedded."""

    text: str | None = None
    joined: tuple[str, ...] = ()  # their texts follow that of `text`, a line each
    bytes: str | None = None
    id: str | None = None  # None: ids are made from the content
    caption: str | None = None
    labels: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    updated: str | None = None  # unchanged: the row is not read again

    @property
    def content(self) -> tuple[str, ...]:
        """The columns that are embedded."""
        return (self.text or self.bytes or "", *self.joined)

    def named(self) -> list[str]:
        """Return the names of all columns, each once."""
        chosen = (*self.content, self.id, self.caption, *self.labels, *self.extra, self.updated)
        return list(dict.fromkeys(name for name in chosen if name))


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row. `id` is unique in its table; with a `reason` the row is quarantined, and its content empty.

    `content_hash` is None where the row was not read, because its `updated` is unchanged. One that `hides` others
    represents an unreadable part of the table.
    """

    id: str
    text: str = ""
    data: bytes = b""  # of a row with a picture, sound, document …
    content_hash: str | None
    mime: str
    decoder: str = ""  # as of Sniffed
    charset: str | None = None
    modality: Modality | None
    reason: str | None = None
    annotation: Annotation = field(default_factory=Annotation)
    updated: str = ""
    hides: bool = False

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.data) or len(self.text.encode())


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of one source: its table files, or its one dataset. For several threads."""

    columns: Columns
    limits: Limits
    source: Source | None = None  # of files
    dataset: Rows | None = None
    encoding: str | None = None  # of texts that are not UTF-8, by the settings
    workers: Decoders | None = None  # that inspect rows of bytes; None: in this process
    whole: bool = False  # an unreadable part is a SourceError

    def mime(self, key: str) -> str | None:
        """Return the mime type of a table's texts; None for a file that is no table."""
        return table_mime(key) if self.dataset is None else PLAIN

    def kind(self, key: str) -> str | None:
        """Return the kind of a table: csv, lance; None for a file that is no table."""
        return table_kind(key) if self.dataset is None else self.dataset.kind

    def rows(self, key: str, *, is_unchanged: Callable[[str, str], bool] | None = None) -> Iterator[TableRow]:
        """Yield the rows of one table in its order, without holding all in memory.

        A row without an id gets one from its content: inserted rows change no other row's. Rows for which
        `is_unchanged(id, updated)` holds come last, and are not read. Raises MediaError for faults of this file alone.
        """
        used = Names()
        if self.dataset is not None and self.columns.updated and is_unchanged is not None:
            yield from self._changed(self.dataset, is_unchanged, used)
            return
        for number, record in self._records(key):
            row = self._row(key, number, record, used)
            yield replace(row, updated=updated_of(record, self.columns)) if self.columns.updated else row

    def chunks(self, key: str, *, is_unchanged: Callable[[str, str], bool] | None = None) -> Iterator[RowChunk]:
        """Yield the rows of `rows` by columns, without their content."""
        if not (self._is_parquet_of_texts(key) and TextRows.can_read(self.columns)):
            yield from chunks_of(self.rows(key, is_unchanged=is_unchanged))
            return
        used = Names()
        texts = TextRows(self.columns, self.limits, self.mime(key) or "", used)
        for part in self._parquet_parts(key):
            chunk = texts.chunk(part.cells)
            if chunk is None:  # a row needs a look
                chunk = RowChunk()
                for at, place in enumerate(part.places):
                    record = {name: cells[at] for name, cells in part.cells.items()}
                    chunk.add(self._row(key, place + 1, record, used))
            yield chunk

    def contents(self, key: str) -> Iterator[tuple[str, bytes]]:
        """Yield the content hash and content of each usable row; reads the content's columns alone."""
        bare = replace(
            self, columns=Columns(text=self.columns.text, joined=self.columns.joined, bytes=self.columns.bytes)
        )
        if self._is_parquet_of_texts(key) and not self.columns.joined:
            yield from bare._texts(key)
            return
        for row in bare.rows(key):
            if row.reason is None and row.content_hash is not None:
                yield row.content_hash, row.data or row.text.encode()

    def _texts(self, key: str) -> Iterator[tuple[str, bytes]]:
        """Yield as `contents`, of a Parquet file with one column of text."""
        name = self.columns.text or ""
        for part in self._parquet_parts(key):
            for value in part.cells.get(name, ()):
                data = usable_text(value, self.limits)
                if data is None:
                    text, _, reason = content_of({name: value}, self.columns, self.limits)
                    if reason is not None:
                        continue
                    data = text.encode()
                yield content_hash(data), data

    def _is_parquet_of_texts(self, key: str) -> bool:
        return self.dataset is None and self.columns.bytes is None and table_mime(key) == PARQUET

    def _parquet_parts(self, key: str) -> Iterator[Answer]:
        assert self.source is not None
        named, file = self.columns.named(), ParquetFile(source=self.source, key=key, limits=self.limits)
        return file.parts(named, required=named, caps=self._caps(), rows=_TEXTS)

    def fingerprint(self) -> str:
        """Return a hash of the settings that decide on rows: with other settings tables are read again."""
        limits = self.limits
        bounds = [limits.max_characters, limits.max_bytes, _FORMAT, self.encoding]
        columns = {
            name: value
            for name, value in asdict(self.columns).items()
            if name not in ("joined", "bytes", "updated") or value
        }
        return hashlib.sha256(json.dumps([columns, bounds]).encode()).hexdigest()[:16]

    def _records(self, key: str) -> Iterator[tuple[int, Mapping[str, Any] | Unread | str]]:
        """Yield the records of one table."""
        columns = self.columns
        if self.dataset is not None:
            yield from self.dataset.records(columns.named(), caps=self._caps(), rows=self._rows_at_once())
        elif self.source is not None:
            kind = table_mime(key) or ""
            if kind == PARQUET:
                yield from self._parquet(ParquetFile(source=self.source, key=key, limits=self.limits))
                return
            required = [*columns.content, *([columns.id] if columns.id else [])] if kind == JSONL else columns.named()
            with self.source.stream(key) as stream:
                yield from records(stream, kind, required=required, limits=self.limits, encoding=self.encoding)

    def _parquet(self, file: ParquetFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
        named = self.columns.named()
        for place, row in file.rows(named, required=named, caps=self._caps(), rows=self._rows_at_once()):
            yield place + 1, row

    def _caps(self) -> dict[str, int]:
        """Return the largest size of a cell in bytes, by column."""
        limits = self.limits
        content = 4 * limits.max_characters if self.columns.bytes is None else limits.max_bytes + _AROUND
        return {name: content if name in self.columns.content else _CELL_BYTES for name in self.columns.named()}

    def _changed(self, dataset: Rows, is_unchanged: Callable[[str, str], bool], used: Names) -> Iterator[TableRow]:
        """Yield the rows that changed, with their content; then the others, by id and `updated` alone."""
        columns = self.columns
        same: list[TableRow] = []
        others: deque[tuple[str | None, str]] = deque()

        def has_changed(record: Mapping[str, Any]) -> bool:
            row_id, updated = id_of(record, columns), updated_of(record, columns)
            name = unique(row_id, "", used) if row_id else None
            if name and updated and is_unchanged(name, updated):
                same.append(TableRow(id=name, content_hash=None, mime="", modality=None, updated=updated))
                return False
            others.append((name, updated))
            return True

        filter_columns = [each for each in (columns.id, columns.updated) if each]
        bounds: dict[str, Any] = {"caps": self._caps(), "rows": self._rows_at_once()}
        for number, record in dataset.scan_where(filter_columns, columns.named(), has_changed, **bounds):
            if isinstance(record, Unread):
                others.clear()  # they are of this part: those of earlier parts were yielded
                yield self._row("", number, record, used)
                continue
            name, updated = others.popleft()
            yield replace(self._row("", number, record, used, name=name), updated=updated)
        yield from same

    def _rows_at_once(self) -> int:
        return _MEDIA_ROWS if self.columns.bytes else BATCH_ROWS

    def _row(
        self,
        key: str,
        number: int,
        record: Mapping[str, Any] | Unread | str,
        used: Names,
        *,
        name: str | None = None,
    ) -> TableRow:
        kind = self.mime(key) or ""
        if isinstance(record, Unread):
            return self._part(record, unique(record.name, "", used), kind)
        if isinstance(record, str):
            return _unusable(record, unique(f"line-{number}", "", used), kind, Annotation())
        text, data, reason = content_of(record, self.columns, self.limits)
        digest = content_hash(data) if data else text_hash(text)
        annotation, annotation_reason = annotation_of(record, self.columns)
        reason = reason or annotation_reason
        own_id = id_of(record, self.columns)
        base = own_id or (digest[:16] if reason is None else f"row-{number}")
        name = name or unique(base, digest[:8] if own_id else "", used)
        if reason is not None:
            return _unusable(reason, name, kind, annotation, modality="text" if self.columns.text else None)
        if not data:
            return TableRow(id=name, text=text, content_hash=digest, mime=kind, modality="text", annotation=annotation)
        return self._media(name, data, annotation)

    def _part(self, part: Unread, name: str, kind: str) -> TableRow:
        """Return an unreadable part of the dataset as a quarantined row."""
        if self.whole:
            raise SourceError(f"Part {part.name} of the table can't be read: {part.reason}. Replace it, or remove it.")
        return replace(_unusable(part.reason, name, kind, Annotation(), modality=None), hides=True)

    def _media(self, name: str, data: bytes, annotation: Annotation) -> TableRow:
        """Return a row of bytes, inspected as those of a file."""
        try:
            sniffed = look_at(data, self.workers, encoding=self.encoding)
        except MediaError as error:
            return _unusable(error.reason, name, self.mime("") or "", annotation, modality=None)
        return TableRow(
            id=name,
            data=data,
            content_hash=media_hash(data, sniffed.read_as),
            mime=sniffed.mime,
            decoder=sniffed.decoder,
            charset=sniffed.charset,
            modality=sniffed.modality,
            reason=None if sniffed.modality else unsupported(sniffed.mime),
            annotation=annotation,
        )


def row_key(file_key: str, row_id: str) -> str:
    """Return the key of a row: its file's, and its id behind the only `#` that is not escaped."""
    return f"{_escaped(file_key)}#{row_id}"


def row_name(row: Mapping[str, Any], *, content: Sequence[str], id: str | None, used: Names) -> str:
    """Return an unused name, and mark it as used: by the id column, or by the content of a row without an id."""
    values, own_id = [row.get(name) for name in content], as_text(row.get(id)) if id else None
    value = values[0] if len(values) == 1 else values
    digest = content_hash(value) if isinstance(value, bytes) else text_hash(repr(value))
    return unique(own_id or digest[:16], digest[:8] if own_id else "", used)


def _escaped(key: str) -> str:
    return key.replace("%", "%25").replace("#", "%23")


def _unusable(
    reason: str, name: str, mime: str, annotation: Annotation, *, modality: Modality | None = "text"
) -> TableRow:
    digest = text_hash(reason)
    return TableRow(id=name, content_hash=digest, mime=mime, modality=modality, reason=reason, annotation=annotation)
