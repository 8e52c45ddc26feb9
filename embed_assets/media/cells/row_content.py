"""Row content: text, bytes, id and annotation of a table's row by its columns, or the column that is unreadable."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embed_assets.errors import MediaError
from embed_assets.media.cells.arrow_cells import UnreadableCell
from embed_assets.media.cells.cell_values import as_text, cell, fault, labels_of, media_bytes, plain
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Annotation

if TYPE_CHECKING:
    from embed_assets.media.tables.rows_as_items import Columns

LONGEST_ID = 8000  # characters of an id
_NOTHING = ("no text", "empty text")


def content_of(record: Mapping[str, Any], columns: "Columns", limits: Limits) -> tuple[str, bytes, str | None]:
    """Return the text, the bytes, and the reason where there are neither."""
    if columns.bytes is None:
        text, reason = _joined(record, columns.content, limits) if columns.joined else _one(record, columns, limits)
        return text, b"", reason
    data, reason = _bytes(media_bytes(record.get(columns.bytes)), limits)
    return "", data, reason and f"{reason} in column {columns.bytes!r}"


def id_of(record: Any, columns: "Columns") -> str | None:
    """Return the value of a record's id column, where it can be a name."""
    if not isinstance(record, Mapping) or columns.id is None or _fault_of_id(record, columns.id):
        return None
    return as_text(record.get(columns.id))


def updated_of(record: Any, columns: "Columns") -> str:
    """Return the value of a record's `updated` column, a time or a version."""
    if not isinstance(record, Mapping) or columns.updated is None:
        return ""
    return as_text(record.get(columns.updated)) or ""


def annotation_of(record: Mapping[str, Any], columns: "Columns") -> tuple[Annotation, str | None]:
    """Return the annotation of the other columns, or the reason why one of them is unreadable."""
    if columns.id and (reason := _fault_of_id(record, columns.id)):
        return Annotation(), f"{reason} in column {columns.id!r}"
    for name in (columns.caption, *columns.labels, *columns.extra, columns.updated):
        if name and name not in columns.content and (reason := fault(record.get(name))):
            return Annotation(), f"{reason} in column {name!r}"
    try:
        return _annotation(record, columns), None
    except MediaError as error:
        return Annotation(), error.reason


def _one(record: Mapping[str, Any], columns: "Columns", limits: Limits) -> tuple[str, str | None]:
    text, reason = _text(record.get(columns.text or ""), limits)
    return text, reason and f"{reason} in column {columns.text!r}"


def _joined(record: Mapping[str, Any], names: Sequence[str], limits: Limits) -> tuple[str, str | None]:
    """Return the texts of several columns, a line each; empty columns are left out, unreadable ones give a reason."""
    parts: list[str] = []
    for name in names:
        text, reason = _text(record.get(name), limits)
        if reason is None:
            parts.append(text)
        elif reason not in _NOTHING:
            return "", f"{reason} in column {name!r}"
    if not parts:
        return "", f"no text in columns {', '.join(map(repr, names))}"
    text = "\n".join(parts)
    return _text(text, limits)


def _text(value: Any, limits: Limits) -> tuple[str, str | None]:
    if isinstance(value, UnreadableCell):
        return "", "too many characters" if value.reason == "too many bytes" else value.reason
    text = cell(value)
    if text is None:
        wrong = value is not None and value == value  # NaN means missing in tables
        return "", "not text" if wrong else "no text"
    if not text.strip():
        return "", "empty text"
    if len(text) > limits.max_characters or len(text.encode()) > limits.max_bytes:
        return "", "too many characters"
    return text, None


def _bytes(value: Any, limits: Limits) -> tuple[bytes, str | None]:
    if isinstance(value, UnreadableCell):
        return b"", value.reason
    if not isinstance(value, bytes):
        return b"", "no bytes" if value is None else "not bytes"
    if len(value) > limits.max_bytes:
        return b"", "too many bytes"
    return value, None if value else "empty bytes"


def _fault_of_id(record: Mapping[str, Any], column: str) -> str:
    value = record.get(column)
    return fault(value) or ("too many characters" if len(as_text(value) or "") > LONGEST_ID else "")


def _annotation(record: Mapping[str, Any], columns: "Columns") -> Annotation:
    caption = None if columns.caption is None else as_text(record.get(columns.caption))
    labels = [label for name in columns.labels for label in _labels(record, name)]
    return Annotation(
        caption=caption if caption and caption.strip() else None,
        labels=tuple(dict.fromkeys(labels)),
        extra={name: plain(record[name]) for name in columns.extra if record.get(name) is not None},
    )


def _labels(record: Mapping[str, Any], name: str) -> list[str]:
    try:
        return labels_of(record.get(name))
    except ValueError as error:
        raise MediaError(f"{error} in column {name!r}") from error
