"""load_sidecar: captions, labels and user columns from a .jsonl, .csv or .parquet file beside the media."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cells.cell_values import cell, fault, plain
from embed_assets.media.files.redacted_uri import brief
from embed_assets.media.files.source import is_local, open_source
from embed_assets.media.files.unicode_names import ByName, composed, on_disk
from embed_assets.media.media_types import Annotation
from embed_assets.media.tables.sidecar_rows import KINDS, Row, fail, sidecar_rows

_SHOWN = 200  # characters of a value or a name that a message has
_OWN_FIELDS = frozenset({"file", "caption", "label", "labels"})


def load_sidecar(
    uri: str, *, storage_options: Mapping[str, Any] | None = None, encoding: str | None = None
) -> dict[str, Annotation]:
    """Return annotations by key, from the fields `file`, `caption`, `label` or `labels`; others become `extra`.

    `file` is the key of a media item, its path below the source's folder. Labels are text, whole
    numbers or a list of them; in CSV a list is written as JSON. `encoding` is that of text which is not UTF-8.
    Raises SourceError naming file, line and field: a skipped row would silently leave an item without its caption.
    """
    folder, _, name = (on_disk(uri) if is_local(uri) else uri).rpartition("/")
    kind = KINDS.get(f".{name.rpartition('.')[2].lower()}")
    if kind is None:
        raise SourceError(f"Sidecar {brief(uri)!r}: expected a name that ends in .jsonl, .csv or .parquet.")
    root = folder or ("/" if uri.startswith("/") else ".")
    source = open_source(root, storage_options, follow_links=True)  # the settings name it
    shown = source.uri_of(name)
    try:
        return _annotations(shown, sidecar_rows(shown, source, name, kind, encoding))
    except MediaError as error:
        raise SourceError(f"Sidecar {shown!r} can't be read: {error}. Check the path, and the file.") from error


_NOTHING = Annotation()


class Annotations:
    """Annotations of items from a sidecar, the folders' names and a table's own columns."""

    def __init__(self, by_key: Mapping[str, Annotation], *, by_folder: bool) -> None:
        self._by_key = ByName(by_key)
        self._silent = not (by_key or by_folder)
        self._by_folder = by_folder
        self._of_rows: dict[str, list[str]] = {}  # keys of table rows in the sidecar, by their prefix
        for key in by_key:
            table, mark, _ = key.partition("#")
            if mark:
                self._of_rows.setdefault(composed(f"{table}#"), []).append(key)

    @property
    def silent(self) -> bool:
        """Whether no file has an annotation."""
        return self._silent

    def of(self, key: str) -> Annotation:
        """Return a file's annotation."""
        if self.silent:
            return _NOTHING
        annotation = self._by_key.get(key) or _NOTHING
        labels = annotation.labels or (folder_labels(key) if self._by_folder else ())
        return Annotation(caption=annotation.caption, labels=labels, extra=annotation.extra)

    def of_row(self, file_key: str, key: str, own: Annotation) -> Annotation:
        """Return the annotation of a table's row: by its columns, the sidecar's row, the table's row, its folder."""
        if self.silent:
            return own
        row, table = self._by_key.get(key) or _NOTHING, self.of(file_key)
        return Annotation(
            caption=own.caption or row.caption or table.caption,
            labels=own.labels or row.labels or table.labels,
            extra={**table.extra, **row.extra, **own.extra},
        )

    def fingerprint(self, file_key: str, prefix: str) -> str:
        """Return a hash of the annotations of a table and of its rows, whose keys have the prefix."""
        keys = sorted(self._of_rows.get(composed(prefix), ()))
        annotations = [repr(self.of(file_key)), *(f"{key} {self._by_key.get(key)!r}" for key in keys)]
        return hashlib.sha256("\n".join(annotations).encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def named(self) -> bool:
        """Whether there is a sidecar with rows."""
        return bool(self._by_key)

    def unknown(self, keys: Iterable[str]) -> list[str]:
        """Return the names in the sidecar that are not among these keys, in its order."""
        return self._by_key.unknown(keys)


def folder_labels(key: str) -> tuple[str, ...]:
    """Return the first folder of a key as its label; none for a file at the top."""
    folder, slash, _ = key.partition("/")
    return (folder,) if slash else ()


def _annotations(uri: str, rows: Iterator[Row]) -> dict[str, Annotation]:
    found: dict[str, Annotation] = {}
    places: dict[str, str] = {}
    for place, row in rows:
        key = _text(row.get("file"), uri, place, "file")
        if key is None:
            fail(
                uri,
                place,
                "field 'file' is missing or empty; give the path of a file below the source's folder",
            )
        key = key.removeprefix("./")
        if key in places:
            fail(
                uri,
                place,
                f"field 'file' names {key[:_SHOWN]!r} again, first named in {places[key]}; keep one row for it",
            )
        places[key] = place
        found[key] = Annotation(
            caption=_text(row.get("caption"), uri, place, "caption"),
            labels=_labels(row, uri, place),
            extra={name: _plain(value, uri, place, name) for name, value in row.items() if name not in _OWN_FIELDS},
        )
    return found


def _text(value: Any, uri: str, place: str, field: str) -> str | None:
    value = _plain(value, uri, place, field)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        fail(uri, place, f"field {field!r} is {_shown(value)}; expected text")
    return cell(value)


def _labels(row: Mapping[str, Any], uri: str, place: str) -> tuple[str, ...]:
    labels: dict[str, None] = {}  # in order, each once
    for field in ("label", "labels"):
        value = _plain(row.get(field), uri, place, field)
        for label in value if isinstance(value, list) else [value]:
            if isinstance(label, bool) or not isinstance(label, (str, int, type(None))):
                fail(
                    uri,
                    place,
                    f"field {field!r} is {_shown(value)}; expected text, a whole number or a list of them",
                )
            if text := cell(label):
                labels[text] = None
    return tuple(labels)


def _plain(value: Any, uri: str, place: str, field: str) -> Any:
    if reason := fault(value):
        fail(uri, place, f"field {field[:_SHOWN]!r} is unreadable: {reason}; shorten, convert or drop it")
    return plain(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
