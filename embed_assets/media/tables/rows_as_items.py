"""Tables: the rows of tables as media items, each with an id that stays when others come and go."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cells.cell_values import Names, spoken, unique
from embed_assets.media.cells.row_content import content_of, given_id, said_of, updated_of
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
from embed_assets.media.tables.text_files import JSONL, PARQUET, records, table_kind, table_mime

_MEDIA_ROWS = 32  # with bytes in them, in memory at one time
_SAID = 2**20  # bytes of a cell that is not the content
_FORMAT = 2  # of how lines are decoded: raised, all tables are read again, and what is another text is embedded again
_AROUND = 4096  # bytes around those of a media, in a structure


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which columns of a table mean what; one of text and bytes is what is embedded, and what is joined to a text."""

    text: str | None = None
    joined: tuple[str, ...] = ()  # whose texts follow that of `text`, each in a line of its own
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
        """All of them, each once."""
        chosen = (*self.content, self.id, self.caption, *self.labels, *self.extra, self.updated)
        return list(dict.fromkeys(name for name in chosen if name))


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row. `id` is unique in its table; `reason` is why the row can't be used, and its content then empty.

    `content_hash` is None where the row was not read, because its `updated` is as it was. One that `hides` others
    stands for a part of the table that can't be read.
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
    """The tables of one source: its files of text tables, or the one dataset that it is. For several threads."""

    columns: Columns
    limits: Limits
    source: Source | None = None  # of files
    dataset: Rows | None = None
    encoding: str | None = None  # of texts that are not UTF-8, by the settings
    workers: Decoders | None = None  # in which decoders look at rows of bytes; None: in this process
    whole: bool = False  # a part that can't be read is a SourceError

    def mime(self, key: str) -> str | None:
        """Return the mime type of a table's texts; None for a file that is no table."""
        return table_mime(key) if self.dataset is None else PLAIN

    def kind(self, key: str) -> str | None:
        """Return what kind of table it is: csv, lance; None for a file that is no table."""
        return table_kind(key) if self.dataset is None else self.dataset.kind

    def rows(self, key: str, *, kept: Callable[[str, str], bool] | None = None) -> Iterator[TableRow]:
        """Rows of one table in its order, never all of them in memory.

        Without an id column, or where a row has none, its id is made from its content: rows that are put
        in between change no other row's. `kept` is asked with id and `updated` whether a row is as it was; such
        rows come last, and are not read. Raises MediaError for what concerns this file alone.
        """
        taken = Names()
        if self.dataset is not None and self.columns.updated and kept is not None:
            yield from self._changed(self.dataset, kept, taken)
            return
        for number, record in self._records(key):
            row = self._row(key, number, record, taken)
            yield replace(row, updated=updated_of(record, self.columns)) if self.columns.updated else row

    def contents(self, key: str) -> Iterator[tuple[str, bytes]]:
        """Content hash and content of each row that can be used; reads no column but that of the contents."""
        bare = replace(
            self, columns=Columns(text=self.columns.text, joined=self.columns.joined, bytes=self.columns.bytes)
        )
        for row in bare.rows(key):
            if row.reason is None and row.content_hash is not None:
                yield row.content_hash, row.data or row.text.encode()

    def fingerprint(self) -> str:
        """What of the settings decides about rows: a table that was read with others is read again."""
        limits = self.limits
        bounds = [limits.max_characters, limits.max_bytes, _FORMAT, self.encoding]
        columns = {
            name: value
            for name, value in asdict(self.columns).items()
            if name not in ("joined", "bytes", "updated") or value
        }
        return hashlib.sha256(json.dumps([columns, bounds]).encode()).hexdigest()[:16]

    def _records(self, key: str) -> Iterator[tuple[int, Mapping[str, Any] | Unread | str]]:
        """The records of one table, from wherever they come."""
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
        """Bytes that a cell may have, by column."""
        limits = self.limits
        content = 4 * limits.max_characters if self.columns.bytes is None else limits.max_bytes + _AROUND
        return {name: content if name in self.columns.content else _SAID for name in self.columns.named()}

    def _changed(self, dataset: Rows, kept: Callable[[str, str], bool], taken: Names) -> Iterator[TableRow]:
        """Rows that are not as they were, read; then the others, told by two columns."""
        columns = self.columns
        same: list[TableRow] = []
        others: deque[tuple[str | None, str]] = deque()

        def wanted(record: Mapping[str, Any]) -> bool:
            given, updated = given_id(record, columns), updated_of(record, columns)
            name = unique(given, "", taken) if given else None
            if name and updated and kept(name, updated):
                same.append(TableRow(id=name, content_hash=None, mime="", modality=None, updated=updated))
                return False
            others.append((name, updated))
            return True

        told = [each for each in (columns.id, columns.updated) if each]
        bounds: dict[str, Any] = {"caps": self._caps(), "rows": self._rows_at_once()}
        for number, record in dataset.picked(told, columns.named(), wanted, **bounds):
            if isinstance(record, Unread):
                others.clear()  # they are of this part: those of the parts before it were told
                yield self._row("", number, record, taken)
                continue
            name, updated = others.popleft()
            yield replace(self._row("", number, record, taken, name=name), updated=updated)
        yield from same

    def _rows_at_once(self) -> int:
        return _MEDIA_ROWS if self.columns.bytes else BATCH_ROWS

    def _row(
        self,
        key: str,
        number: int,
        record: Mapping[str, Any] | Unread | str,
        taken: Names,
        *,
        name: str | None = None,
    ) -> TableRow:
        kind = self.mime(key) or ""
        if isinstance(record, Unread):
            return self._part(record, unique(record.name, "", taken), kind)
        if isinstance(record, str):
            return _unusable(record, unique(f"line-{number}", "", taken), kind, Annotation())
        text, data, reason = content_of(record, self.columns, self.limits)
        digest = content_hash(data) if data else text_hash(text)
        annotation, untold = said_of(record, self.columns)
        reason = reason or untold
        given = given_id(record, self.columns)
        base = given or (digest[:16] if reason is None else f"row-{number}")
        name = name or unique(base, digest[:8] if given else "", taken)
        if reason is not None:
            return _unusable(reason, name, kind, annotation, modality="text" if self.columns.text else None)
        if not data:
            return TableRow(id=name, text=text, content_hash=digest, mime=kind, modality="text", annotation=annotation)
        return self._media(name, data, annotation)

    def _part(self, part: Unread, name: str, kind: str) -> TableRow:
        """A part of the dataset that can't be read, as a row that is set aside."""
        if self.whole:
            raise SourceError(f"Part {part.name} of the table can't be read: {part.reason}. Replace it, or remove it.")
        return replace(_unusable(part.reason, name, kind, Annotation(), modality=None), hides=True)

    def _media(self, name: str, data: bytes, annotation: Annotation) -> TableRow:
        """A row whose bytes are looked at as a file's are."""
        try:
            found = look_at(data, self.workers, encoding=self.encoding)
        except MediaError as error:
            return _unusable(error.reason, name, self.mime("") or "", annotation, modality=None)
        return TableRow(
            id=name,
            data=data,
            content_hash=media_hash(data, found.read_as),
            mime=found.mime,
            decoder=found.decoder,
            charset=found.charset,
            modality=found.modality,
            reason=None if found.modality else unsupported(found.mime),
            annotation=annotation,
        )


def row_key(file_key: str, row_id: str) -> str:
    """The key of a row: its file's, and its id behind the only `#` that is not escaped."""
    return f"{_escaped(file_key)}#{row_id}"


def row_name(row: Mapping[str, Any], *, content: Sequence[str], id: str | None, taken: Names) -> str:
    """A name that is not taken yet, and then is: by the id column, where a row has none by its content."""
    values, given = [row.get(name) for name in content], spoken(row.get(id)) if id else None
    value = values[0] if len(values) == 1 else values
    digest = content_hash(value) if isinstance(value, bytes) else text_hash(repr(value))
    return unique(given or digest[:16], digest[:8] if given else "", taken)


def _escaped(key: str) -> str:
    return key.replace("%", "%25").replace("#", "%23")


def _unusable(
    reason: str, name: str, mime: str, annotation: Annotation, *, modality: Modality | None = "text"
) -> TableRow:
    digest = text_hash(reason)
    return TableRow(id=name, content_hash=digest, mime=mime, modality=modality, reason=reason, annotation=annotation)
