"""Counts of a source's user columns: values by kind, kept with its state, changed by the rows that a refresh writes."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.cells.value_kinds import as_meant, kind_of

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_MOST_NAMES = 1000  # of columns; a record may have a million fields
_OBJECTS = 4096  # rows that are objects at one time
_WRITTEN = ("csv", "tsv")  # tables whose values are all written as text


def counted_columns(text: str, *, stored: pa.Table, written: pa.Table, live: pa.Table) -> str:
    """Return the counts of a source after a refresh as text, "" where no row has user columns.

    `text` are those of the refresh before, `stored` all rows of the manifest by then, `written` the rows that replace
    some of them, `live` those that are not deleted now. The cost is that of `written`, unless the counts are not of
    these rows: of an older store, or where two refreshes ran at once. Then all are counted.
    """
    counts = _Counts.read(text)
    stored = stored.select(["media_id", "status", "extra", "table_kind"])
    exact = counts.rows == _with_columns(stored)
    if exact and written.num_rows:
        ids = written["media_id"].combine_chunks()
        exact = counts.remove(_live_rows(stored.filter(pc.is_in(stored["media_id"], value_set=ids))))
        counts.add(_live_rows(written))
    if not exact or counts.rows != _with_columns(live):
        counts = _Counts()
        counts.add(_live_rows(live.filter(pc.is_valid(live["extra"]))))
    return counts.as_text()


def column_kinds(text: str) -> dict[str, Counter[str]]:
    """Return the kinds of values by column: how many items have one of each kind."""
    return _Counts.read(text).kinds


class _Counts:
    """Rows with user columns, and their values by column and kind."""

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: dict[str, Counter[str]] = {}

    @classmethod
    def read(cls, text: str) -> "_Counts":
        counts = cls()
        document = json.loads(text) if text else {"rows": 0, "kinds": {}}
        counts.rows = document["rows"]
        counts.kinds = {name: Counter(kinds) for name, kinds in document["kinds"].items()}
        return counts

    def as_text(self) -> str:
        kinds = {name: dict(sorted(found.items())) for name, found in sorted(self.kinds.items())}
        return json.dumps({"rows": self.rows, "kinds": kinds}) if self.rows else ""

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self.rows += row["extra"] is not None
            for name, kind in _kinds_of(row):
                if name in self.kinds or len(self.kinds) < _MOST_NAMES:
                    self.kinds.setdefault(name, Counter())[kind] += 1

    def remove(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Subtract rows; return whether all of them had been counted."""
        for row in rows:
            self.rows -= row["extra"] is not None
            for name, kind in _kinds_of(row):
                if name in self.kinds:
                    self.kinds[name][kind] -= 1
        exact = all(count >= 0 for kinds in self.kinds.values() for count in kinds.values())
        self.kinds = {name: +kinds for name, kinds in self.kinds.items() if +kinds}
        return exact


def _kinds_of(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the name and kind of each value of a manifest row's user columns."""
    if row["extra"] is None:
        return
    written = row["table_kind"] in _WRITTEN
    for name, value in json.loads(row["extra"]).items():
        kind = kind_of(value)
        if kind is not None and _is_unicode(name):
            yield name, as_meant(kind, written=True) if written else kind


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _live_rows(rows: pa.Table) -> Iterator[Mapping[str, Any]]:
    """Yield what is counted of the rows that are not deleted, some at a time."""
    live = rows.filter(pc.not_equal(rows["status"], "deleted")).select(["extra", "table_kind"])
    for batch in live.to_batches(max_chunksize=_OBJECTS):
        yield from batch.to_pylist()


def _with_columns(rows: pa.Table) -> int:
    """Count the rows that are not deleted and have user columns: by a mask, without a copy of them."""
    return pc.sum(pc.and_(pc.not_equal(rows["status"], "deleted"), pc.is_valid(rows["extra"]))).as_py() or 0
