"""Tables: the rows of text tables as media items, each with an id that stays when others come and go."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from embed_assets.media.hashing import text_hash
from embed_assets.media.item import Annotation
from embed_assets.media.limits import Limits
from embed_assets.media.sidecar import jsonable
from embed_assets.media.source import Source
from embed_assets.media.table_files import JSONL, KINDS, records, table_kind

_MIMES = frozenset(KINDS.values())  # none of them is what a file is sniffed as


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which columns of a table mean what."""

    text: str
    id: str | None = None  # None: ids are made from the texts
    caption: str | None = None
    labels: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def named(self) -> list[str]:
        """All of them, each once."""
        chosen = (self.text, self.id, self.caption, *self.labels, *self.extra)
        return list(dict.fromkeys(name for name in chosen if name is not None))


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row. `id` is unique in its file; `reason` is why the row can't be used, and `text` then empty."""

    id: str
    text: str
    content_hash: str
    reason: str | None
    annotation: Annotation


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The text tables of one source. May be used from several threads."""

    source: Source
    columns: Columns
    limits: Limits

    def rows(self, key: str) -> Iterator[TableRow]:
        """Rows of one table in its order, never all of them in memory.

        Without an id column, or where a row has none, its id is made from its text: rows that are put
        in between change no other row's. Raises MediaError for what concerns this file alone.
        """
        kind = table_kind(key) or ""
        columns = self.columns
        required = [columns.text, *([columns.id] if columns.id else [])] if kind == JSONL else columns.named()
        taken: set[str] = set()
        with self.source.stream(key) as stream:
            for number, record in records(stream, kind, required=required, limits=self.limits):
                yield self._row(number, record, taken)

    def texts(self, key: str) -> Iterator[tuple[str, str]]:
        """Content hash and text of each row that can be used; reads no column but that of the texts."""
        bare = replace(self, columns=Columns(text=self.columns.text))
        return ((row.content_hash, row.text) for row in bare.rows(key) if row.reason is None)

    def fingerprint(self) -> str:
        """What of the settings decides about rows: a table that was read with others is read again."""
        limits = self.limits
        bounds = [limits.max_characters, limits.max_bytes, limits.code_pages]
        return hashlib.sha256(json.dumps([asdict(self.columns), bounds]).encode()).hexdigest()[:16]

    def _row(self, number: int, record: Mapping[str, Any] | str, taken: set[str]) -> TableRow:
        if isinstance(record, str):
            return _unusable(record, _unique(f"line-{number}", "", taken), Annotation())
        text, reason = self._text(record)
        digest = text_hash(text)
        given = None if self.columns.id is None else _cell(record.get(self.columns.id))
        base = given or (digest[:16] if reason is None else f"row-{number}")
        name = _unique(base, digest[:8] if given else "", taken)
        if reason is not None:
            return _unusable(reason, name, self._annotation(record))
        annotation = self._annotation(record)
        return TableRow(id=name, text=text, content_hash=digest, reason=None, annotation=annotation)

    def _text(self, record: Mapping[str, Any]) -> tuple[str, str | None]:
        column, limits = self.columns.text, self.limits
        value = record.get(column)
        text = _cell(value)
        if text is None:
            wrong = value is not None and value == value  # NaN is how tables write nothing
            return "", f"{'not text' if wrong else 'no text'} in column {column!r}"
        if not text.strip():
            return "", f"empty text in column {column!r}"
        if len(text) > limits.max_characters or len(text.encode()) > limits.max_bytes:
            return "", f"too many characters in column {column!r}"
        return text, None

    def _annotation(self, record: Mapping[str, Any]) -> Annotation:
        columns = self.columns
        caption = None if columns.caption is None else _cell(record.get(columns.caption))
        labels = [label for name in columns.labels for label in _labels(record.get(name))]
        return Annotation(
            caption=caption if caption and caption.strip() else None,
            labels=tuple(dict.fromkeys(labels)),
            extra={name: _plain(record[name]) for name in columns.extra if record.get(name) is not None},
        )


def row_key(file_key: str, row_id: str) -> str:
    """The key of a row: its file's, and its id behind the only `#` that is not escaped."""
    return f"{_escaped(file_key)}#{row_id}"


def table_of(row: Mapping[str, Any]) -> str | None:
    """The key of the table that a manifest row is a row of; None where it is a file."""
    if row["mime"] not in _MIMES:
        return None
    return row["key"].partition("#")[0].replace("%23", "#").replace("%25", "%")


def row_id(key: str) -> str:
    """What `row_key` was given as the row's id."""
    return key.partition("#")[2]


def _escaped(key: str) -> str:
    return key.replace("%", "%25").replace("#", "%23")


def _unusable(reason: str, name: str, annotation: Annotation) -> TableRow:
    return TableRow(id=name, text="", content_hash=text_hash(reason), reason=reason, annotation=annotation)


def _unique(base: str, digest: str, taken: set[str]) -> str:
    """`base`, or where another row has it already, the first of base~digest, base-2, base-3, … that is free."""
    name = base
    if name in taken and digest:
        name = base = f"{base}~{digest}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def _cell(value: Any) -> str | None:
    """A single value as text; None for nothing, and for lists, structures and bytes that are no text."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, (list, tuple, Mapping)) or value != value:
        return None
    # NUL and halves of surrogate pairs, which a database refuses.
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def _labels(value: Any) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):  # how CSV writes a list
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [label for each in values if (label := _cell(each))]


def _plain(value: Any) -> Any:
    """The value as JSON can hold it; what it can't, as text."""
    try:
        return jsonable(value)
    except TypeError:
        return str(value)
